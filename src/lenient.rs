//! JSON read as leniently and as strictly as Heketi reads it (api.md 3.1).
//!
//! Field names match in any case, unknown fields are ignored, `null` means "not given", of
//! duplicate keys the last wins; but integers must be written as integers and nothing may follow
//! the value. Errors name the place: `clusters[0].nodes[2].node.zone: invalid type: ...`.
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer,
    MapAccess, SeqAccess, VariantAccess, Visitor, value::StrDeserializer,
};
use serde_json::Value;
use std::fmt;

/// Why a text could not be read, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    path: String,
    message: String,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.path.trim_start_matches('.'), self.message)
        }
    }
}
impl std::error::Error for Unreadable {}
impl serde::de::Error for Unreadable {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { path: String::new(), message: message.to_string() }
    }
}
impl Unreadable {
    fn inside(mut self, step: &str) -> Self {
        self.path.insert_str(0, step);
        self
    }
}

/// Reads exactly one JSON value.
///
/// # Errors
/// Not JSON (the message gives line and column), trailing text, or a value of the wrong type (the
/// message gives its place in the document).
pub fn from_slice<T: DeserializeOwned>(text: &[u8]) -> Result<T, Unreadable> {
    let value: Value = serde_json::from_slice(text).map_err(Unreadable::custom)?;
    from_value(&value)
}

/// Reads a value that is parsed already.
///
/// # Errors
/// A value of the wrong type; the message gives its place.
pub fn from_value<T: DeserializeOwned>(value: &Value) -> Result<T, Unreadable> {
    T::deserialize(Lenient(value))
}

struct Lenient<'a>(&'a Value);

/// Scalars: `null` is the zero value, everything else must have just the asked-for type.
macro_rules! scalars {
    ($($method:ident $visit:ident $zero:expr),* $(,)?) => { $(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
            if self.0.is_null() { visitor.$visit($zero) } else { strict(self.0, visitor) }
        }
    )* };
}

/// Hands a scalar on as the type it is written in; the visitor refuses what does not fit.
fn strict<'de, V: Visitor<'de>>(value: &Value, visitor: V) -> Result<V::Value, Unreadable> {
    match value {
        Value::Bool(b) => visitor.visit_bool(*b),
        Value::String(s) => visitor.visit_str(s),
        Value::Number(n) => match (n.as_i64(), n.as_u64(), n.as_f64()) {
            (Some(i), _, _) => visitor.visit_i64(i),
            (_, Some(u), _) => visitor.visit_u64(u),
            (_, _, Some(f)) => visitor.visit_f64(f),
            _ => Err(Unreadable::custom("number out of range")),
        },
        Value::Null => visitor.visit_unit(),
        Value::Array(items) => visitor.visit_seq(Items { items: items.iter(), at: 0 }),
        Value::Object(_) => visitor.visit_map(Fields::new(value, None)),
    }
}

impl<'de> Deserializer<'de> for Lenient<'_> {
    type Error = Unreadable;

    scalars! {
        deserialize_bool visit_bool false,
        deserialize_i8 visit_i64 0, deserialize_i16 visit_i64 0, deserialize_i32 visit_i64 0,
        deserialize_i64 visit_i64 0, deserialize_i128 visit_i64 0,
        deserialize_u8 visit_u64 0, deserialize_u16 visit_u64 0, deserialize_u32 visit_u64 0,
        deserialize_u64 visit_u64 0, deserialize_u128 visit_u64 0,
        deserialize_f32 visit_f64 0.0, deserialize_f64 visit_f64 0.0,
        deserialize_char visit_str "", deserialize_str visit_str "", deserialize_string visit_str "",
        deserialize_bytes visit_str "", deserialize_byte_buf visit_str "",
    }
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        strict(self.0, visitor)
    }
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }
    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        visitor.visit_unit()
    }
    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        visitor.visit_unit()
    }
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        visitor.visit_newtype_struct(self)
    }
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        match self.0 {
            Value::Null => visitor.visit_seq(Items { items: [].iter(), at: 0 }),
            other => strict(other, visitor),
        }
    }
    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        self.deserialize_seq(visitor)
    }
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        self.deserialize_seq(visitor)
    }
    /// A map's keys are data (tags, say), so their case is kept.
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        match self.0 {
            Value::Null | Value::Object(_) => visitor.visit_map(Fields::new(self.0, None)),
            other => strict(other, visitor),
        }
    }
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        match self.0 {
            Value::Null | Value::Object(_) => visitor.visit_map(Fields::new(self.0, Some(fields))),
            // serde would read a list as a struct, field by field; JSON never means that.
            Value::Array(_) => {
                Err(Unreadable::custom("invalid type: sequence, expected an object"))
            }
            other => strict(other, visitor),
        }
    }
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        visitor.visit_enum(Word(self.0))
    }
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        strict(self.0, visitor)
    }
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        visitor.visit_unit()
    }
}

struct Items<'a> {
    items: std::slice::Iter<'a, Value>,
    at: usize,
}
impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Unreadable;
    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Unreadable> {
        let Some(item) = self.items.next() else {
            return Ok(None);
        };
        let at = self.at;
        self.at += 1;
        seed.deserialize(Lenient(item)).map(Some).map_err(|e| e.inside(&format!("[{at}]")))
    }
}

