//! What templates work on: values of Go's kinds, cheap to copy.
use anyhow::{Result, bail};
use std::{collections::BTreeMap, rc::Rc};

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::cli) enum Value {
    /// What a map has not, and `nil`.
    Nil,
    Bool(bool),
    Int(i64),
    /// Single precision, since that is how it is printed.
    Float(f32),
    Text(Rc<str>),
    /// A text that is shown in other words than it is compared by.
    Named {
        value: Rc<str>,
        shown: Rc<str>,
    },
    List(Rc<Vec<Value>>),
    Map(Rc<BTreeMap<String, Value>>),
    /// Members with names; those of embedded structs stand among them.
    Struct(Rc<Vec<(&'static str, Value)>>),
}

impl Value {
    /// An object with these members.
    pub(in crate::cli) fn object(members: impl Into<Vec<(&'static str, Self)>>) -> Self {
        Self::Struct(Rc::new(members.into()))
    }
    /// A list of what the iterator gives.
    pub(in crate::cli) fn list(elements: impl IntoIterator<Item = Self>) -> Self {
        Self::List(Rc::new(elements.into_iter().collect()))
    }
    /// Whether `if` takes it for true: everything but zeros and what is empty.
    pub(super) fn truth(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(truth) => *truth,
            Self::Int(number) => *number != 0,
            Self::Float(number) => *number != 0.0,
            Self::Text(text) | Self::Named { value: text, .. } => !text.is_empty(),
            Self::List(list) => !list.is_empty(),
            Self::Map(map) => !map.is_empty(),
            Self::Struct(_) => true,
        }
    }
    /// What it is, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Nil => "nothing",
            Self::Bool(_) => "a truth value",
            Self::Int(_) | Self::Float(_) => "a number",
            Self::Text(_) | Self::Named { .. } => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
            Self::Struct(_) => "an object",
        }
    }
    /// The member or the entry of this name.
    pub(super) fn member(&self, name: &str) -> Result<Self> {
        match self {
            Self::Struct(members) => match members.iter().find(|(known, _)| *known == name) {
                Some((_, value)) => Ok(value.clone()),
                None => bail!("there is no .{name} here, only {}", names(members)),
            },
            Self::Map(map) => Ok(map.get(name).cloned().unwrap_or(Self::Nil)),
            other => bail!(".{name} asks for a member, but {} has none", other.kind()),
        }
    }
    /// The way it is printed.
    pub(super) fn shown(&self) -> Result<String> {
        Ok(match self {
            Self::Nil => "<no value>".to_owned(),
            Self::Bool(truth) => truth.to_string(),
            Self::Int(number) => number.to_string(),
            Self::Float(number) => number.to_string(),
            Self::Text(text) | Self::Named { shown: text, .. } => text.to_string(),
            Self::List(list) => {
                let parts: Result<Vec<String>> = list.iter().map(Self::shown).collect();
                format!("[{}]", parts?.join(" "))
            }
            Self::Map(map) => {
                let pair = |(key, value): (&String, &Self)| Ok(format!("{key}:{}", value.shown()?));
                let parts: Result<Vec<String>> = map.iter().map(pair).collect();
                format!("map[{}]", parts?.join(" "))
            }
            Self::Struct(members) => {
                bail!("a whole object cannot be printed, only its members: {}", names(members))
            }
        })
    }
}

fn names(members: &[(&'static str, Value)]) -> String {
    members.iter().map(|(name, _)| format!(".{name}")).collect::<Vec<_>>().join(" ")
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}
impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}
impl From<f32> for Value {
    fn from(number: f32) -> Self {
        Self::Float(number)
    }
}
impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}
impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}
impl From<&[String]> for Value {
    fn from(list: &[String]) -> Self {
        Self::list(list.iter().map(|text| text.as_str().into()))
    }
}
impl From<&BTreeMap<String, String>> for Value {
    fn from(map: &BTreeMap<String, String>) -> Self {
        let entry = |(key, value): (&String, &String)| (key.clone(), value.as_str().into());
        Self::Map(Rc::new(map.iter().map(entry).collect()))
    }
}
