//! `print`, `println` and `printf`: the verbs v s q d x t f, with width, precision and flags.
use super::value::Value;
use anyhow::{Result, bail};

/// All values, with blanks between neighbours of which neither is a text.
pub(super) fn print(values: &[Value]) -> Result<String> {
    let mut text = String::new();
    for (at, value) in values.iter().enumerate() {
        let texts = |value: &Value| matches!(value, Value::Text(_));
        if at > 0 && !texts(value) && !texts(&values[at - 1]) {
            text.push(' ');
        }
        text += &value.shown()?;
    }
    Ok(text)
}

/// All values with blanks between them, and a line end.
pub(super) fn println(values: &[Value]) -> Result<String> {
    let parts: Result<Vec<String>> = values.iter().map(Value::shown).collect();
    Ok(parts?.join(" ") + "\n")
}

/// The format with its verbs replaced.
pub(super) fn printf(format: &str, values: &[Value]) -> Result<String> {
    let mut text = String::new();
    let mut values = values.iter();
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        text += &rest[..at];
        let (spec, after) = Spec::read(&rest[at + 1..]);
        rest = after;
        match spec.verb {
            Some('%') => text.push('%'),
            Some(verb) => {
                let Some(value) = values.next() else { bail!("nothing is given for %{verb}") };
                text += &spec.padded(spec.shown(verb, value)?, value);
            }
            None => bail!("the format ends in the middle of a verb"),
        }
    }
    if values.len() > 0 {
        bail!("{} value(s) more than the format has verbs", values.len());
    }
    Ok(text + rest)
}

/// What stands between `%` and the verb.
#[derive(Default)]
struct Spec {
    left: bool,
    zeros: bool,
    plus: bool,
    width: usize,
    precision: Option<usize>,
    verb: Option<char>,
}

/// Wider than any line: what is more is a slip of the finger.
const WIDEST: usize = 1000;

impl Spec {
    fn read(text: &str) -> (Self, &str) {
        let mut spec = Self::default();
        let mut rest = text;
        while let Some(flag) = rest.chars().next().filter(|c| matches!(c, '-' | '0' | '+')) {
            match flag {
                '-' => spec.left = true,
                '0' => spec.zeros = true,
                _ => spec.plus = true,
            }
            rest = &rest[1..];
        }
        (spec.width, rest) = number(rest);
        if let Some(after) = rest.strip_prefix('.') {
            let (precision, after) = number(after);
            (spec.precision, rest) = (Some(precision), after);
        }
        let mut chars = rest.chars();
        spec.verb = chars.next();
        (spec, chars.as_str())
    }
    fn shown(&self, verb: char, value: &Value) -> Result<String> {
        let sign = |number: bool| if self.plus && number { "+" } else { "" };
        Ok(match (verb, value) {
            ('v' | 'd', Value::Int(number)) => format!("{}{number}", sign(*number >= 0)),
            ('v', value) => value.shown()?,
            ('s', Value::Text(_) | Value::Named { .. } | Value::List(_) | Value::Map(_)) => {
                let text = value.shown()?;
                self.precision.map_or(text.clone(), |most| text.chars().take(most).collect())
            }
            ('q', Value::Text(_) | Value::Named { .. }) => format!("{:?}", value.shown()?),
            ('x', Value::Int(number)) => format!("{number:x}"),
            ('t', Value::Bool(truth)) => truth.to_string(),
            ('f', Value::Float(number)) => {
                let digits = self.precision.unwrap_or(6).min(WIDEST);
                format!("{}{number:.digits$}", sign(*number >= 0.0))
            }
            ('s' | 'q' | 'd' | 'x' | 't' | 'f', value) => {
                bail!("%{verb} cannot print {}", value.kind())
            }
            _ => bail!("%{verb} is not supported"),
        })
    }
    fn padded(&self, text: String, value: &Value) -> String {
        let missing = self.width.min(WIDEST).saturating_sub(text.chars().count());
        let number = matches!(value, Value::Int(_) | Value::Float(_));
        if self.left {
            return text + &" ".repeat(missing);
        }
        if self.zeros && number {
            let (sign, digits) = match text.strip_prefix(['-', '+']) {
                Some(digits) => text.split_at(text.len() - digits.len()),
                None => ("", text.as_str()),
            };
            return format!("{sign}{}{digits}", "0".repeat(missing));
        }
        " ".repeat(missing) + &text
    }
}

fn number(text: &str) -> (usize, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (text[..end].parse().unwrap_or_default(), &text[end..])
}
