//! Carries a template out.
use super::{
    functions,
    parser::{Branch, Head, Node, Operand, Pipeline, Tree},
    value::Value,
};
use anyhow::{Context, Result, bail};

/// How often templates may call templates within each other.
const CALLS: usize = 100;

pub(super) fn render(tree: &Tree, data: &Value) -> Result<String> {
    let mut run = Run { tree, out: String::new(), variables: vec![], calls: 0 };
    run.variables.push((String::new(), data.clone()));
    run.nodes(&tree.main, data)?;
    Ok(run.out)
}

/// How a list of nodes ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    On,
    Break,
    Continue,
}

struct Run<'a> {
    tree: &'a Tree,
    out: String,
    /// The latest last; `$` has no name.
    variables: Vec<(String, Value)>,
    calls: usize,
}

impl<'a> Run<'a> {
    fn nodes(&mut self, nodes: &'a [Node], dot: &Value) -> Result<Flow> {
        for node in nodes {
            match self.node(node, dot)? {
                Flow::On => {}
                ended => return Ok(ended),
            }
        }
        Ok(Flow::On)
    }
    /// Nodes whose variables nobody outside knows.
    fn inside(&mut self, nodes: &'a [Node], dot: &Value) -> Result<Flow> {
        let outside = self.variables.len();
        let flow = self.nodes(nodes, dot);
        self.variables.truncate(outside);
        flow
    }
    fn node(&mut self, node: &'a Node, dot: &Value) -> Result<Flow> {
        let at = |line: &usize| format!("line {line}");
        match node {
            Node::Text(text) => self.out.push_str(text),
            Node::Print(line, pipeline) => {
                let value = self.pipeline(pipeline, dot).with_context(|| at(line))?;
                if pipeline.names.is_empty() {
                    self.out.push_str(&value.shown().with_context(|| at(line))?);
                }
            }
            Node::If(line, branch) => return self.chosen(branch, dot, false, &at(line)),
            Node::With(line, branch) => return self.chosen(branch, dot, true, &at(line)),
            Node::Range(line, branch) => return self.range(branch, dot, &at(line)),
            Node::Template(line, name, data) => {
                let data = data.as_ref().map(|p| self.pipeline(p, dot)).transpose();
                let data = data.with_context(|| at(line))?.unwrap_or(Value::Nil);
                self.call(name, &data).with_context(|| at(line))?;
            }
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::On)
    }
    /// `if`, or `with`, in which the value is the new dot.
    fn chosen(&mut self, branch: &'a Branch, dot: &Value, with: bool, place: &str) -> Result<Flow> {
        let outside = self.variables.len();
        let value = self.pipeline(&branch.on, dot).with_context(|| place.to_owned())?;
        let flow = match (value.truth(), with) {
            (false, _) => self.nodes(&branch.otherwise, dot),
            (true, false) => self.nodes(&branch.then, dot),
            (true, true) => self.nodes(&branch.then, &value),
        };
        self.variables.truncate(outside);
        flow
    }
    fn range(&mut self, branch: &'a Branch, dot: &Value, place: &str) -> Result<Flow> {
        let over = self.commands(&branch.on, dot).with_context(|| place.to_owned())?;
        let entries: Vec<(Value, Value)> = match &over {
            Value::List(list) => (0_i64..).map(Value::from).zip(list.iter().cloned()).collect(),
            Value::Map(map) => {
                map.iter().map(|(key, value)| (key.as_str().into(), value.clone())).collect()
            }
            Value::Nil => vec![],
            other => bail!("{place}: a range goes over lists and maps, not over {}", other.kind()),
        };
        if entries.is_empty() {
            return self.inside(&branch.otherwise, dot);
        }
        for (key, element) in entries {
            let outside = self.variables.len();
            match branch.on.names.as_slice() {
                [] => {}
                [one] => self.assign(one, branch.on.new, element.clone()),
                [first, second, ..] => {
                    self.assign(first, branch.on.new, key);
                    self.assign(second, branch.on.new, element.clone());
                }
            }
            let flow = self.nodes(&branch.then, &element);
            self.variables.truncate(outside);
            match flow? {
                // Out of this range, not of what it stands in.
                Flow::Break => break,
                Flow::On | Flow::Continue => {}
            }
        }
        Ok(Flow::On)
    }
    fn call(&mut self, name: &str, data: &Value) -> Result<()> {
        let Some(nodes) = self.tree.defined.get(name) else { bail!("no template {name:?}") };
        self.calls += 1;
        if self.calls > CALLS {
            bail!("template {name:?} calls itself without end");
        }
        let outside = std::mem::take(&mut self.variables);
        self.variables.push((String::new(), data.clone()));
        let done = self.nodes(nodes, data);
        self.variables = outside;
        self.calls -= 1;
        done.map(drop)
    }

    fn assign(&mut self, name: &str, new: bool, value: Value) {
        let known = self.variables.iter_mut().rev().find(|(known, _)| known == name);
        match known {
            Some((_, old)) if !new => *old = value,
            _ => self.variables.push((name.to_owned(), value)),
        }
    }
    fn pipeline(&mut self, pipeline: &Pipeline, dot: &Value) -> Result<Value> {
        let value = self.commands(pipeline, dot)?;
        if let Some(name) = pipeline.names.first() {
            self.assign(name, pipeline.new, value.clone());
        }
        Ok(value)
    }
    fn commands(&mut self, pipeline: &Pipeline, dot: &Value) -> Result<Value> {
        let mut last = None;
        for command in &pipeline.commands {
            last = Some(self.command(command, last, dot)?);
        }
        Ok(last.unwrap_or(Value::Nil))
    }
    fn command(&mut self, words: &[Operand], last: Option<Value>, dot: &Value) -> Result<Value> {
        let Some((first, rest)) = words.split_first() else { return Ok(Value::Nil) };
        let Head::Function(name) = &first.head else { return self.operand(first, dot) };
        let mut arguments = vec![];
        for word in rest {
            let value = self.operand(word, dot)?;
            // `and` and `or` look no further than they need.
            if functions::decides(name, &value) {
                return Ok(value);
            }
            arguments.push(value);
        }
        arguments.extend(last);
        functions::call(name, &arguments)
    }
    fn operand(&mut self, operand: &Operand, dot: &Value) -> Result<Value> {
        let mut value = match &operand.head {
            Head::Dot => dot.clone(),
            Head::Literal(value) => value.clone(),
            Head::Function(name) => functions::call(name, &[])?,
            Head::Inner(pipeline) => self.pipeline(pipeline, dot)?,
            Head::Variable(name) => {
                let known = self.variables.iter().rev().find(|(known, _)| known == name);
                known.map_or(Value::Nil, |(_, value)| value.clone())
            }
        };
        for name in &operand.members {
            value = value.member(name)?;
        }
        Ok(value)
    }
}
