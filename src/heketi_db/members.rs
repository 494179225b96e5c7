//! Members of a struct, taken one by one and each by the type it must have.
use super::gob::{Record, Value};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

/// What is left of a struct. Members that are not there are zero; those that nobody takes are
/// remembered by name.
pub(super) struct Members<'a> {
    of: Record,
    path: String,
    strange: &'a RefCell<BTreeSet<String>>,
}

/// What is wrong with a member, with its place in the entry.
pub(super) type Result<T> = std::result::Result<T, String>;

impl<'a> Members<'a> {
    /// Reads the members of an entry of a kind.
    pub(super) fn read<T>(
        of: Record,
        kind: &str,
        strange: &'a RefCell<BTreeSet<String>>,
        read: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let mut members = Self { of, path: kind.to_owned(), strange };
        let value = read(&mut members)?;
        let left =
            members.of.keys().map(|name| format!("{}.{}", members.path, name.escape_debug()));
        strange.borrow_mut().extend(left);
        Ok(value)
    }

    fn take<T: Default>(
        &mut self,
        name: &str,
        what: &str,
        read: impl FnOnce(Value) -> Option<T>,
    ) -> Result<T> {
        match self.of.remove(name) {
            None => Ok(T::default()),
            Some(value) => read(value).ok_or_else(|| format!("{}.{name} is no {what}", self.path)),
        }
    }

    pub(super) fn text(&mut self, name: &str) -> Result<String> {
        self.take(name, "text", text)
    }
    pub(super) fn flag(&mut self, name: &str) -> Result<bool> {
        self.take(name, "flag", |value| match value {
            Value::Flag(flag) => Some(flag),
            _ => None,
        })
    }
    pub(super) fn int(&mut self, name: &str) -> Result<i64> {
        self.take(name, "number", |value| match value {
            Value::Int(number) => Some(number),
            _ => None,
        })
    }
    pub(super) fn uint(&mut self, name: &str) -> Result<u64> {
        self.take(name, "number that is not below 0", |value| match value {
            Value::Uint(number) => Some(number),
            _ => None,
        })
    }
    /// Go's `float32`, which is written as one of 64 bits.
    pub(super) fn float(&mut self, name: &str) -> Result<f32> {
        self.take(name, "number with a fraction", |value| match value {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "it was widened when it was written"
            )]
            Value::Float(number) => Some(number as f32),
            _ => None,
        })
    }
    /// None when there are none, which Go does not tell from a list that was never made.
    pub(super) fn texts(&mut self, name: &str) -> Result<Option<Vec<String>>> {
        self.take(name, "list of texts", |value| match value {
            Value::List(all) => all.into_iter().map(text).collect::<Option<_>>().map(Some),
            _ => None,
        })
    }
    pub(super) fn list(&mut self, name: &str) -> Result<Vec<String>> {
        self.texts(name).map(Option::unwrap_or_default)
    }
    pub(super) fn map(&mut self, name: &str) -> Result<BTreeMap<String, String>> {
        self.take(name, "map of texts", |value| match value {
            Value::Map(all) => {
                all.into_iter().map(|(key, value)| Some((text(key)?, text(value)?))).collect()
            }
            _ => None,
        })
    }
    /// The value of an interface; none when it is not there.
    pub(super) fn any(&mut self, name: &str) -> Result<Option<Value>> {
        self.take(name, "value of any type", |value| match value {
            Value::Any(any) => Some(any.map(|(_, value)| *value)),
            _ => None,
        })
    }
    /// Remembers something that nobody knows.
    pub(super) fn strange(&self, what: &str) {
        self.strange.borrow_mut().insert(format!("{}.{what}", self.path));
    }
    /// Passes over what is told elsewhere as well.
    pub(super) fn pass(&mut self, name: &str) {
        self.of.remove(name);
    }

    /// The members of a struct inside.
    pub(super) fn inside<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&mut Members<'a>) -> Result<T>,
    ) -> Result<T> {
        let of = self.take(name, "struct", |value| match value {
            Value::Record(record) => Some(record),
            _ => None,
        })?;
        Self::read(of, &format!("{}.{name}", self.path), self.strange, read)
    }

    /// The structs of a list inside.
    pub(super) fn each<T>(
        &mut self,
        name: &str,
        mut read: impl FnMut(&mut Members<'a>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let all = self.take(name, "list of structs", |value| match value {
            Value::List(all) => Some(all),
            _ => None,
        })?;
        let path = format!("{}.{name}[]", self.path);
        let one = |value| match value {
            Value::Record(of) => Self::read(of, &path, self.strange, &mut read),
            _ => Err(format!("{path} is no struct")),
        };
        all.into_iter().map(one).collect()
    }
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text),
        _ => None,
    }
}
