//! Makes a tree of the tokens, and refuses what could not be carried out.
use super::{
    functions,
    lexer::{Placed, Token},
    value::Value,
};
use anyhow::{Result, bail};
use std::{collections::BTreeMap, iter::Peekable, vec::IntoIter};

/// How deep blocks and parentheses may be nested.
const DEPTH: usize = 100;

/// A template with those that it defines.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) main: Vec<Node>,
    pub(super) defined: BTreeMap<String, Vec<Node>>,
}

/// A part of a template; the number is its line.
#[derive(Debug)]
pub(super) enum Node {
    Text(String),
    Print(usize, Pipeline),
    If(usize, Branch),
    With(usize, Branch),
    Range(usize, Branch),
    Template(usize, String, Option<Pipeline>),
    Break,
    Continue,
}

#[derive(Debug)]
pub(super) struct Branch {
    pub(super) on: Pipeline,
    pub(super) then: Vec<Node>,
    pub(super) otherwise: Vec<Node>,
}

/// Commands, each of which gets the result of the one before as its last argument.
#[derive(Debug)]
pub(super) struct Pipeline {
    /// Where the result goes: one variable, or two of a range.
    pub(super) names: Vec<String>,
    /// Whether they are new, `:=`.
    pub(super) new: bool,
    pub(super) commands: Vec<Vec<Operand>>,
}

/// A value to be, and the members to be asked of it.
#[derive(Debug)]
pub(super) struct Operand {
    pub(super) head: Head,
    pub(super) members: Vec<String>,
}

#[derive(Debug)]
pub(super) enum Head {
    Dot,
    Variable(String),
    Literal(Value),
    Function(String),
    Inner(Pipeline),
}

pub(super) fn parse(tokens: Vec<Placed>) -> Result<Tree> {
    let mut parser = Parser {
        tokens: tokens.into_iter().peekable(),
        line: 1,
        depth: 0,
        loops: 0,
        variables: vec![String::new()],
        tree: Tree::default(),
    };
    let (main, end) = parser.nodes()?;
    if end != Stop::OutOfTokens {
        return parser.refuse("end or else without a beginning");
    }
    parser.tree.main = main;
    parser.all_are_defined(&parser.tree.main)?;
    for nodes in parser.tree.defined.values() {
        parser.all_are_defined(nodes)?;
    }
    Ok(parser.tree)
}

/// What ended a list of nodes.
#[derive(Debug, PartialEq, Eq)]
enum Stop {
    /// There is nothing more.
    OutOfTokens,
    End,
    /// `else`; the word after it is still to be read.
    Else,
}

struct Parser {
    tokens: Peekable<IntoIter<Placed>>,
    line: usize,
    depth: usize,
    loops: usize,
    /// The variables that are known here.
    variables: Vec<String>,
    tree: Tree,
}

