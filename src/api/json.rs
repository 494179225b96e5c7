//! JSON the way Go writes it, so that answers and `--json` output stay the same to the byte.
//!
//! Go escapes `<`, `>`, `&`, U+2028 and U+2029 in strings and writes whole floats without a point.
use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};
use std::io::{self, Write};

/// The value on one line, without a line end.
///
/// # Errors
/// The value has no form in JSON, such as a map whose keys are not strings.
pub fn compact(value: &impl Serialize) -> serde_json::Result<String> {
    let mut text = vec![];
    value.serialize(&mut Serializer::with_formatter(&mut text, GoFormatter))?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// The value on many lines, indented by four blanks, without a line end.
///
/// # Errors
/// As [`compact`].
pub fn indented(value: &impl Serialize) -> serde_json::Result<String> {
    let mut text = vec![];
    let layout = Indented(PrettyFormatter::with_indent(b"    "));
    value.serialize(&mut Serializer::with_formatter(&mut text, layout))?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

struct GoFormatter;

impl Formatter for GoFormatter {
    fn write_f32<W: ?Sized + Write>(&mut self, to: &mut W, value: f32) -> io::Result<()> {
        write!(to, "{value}")
    }
    fn write_f64<W: ?Sized + Write>(&mut self, to: &mut W, value: f64) -> io::Result<()> {
        write!(to, "{value}")
    }
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        to: &mut W,
        text: &str,
    ) -> io::Result<()> {
        let special = |c: char| matches!(c, '<' | '>' | '&' | '\u{2028}' | '\u{2029}');
        let mut rest = text;
        while let Some(at) = rest.find(special) {
            let (before, from) = rest.split_at(at);
            let mut chars = from.chars();
            let escaped = chars.next().map_or(0, u32::from);
            write!(to, "{before}\\u{escaped:04x}")?;
            rest = chars.as_str();
        }
        to.write_all(rest.as_bytes())
    }
}

/// Where values stand is decided by serde's formatter, how they look by ours.
struct Indented<'a>(PrettyFormatter<'a>);

macro_rules! layout {
    ($($method:ident($($argument:ident: $type:ty)?)),* $(,)?) => {
        $(fn $method<W: ?Sized + Write>(
            &mut self, to: &mut W $(, $argument: $type)?
        ) -> io::Result<()> {
            self.0.$method(to $(, $argument)?)
        })*
    };
}
macro_rules! look {
    ($($method:ident($type:ty)),* $(,)?) => {
        $(fn $method<W: ?Sized + Write>(&mut self, to: &mut W, value: $type) -> io::Result<()> {
            GoFormatter.$method(to, value)
        })*
    };
}

impl Formatter for Indented<'_> {
    layout! {
        begin_array(), end_array(), begin_array_value(first: bool), end_array_value(),
        begin_object(), end_object(), begin_object_key(first: bool), end_object_key(),
        begin_object_value(), end_object_value(),
    }
    look! { write_f32(f32), write_f64(f64), write_string_fragment(&str) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_and_strings_look_as_go_writes_them() {
        assert_eq!(compact(&[1.0_f32, 1.5, 1.1]).unwrap(), "[1,1.5,1.1]");
        assert_eq!(
            compact(&"100%d <a&b>\u{2028}é\"").unwrap(),
            r#""100%d \u003ca\u0026b\u003e\u2028é\"""#
        );
    }
    #[test]
    fn indented_as_go_indents() {
        let value = serde_json::json!({"a": [1, "<"], "b": {}, "c": [], "d": null});
        let text = "{\n    \"a\": [\n        1,\n        \"\\u003c\"\n    ],\n    \"b\": {},\n    \
                    \"c\": [],\n    \"d\": null\n}";
        assert_eq!(indented(&value).unwrap(), text);
        assert_eq!(indented(&[1.25_f32]).unwrap(), "[\n    1.25\n]");
    }
}