/// The members of an object; with known fields, matched in any case and each handed on once.
struct Fields<'a> {
    members: std::vec::IntoIter<(&'a str, &'a Value)>,
    value: Option<(&'a str, &'a Value)>,
}
impl<'a> Fields<'a> {
    fn new(object: &'a Value, known: Option<&'static [&'static str]>) -> Self {
        let mut members: Vec<(&'a str, &'a Value)> = vec![];
        for (key, value) in object.as_object().into_iter().flatten() {
            let name = match known {
                None => Some(key.as_str()),
                Some(fields) => fields.iter().copied().find(|f| f.eq_ignore_ascii_case(key)),
            };
            let Some(name) = name else { continue };
            match members.iter_mut().find(|(seen, _)| *seen == name) {
                // A later null leaves what an earlier duplicate said.
                Some(_) if value.is_null() => {}
                Some(seen) => seen.1 = value,
                None => members.push((name, value)),
            }
        }
        Self { members: members.into_iter(), value: None }
    }
}
impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Unreadable;
    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Unreadable> {
        self.value = self.members.next();
        let Some((name, _)) = self.value else {
            return Ok(None);
        };
        let name: StrDeserializer<'_, Unreadable> = name.into_deserializer();
        seed.deserialize(name).map(Some)
    }
    fn next_value_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<T::Value, Unreadable> {
        let (name, value) =
            self.value.take().ok_or_else(|| Unreadable::custom("value before its key"))?;
        seed.deserialize(Lenient(value)).map_err(|e| e.inside(&format!(".{name}")))
    }
}

/// An enum is always one word.
struct Word<'a>(&'a Value);
impl<'de> EnumAccess<'de> for Word<'_> {
    type Error = Unreadable;
    type Variant = Self;
    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Self), Unreadable> {
        Ok((seed.deserialize(Lenient(self.0))?, self))
    }
}
impl<'de> VariantAccess<'de> for Word<'_> {
    type Error = Unreadable;
    fn unit_variant(self) -> Result<(), Unreadable> {
        Ok(())
    }
    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, Unreadable> {
        Err(Unreadable::custom("expected one word"))
    }
    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Unreadable> {
        Err(Unreadable::custom("expected one word"))
    }
    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Unreadable> {
        Err(Unreadable::custom("expected one word"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{node::NodeAddRequest, topology::TopologyFile, volume::VolumeCreateRequest};

    fn volume(text: &str) -> Result<VolumeCreateRequest, Unreadable> {
        from_slice(text.as_bytes())
    }

    #[test]
    fn names_match_in_any_case_and_unknown_ones_are_ignored() {
        let v = volume(
            r#"{"SIZE": 3, "Name": "x", "what": {"ever": [1]}, "Durability": {"TYPE": "none"}}"#,
        );
        let v = v.unwrap();
        assert_eq!((v.size, v.name.as_str(), v.durability.kind.as_str()), (3, "x", "none"));
    }
    #[test]
    fn null_is_absent_everywhere() {
        assert_eq!(volume("null").unwrap(), VolumeCreateRequest::default());
        let v =
            volume(r#"{"size":null,"clusters":null,"durability":null,"snapshot":{"factor":null}}"#);
        assert_eq!(v.unwrap(), VolumeCreateRequest::default());
        assert_eq!(volume(r#"{"clusters":["a",null]}"#).unwrap().clusters, ["a", ""]);
    }
    #[test]
    fn the_last_duplicate_wins() {
        assert_eq!(volume(r#"{"size":1,"SIZE":2}"#).unwrap().size, 2);
        assert_eq!(volume(r#"{"size":1,"size":2,"size":null}"#).unwrap().size, 0);
        assert_eq!(volume(r#"{"size":1,"Size":null}"#).unwrap().size, 1);
    }
    #[test]
    fn integers_are_written_as_integers() {
        for bad in ["1.0", "1e1", "\"1\"", "9223372036854775808", "true", "[1]", "{}"] {
            assert!(volume(&format!(r#"{{"size":{bad}}}"#)).is_err(), "{bad}");
        }
        assert_eq!(volume(r#"{"size":9223372036854775807}"#).unwrap().size, i64::MAX);
        assert!(
            (volume(r#"{"snapshot":{"factor":2}}"#).unwrap().snapshot.factor - 2.0).abs() < 1e-6
        );
    }
    #[test]
    fn exactly_one_value() {
        for bad in ["", "{", "{} {}", "{}x", "\u{feff}{}", "[]", "1", "\"x\"", "[1,2]"] {
            assert!(volume(bad).is_err(), "{bad}");
        }
        assert!(volume(" \n{} \t").is_ok());
    }
    #[test]
    fn keys_of_maps_keep_their_case() {
        let n: NodeAddRequest = from_slice(br#"{"tags":{"Rack":"1","rack":"2"}}"#).unwrap();
        assert_eq!(n.tags.len(), 2);
    }
    #[test]
    fn an_error_names_its_place() {
        let text = br#"{"clusters":[{"nodes":[{"node":{"zone":"1"}}]}]}"#;
        let error = from_slice::<TopologyFile>(text).unwrap_err().to_string();
        assert!(error.starts_with("clusters[0].nodes[0].node.zone: invalid type"), "{error}");
        let error =
            from_slice::<TopologyFile>(b"{\n  \"clusters\": [,]\n}").unwrap_err().to_string();
        assert!(error.contains("line 2"), "{error}");
    }
}