impl Parser {
    fn refuse<T>(&self, why: &str) -> Result<T> {
        bail!("line {}: {why}", self.line)
    }
    fn next(&mut self) -> Option<Token> {
        let (line, token) = self.tokens.next()?;
        self.line = line;
        Some(token)
    }
    fn peek(&mut self) -> Option<&Token> {
        self.tokens.peek().map(|(_, token)| token)
    }
    fn takes(&mut self, wanted: &Token) -> bool {
        let there = self.peek() == Some(wanted);
        if there {
            self.next();
        }
        there
    }
    fn expect(&mut self, wanted: &Token, what: &str) -> Result<()> {
        if self.takes(wanted) { Ok(()) } else { self.refuse(&format!("{what} is missing")) }
    }
    fn close(&mut self) -> Result<()> {
        self.expect(&Token::Close, "}} after a complete action")
    }
    fn deeper<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.depth += 1;
        if self.depth > DEPTH {
            return self.refuse("nested too deeply");
        }
        let done = inner(self);
        self.depth -= 1;
        done
    }
    /// Nodes up to what closes them.
    fn nodes(&mut self) -> Result<(Vec<Node>, Stop)> {
        let mut nodes = vec![];
        loop {
            match self.next() {
                None => return Ok((nodes, Stop::OutOfTokens)),
                Some(Token::Text(text)) => nodes.push(Node::Text(text)),
                _ => match self.peek() {
                    Some(Token::Word(word)) if word == "end" => {
                        self.next();
                        self.close()?;
                        return Ok((nodes, Stop::End));
                    }
                    Some(Token::Word(word)) if word == "else" => {
                        self.next();
                        return Ok((nodes, Stop::Else));
                    }
                    _ => nodes.extend(self.deeper(Self::action)?),
                },
            }
        }
    }
    /// One action behind its opening; a definition leaves no node.
    fn action(&mut self) -> Result<Option<Node>> {
        let Some(Token::Word(word)) = self.peek().cloned() else {
            return self.print().map(Some);
        };
        let line = self.line;
        match word.as_str() {
            "if" | "with" | "range" => self.next(),
            "define" => {
                self.next();
                self.define()?;
                return Ok(None);
            }
            "block" => {
                self.next();
                return self.block(line).map(Some);
            }
            "template" => {
                self.next();
                return self.template(line).map(Some);
            }
            "break" | "continue" => {
                self.next();
                self.close()?;
                if self.loops == 0 {
                    return self.refuse(&format!("{word} outside of a range"));
                }
                return Ok(Some(if word == "break" { Node::Break } else { Node::Continue }));
            }
            _ => return self.print().map(Some),
        };
        self.branch(&word, line).map(Some)
    }
    fn print(&mut self) -> Result<Node> {
        let line = self.line;
        let pipeline = self.pipeline(false)?;
        self.close()?;
        Ok(Node::Print(line, pipeline))
    }
    fn branch(&mut self, word: &str, line: usize) -> Result<Node> {
        let outside = self.variables.len();
        let on = self.pipeline(word == "range")?;
        self.close()?;
        self.loops += usize::from(word == "range");
        let (then, end) = self.nodes()?;
        self.loops -= usize::from(word == "range");
        let otherwise = match end {
            Stop::OutOfTokens => return self.refuse(&format!("the end of {word} is missing")),
            Stop::End => vec![],
            Stop::Else => self.otherwise(word)?,
        };
        self.variables.truncate(outside);
        let branch = Branch { on, then, otherwise };
        Ok(match word {
            "if" => Node::If(line, branch),
            "with" => Node::With(line, branch),
            _ => Node::Range(line, branch),
        })
    }
    /// What stands behind `else`: the same word again, or nodes and their end.
    fn otherwise(&mut self, word: &str) -> Result<Vec<Node>> {
        if word != "range" && self.takes(&Token::Word(word.to_owned())) {
            let line = self.line;
            let nested = self.deeper(|parser| parser.branch(word, line))?;
            return Ok(vec![nested]);
        }
        self.close()?;
        match self.nodes()? {
            (nodes, Stop::End) => Ok(nodes),
            _ => self.refuse(&format!("the end of {word} is missing")),
        }
    }
    fn name(&mut self) -> Result<String> {
        match self.next() {
            Some(Token::Literal(Value::Text(name))) => Ok(name.to_string()),
            _ => self.refuse("the name of a template is missing"),
        }
    }
    /// The body of a template of its own, with only `$` known in it.
    fn define(&mut self) -> Result<()> {
        let name = self.name()?;
        self.close()?;
        self.body(name)
    }
    fn body(&mut self, name: String) -> Result<()> {
        let outside = std::mem::replace(&mut self.variables, vec![String::new()]);
        let loops = std::mem::take(&mut self.loops);
        let (nodes, end) = self.nodes()?;
        if end != Stop::End {
            return self.refuse(&format!("the end of {name:?} is missing"));
        }
        self.variables = outside;
        self.loops = loops;
        self.tree.defined.insert(name, nodes);
        Ok(())
    }
    fn template(&mut self, line: usize) -> Result<Node> {
        let name = self.name()?;
        let data =
            if self.peek() == Some(&Token::Close) { None } else { Some(self.pipeline(false)?) };
        self.close()?;
        Ok(Node::Template(line, name, data))
    }
    fn block(&mut self, line: usize) -> Result<Node> {
        let name = self.name()?;
        let data = self.pipeline(false)?;
        self.close()?;
        self.body(name.clone())?;
        Ok(Node::Template(line, name, Some(data)))
    }

    fn pipeline(&mut self, range: bool) -> Result<Pipeline> {
        let (names, new) = self.declaration(range)?;
        let mut commands = vec![];
        loop {
            let command = self.command()?;
            if !commands.is_empty() && !matches!(command[0].head, Head::Function(_)) {
                return self.refuse("only a function can stand behind |");
            }
            commands.push(command);
            if !self.takes(&Token::Sign("|")) {
                break;
            }
        }
        // Not before: the value of a variable cannot be made of itself.
        if new {
            self.variables.extend(names.iter().cloned());
        }
        Ok(Pipeline { names, new, commands })
    }
    /// `$x :=`, `$x =`, or in a range `$i, $x :=`.
    fn declaration(&mut self, range: bool) -> Result<(Vec<String>, bool)> {
        let mut ahead = self.tokens.clone().map(|(_, token)| token);
        let mut names = vec![];
        while let Some(Token::Variable(name)) = ahead.next() {
            names.push(name);
            match ahead.next() {
                Some(Token::Sign(",")) if range && names.len() == 1 => {}
                Some(Token::Sign(sign @ (":=" | "="))) => {
                    for _ in 0..names.len() * 2 {
                        self.next();
                    }
                    let new = sign == ":=";
                    for name in names.iter().filter(|_| !new) {
                        self.check_variable(name)?;
                    }
                    return Ok((names, new));
                }
                _ => break,
            }
        }
        Ok((vec![], false))
    }
    fn check_variable(&self, name: &str) -> Result<()> {
        if self.variables.iter().any(|known| known == name) {
            return Ok(());
        }
        self.refuse(&format!("there is no variable ${name}"))
    }
    fn command(&mut self) -> Result<Vec<Operand>> {
        let mut operands = vec![];
        while let Some(operand) = self.operand()? {
            operands.push(operand);
        }
        let Some(first) = operands.first() else { return self.refuse("a value is missing") };
        if operands.len() > 1 && !matches!(first.head, Head::Function(_)) {
            return self.refuse("only a function takes arguments");
        }
        Ok(operands)
    }
    /// A value, unless a sign or the end of the action stands here.
    fn operand(&mut self) -> Result<Option<Operand>> {
        let mut members = vec![];
        let head = match self.peek() {
            Some(Token::Sign("(")) => {
                self.next();
                let inner = self.deeper(|parser| parser.pipeline(false))?;
                self.expect(&Token::Sign(")"), "a )")?;
                Head::Inner(inner)
            }
            None | Some(Token::Sign(_) | Token::Close | Token::Text(_) | Token::Open) => {
                return Ok(None);
            }
            Some(_) => match self.next() {
                Some(Token::Field { name, .. }) => {
                    members.push(name);
                    Head::Dot
                }
                Some(Token::Variable(name)) => {
                    self.check_variable(&name)?;
                    Head::Variable(name)
                }
                Some(Token::Literal(value)) => Head::Literal(value),
                Some(Token::Word(name)) => {
                    if !functions::is_known(&name) {
                        return self.refuse(&format!("there is no function {name}"));
                    }
                    Head::Function(name)
                }
                _ => Head::Dot,
            },
        };
        while let Some(Token::Field { name, glued: true }) = self.peek().cloned() {
            self.next();
            members.push(name);
        }
        Ok(Some(Operand { head, members }))
    }
    fn all_are_defined(&self, nodes: &[Node]) -> Result<()> {
        for node in nodes {
            match node {
                Node::Template(line, name, _) if !self.tree.defined.contains_key(name) => {
                    bail!("line {line}: there is no template {name:?}")
                }
                Node::If(_, branch) | Node::With(_, branch) | Node::Range(_, branch) => {
                    self.all_are_defined(&branch.then)?;
                    self.all_are_defined(&branch.otherwise)?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}
