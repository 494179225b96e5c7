//! The functions of templates: those of Go's text/template, and the three that Heketi's tool added.
use super::{printf, value::Value};
use crate::domain::Kib;
use anyhow::{Result, bail};
use std::cmp::Ordering;

const KNOWN: [&str; 18] = [
    "and",
    "or",
    "not",
    "len",
    "index",
    "slice",
    "print",
    "println",
    "printf",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "join",
    "kibToGib",
    "entryStateString",
];

/// Whether there is a function of this name.
pub(super) fn is_known(name: &str) -> bool {
    KNOWN.contains(&name)
}

/// Whether this argument settles the result, so that the others are not looked at.
pub(super) fn decides(name: &str, value: &Value) -> bool {
    match name {
        "and" => !value.truth(),
        "or" => value.truth(),
        _ => false,
    }
}

/// What the function makes of its arguments.
pub(super) fn call(name: &str, given: &[Value]) -> Result<Value> {
    Ok(match (name, given) {
        // The last of those that did not decide.
        ("and" | "or", [.., last]) => last.clone(),
        ("not", [value]) => (!value.truth()).into(),
        ("len", [value]) => length(value)?.into(),
        ("index", [value, keys @ ..]) => index(value, keys)?,
        ("slice", [value, bounds @ ..]) => slice(value, bounds)?,
        ("print", values) => printf::print(values)?.into(),
        ("println", values) => printf::println(values)?.into(),
        ("printf", [Value::Text(format), values @ ..]) => printf::printf(format, values)?.into(),
        ("eq", [first, others @ ..]) if !others.is_empty() => {
            let mut found = false;
            for other in others {
                found |= equal(first, other)?;
            }
            found.into()
        }
        ("ne", [a, b]) => (!equal(a, b)?).into(),
        ("lt", [a, b]) => (order(a, b)? == Ordering::Less).into(),
        ("le", [a, b]) => (order(a, b)? != Ordering::Greater).into(),
        ("gt", [a, b]) => (order(a, b)? == Ordering::Greater).into(),
        ("ge", [a, b]) => (order(a, b)? != Ordering::Less).into(),
        ("join", [Value::List(list), Value::Text(between)]) => {
            let parts: Result<Vec<String>> = list.iter().map(Value::shown).collect();
            parts?.join(between).into()
        }
        ("kibToGib", [Value::Int(kib)]) => whole_gib(*kib).into(),
        ("entryStateString", [Value::Text(state)]) => match &**state {
            "failed" => "removed".into(),
            other => other.into(),
        },
        _ => {
            let kinds: Vec<&str> = given.iter().map(Value::kind).collect();
            let kinds = if kinds.is_empty() { "nothing".to_owned() } else { kinds.join(", ") };
            bail!("{name} cannot take {kinds}")
        }
    })
}

fn whole_gib(kib: i64) -> i64 {
    let gib = Kib(u64::try_from(kib).unwrap_or_default()).whole_gib().0;
    i64::try_from(gib).unwrap_or(i64::MAX)
}

fn length(value: &Value) -> Result<i64> {
    let length = match value {
        Value::Text(text) | Value::Named { value: text, .. } => text.len(),
        Value::List(list) => list.len(),
        Value::Map(map) => map.len(),
        other => bail!("{} has no length", other.kind()),
    };
    Ok(i64::try_from(length)?)
}

fn index(value: &Value, keys: &[Value]) -> Result<Value> {
    let mut value = value.clone();
    for key in keys {
        value = match (&value, key) {
            (Value::List(list), Value::Int(at)) => {
                let found = usize::try_from(*at).ok().and_then(|at| list.get(at)).cloned();
                match found {
                    Some(element) => element,
                    None => bail!("index {at} of a list of {}", list.len()),
                }
            }
            (Value::Map(_), Value::Text(name)) => match value.member(name)? {
                // The zero value of the entries, as Go has it.
                Value::Nil => "".into(),
                found => found,
            },
            (value, key) => bail!("{} cannot be indexed by {}", value.kind(), key.kind()),
        };
    }
    Ok(value)
}

fn slice(value: &Value, bounds: &[Value]) -> Result<Value> {
    let length = usize::try_from(length(value)?)?;
    let mut places = [0, length];
    if bounds.len() > places.len() {
        bail!("slice takes a beginning and an end");
    }
    for (place, bound) in places.iter_mut().zip(bounds) {
        let Value::Int(number) = bound else { bail!("slice takes numbers, not {}", bound.kind()) };
        *place = usize::try_from(*number).unwrap_or(usize::MAX);
    }
    let [from, to] = places;
    let cut = match value {
        Value::Text(text) => text.get(from..to).map(Value::from),
        Value::List(list) => list.get(from..to).map(|part| Value::list(part.iter().cloned())),
        other => bail!("{} cannot be sliced", other.kind()),
    };
    match cut {
        Some(cut) => Ok(cut),
        None => bail!("slice {from}:{to} of {length}"),
    }
}

fn equal(a: &Value, b: &Value) -> Result<bool> {
    Ok(match (a, b) {
        (Value::Nil, other) | (other, Value::Nil) => matches!(other, Value::Nil),
        (Value::Bool(a), Value::Bool(b)) => a == b,
        _ => order(a, b)? == Ordering::Equal,
    })
}

fn order(a: &Value, b: &Value) -> Result<Ordering> {
    let text = |value: &Value| match value {
        Value::Text(text) | Value::Named { value: text, .. } => Some(text.clone()),
        _ => None,
    };
    let found = match (a, b) {
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::Float(a), Value::Float(b)) => a.partial_cmp(b),
        _ => text(a).zip(text(b)).map(|(a, b)| a.cmp(&b)),
    };
    match found {
        Some(order) => Ok(order),
        None => bail!("{} and {} cannot be compared", a.kind(), b.kind()),
    }
}
