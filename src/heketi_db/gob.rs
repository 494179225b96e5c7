//! Go's gob, as far as values in Heketi's database need it (storage.md 6.4).
//!
//! Every value brings the descriptions of its own types along, and the numbers of types differ
//! from value to value, so members are known by their names only. What is read cannot be larger
//! than a fixed multiple of its bytes, nor deeper than a fixed number of levels.
use std::{collections::HashMap, sync::Arc};

/// Any value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Flag(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    Bytes(Vec<u8>),
    Text(String),
    List(Vec<Value>),
    Map(Vec<(Value, Value)>),
    Record(Record),
    /// A value of any type: the type's name and the value; none for Go's nil.
    Any(Option<(String, Box<Value>)>),
}

/// Members of a struct by name. Those that are zero are not there.
pub(super) type Record = HashMap<Arc<str>, Value>;

/// Values inside of values: those of Heketi have eight levels.
const DEEPEST: usize = 64;

/// What an entry can have in bytes: those of Heketi have some ten thousand. As values it takes up
/// to a hundred times as much memory.
const LARGEST: usize = 16 << 20;

/// What describes a type.
#[derive(Debug)]
enum Type {
    List(i64),
    Map(i64, i64),
    Record(Vec<(Arc<str>, i64)>),
    /// Types that write themselves: their bytes are not understood here.
    Opaque,
}

/// Reads the one value of a stream, which is a struct.
///
/// # Errors
/// The bytes are no such stream.
pub(super) fn read(bytes: &[u8]) -> Result<Record, String> {
    if bytes.len() > LARGEST {
        return Err(format!("it has {} bytes, more than {LARGEST}", bytes.len()));
    }
    let mut stream = Stream { bytes, at: 0, end: 0, types: HashMap::new() };
    stream.message()?;
    let id = stream.type_of_value(false)?;
    let value = stream.value(id, 0)?;
    let rest = bytes.len() - stream.at;
    if rest > 0 {
        return Err(format!("{rest} bytes stand behind the value"));
    }
    match value {
        Value::Record(record) => Ok(record),
        _ => Err("it is no struct".to_owned()),
    }
}

struct Stream<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Of the message.
    end: usize,
    types: HashMap<i64, Arc<Type>>,
}

impl Stream<'_> {
    /// Goes into the next message.
    fn message(&mut self) -> Result<(), String> {
        self.end = self.bytes.len();
        let size = self.size()?;
        self.end = self.at + size;
        Ok(())
    }

    fn left(&self) -> usize {
        self.end - self.at
    }

    fn take(&mut self, size: usize) -> Result<&[u8], String> {
        let end = self.at.checked_add(size).filter(|end| *end <= self.end);
        let end = end.ok_or_else(|| format!("it ends too early, at byte {}", self.at))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn uint(&mut self) -> Result<u64, String> {
        let first = self.take(1)?[0];
        if first < 0x80 {
            return Ok(u64::from(first));
        }
        let size = usize::from(first.wrapping_neg());
        if size > 8 {
            return Err(format!("a number of {size} bytes at byte {}", self.at - 1));
        }
        Ok(self.take(size)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn int(&mut self) -> Result<i64, String> {
        let bits = self.uint()?;
        let half = (bits >> 1).cast_signed();
        Ok(if bits & 1 == 0 { half } else { !half })
    }

    /// How many bytes come, all of them in this message.
    fn size(&mut self) -> Result<usize, String> {
        let at = self.at;
        let size = self.uint()?;
        let fits = usize::try_from(size).ok().filter(|size| *size <= self.left());
        fits.ok_or_else(|| format!("{size} bytes at byte {at}, where {} are left", self.left()))
    }

    /// How many elements come, which may go on in other messages; each has one byte at least.
    fn count(&mut self) -> Result<usize, String> {
        let at = self.at;
        let count = self.uint()?;
        let left = self.bytes.len() - self.at;
        let fits = usize::try_from(count).ok().filter(|count| *count <= left);
        fits.ok_or_else(|| format!("{count} elements at byte {at}, where {left} bytes are left"))
    }

    fn blob(&mut self) -> Result<Vec<u8>, String> {
        let size = self.size()?;
        Ok(self.take(size)?.to_vec())
    }

    fn text(&mut self) -> Result<String, String> {
        let at = self.at;
        String::from_utf8(self.blob()?).map_err(|_| format!("a text at byte {at} is not in UTF-8"))
    }

    /// Takes in descriptions of types, up to the type of the value.
    ///
    /// Inside of a value the message ends with the first description: others, and then the rest of
    /// the value that was begun, come in messages of their own.
    fn type_of_value(&mut self, inside: bool) -> Result<i64, String> {
        loop {
            if self.left() == 0 {
                self.message()?;
            }
            let id = self.int()?;
            if id >= 0 {
                return Ok(id);
            }
            let described = self.description()?;
            self.types.insert(id.saturating_neg(), Arc::new(described));
            if self.left() > 0 {
                if !inside {
                    return Err(format!("a description of a type goes on at byte {}", self.at));
                }
                self.uint()?;
            }
        }
    }

    /// The members of a struct that are there, by number.
    fn members(
        &mut self,
        mut member: impl FnMut(&mut Self, usize) -> Result<(), String>,
    ) -> Result<(), String> {
        let mut next = 0_usize;
        loop {
            let step = usize::try_from(self.uint()?).unwrap_or(usize::MAX);
            let Some(skipped) = step.checked_sub(1) else { return Ok(()) };
            let number = next.saturating_add(skipped);
            member(self, number)?;
            next = number.saturating_add(1);
        }
    }

    fn description(&mut self) -> Result<Type, String> {
        let mut found = None;
        self.members(|stream, kind| {
            let mut fields = vec![];
            let (mut key, mut element) = (0, 0);
            stream.members(|stream, part| match (kind, part) {
                // What all kinds have in common: a name and a number.
                (_, 0) => stream.common().map(drop),
                (0 | 1, 1) | (3, 2) => stream.int().map(|id| element = id),
                // How many elements an array has is told with each as well.
                (0, 2) => stream.int().map(drop),
                (2, 1) => {
                    for _ in 0..stream.count()? {
                        fields.push(stream.common()?);
                    }
                    Ok(())
                }
                (3, 1) => stream.int().map(|id| key = id),
                _ => Err(format!("a type of an unknown kind ({kind}, {part})")),
            })?;
            found = Some(match kind {
                0 | 1 => Type::List(element),
                2 => Type::Record(fields),
                3 => Type::Map(key, element),
                4..=6 => Type::Opaque,
                _ => return Err(format!("a type of the unknown kind {kind}")),
            });
            Ok(())
        })?;
        found.ok_or_else(|| "a type of no kind".to_owned())
    }

    /// A name and a number, of a type or a member.
    fn common(&mut self) -> Result<(Arc<str>, i64), String> {
        let (mut name, mut id) = (String::new(), 0);
        self.members(|stream, part| match part {
            0 => stream.text().map(|text| name = text),
            1 => stream.int().map(|number| id = number),
            _ => Err(format!("a description of a member has part {part}")),
        })?;
        Ok((name.into(), id))
    }

    fn value(&mut self, id: i64, depth: usize) -> Result<Value, String> {
        if depth > DEEPEST {
            return Err(format!("more than {DEEPEST} values inside of each other"));
        }
        Ok(match id {
            1 => Value::Flag(self.uint()? != 0),
            2 => Value::Int(self.int()?),
            3 => Value::Uint(self.uint()?),
            // The exponent comes last, so that round numbers are short.
            4 => Value::Float(f64::from_bits(self.uint()?.swap_bytes())),
            5 => Value::Bytes(self.blob()?),
            6 => Value::Text(self.text()?),
            8 => self.any(depth)?,
            _ => {
                let known = self.types.get(&id).cloned();
                let known = known
                    .ok_or_else(|| format!("a value of type {id}, which nothing describes"))?;
                self.described(&known, depth + 1)?
            }
        })
    }

    fn described(&mut self, known: &Type, depth: usize) -> Result<Value, String> {
        Ok(match known {
            Type::List(element) => {
                let count = self.count()?;
                let elements = (0..count).map(|_| self.value(*element, depth));
                Value::List(elements.collect::<Result<_, _>>()?)
            }
            Type::Map(key, element) => {
                let count = self.count()?;
                let pairs = (0..count)
                    .map(|_| Ok((self.value(*key, depth)?, self.value(*element, depth)?)));
                Value::Map(pairs.collect::<Result<_, String>>()?)
            }
            Type::Record(members) => {
                let mut record = Record::new();
                self.members(|stream, number| {
                    let (name, id) = members.get(number).ok_or_else(|| {
                        format!("member {number} of a struct that has {}", members.len())
                    })?;
                    let value = stream.value(*id, depth)?;
                    record.insert(name.clone(), value);
                    Ok(())
                })?;
                Value::Record(record)
            }
            Type::Opaque => Value::Bytes(self.blob()?),
        })
    }

    /// A value that brings its type along.
    fn any(&mut self, depth: usize) -> Result<Value, String> {
        let name = self.text()?;
        if name.is_empty() {
            return Ok(Value::Any(None));
        }
        let id = self.type_of_value(true)?;
        // How many bytes it has, for those who pass over it.
        self.uint()?;
        let is_record = matches!(self.types.get(&id).map(AsRef::as_ref), Some(Type::Record(_)));
        if !is_record && self.uint()? != 0 {
            return Err(format!("a value of type {name:?} does not begin as it should"));
        }
        let value = self.value(id, depth + 1)?;
        Ok(Value::Any(Some((name, Box::new(value)))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(text: &str) -> Vec<u8> {
        [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
    }
    fn message(bytes: &[u8]) -> Vec<u8> {
        [&[u8::try_from(bytes.len()).unwrap()], bytes].concat()
    }
    /// A number of a type, as it is written.
    fn id(number: i16) -> Vec<u8> {
        let bits = if number < 0 { !number << 1 | 1 } else { number << 1 };
        let byte = u8::try_from(bits).unwrap();
        if byte < 0x80 { vec![byte] } else { vec![0xff, byte] }
    }

    /// A value of type 65: a struct with one member, `A`, of this type.
    fn with_member(of: i16, value: &[u8]) -> Vec<u8> {
        let common = |name: &str, of: i16| [&[1], &text(name)[..], &[1], &id(of), &[0]].concat();
        let kind = [&[3, 1], &common("T", 65)[..], &[1, 1], &common("A", of), &[0, 0]].concat();
        let described = message(&[id(-65), kind].concat());
        [described, message(&[&id(65), value].concat())].concat()
    }

    fn member(bytes: &[u8]) -> Result<Value, String> {
        read(bytes).map(|mut record| record.remove("A").unwrap())
    }

    #[test]
    fn plain_values() {
        for (id, value, expected) in [
            (1, &[1, 1, 0][..], Value::Flag(true)),
            (2, &[1, 0x0d, 0], Value::Int(-7)),
            (2, &[1, 0xfe, 1, 0, 0], Value::Int(128)),
            (3, &[1, 0xfc, 0xff, 0xff, 0xff, 0xff, 0], Value::Uint(0xffff_ffff)),
            (4, &[1, 0xfe, 0xf8, 0x3f, 0], Value::Float(1.5)),
            (5, &[1, 2, 0xff, 0, 0], Value::Bytes(vec![0xff, 0])),
            (6, &[1, 2, 0xc3, 0xa9, 0], Value::Text("é".into())),
            (8, &[1, 0, 0], Value::Any(None)),
        ] {
            assert_eq!(member(&with_member(id, value)), Ok(expected), "type {id}");
        }
    }

    /// As the Delta of an operation has it.
    #[test]
    fn a_number_that_brings_its_type_along() {
        let value = [&[1][..], &text("int"), &id(2), &[2, 0, 20, 0]].concat();
        let any = Value::Any(Some(("int".into(), Box::new(Value::Int(10)))));
        assert_eq!(member(&with_member(8, &value)), Ok(any));
        let value = [&[1][..], &text("float64"), &id(4), &[4, 0, 0xfe, 0x24, 0x40, 0]].concat();
        let any = Value::Any(Some(("float64".into(), Box::new(Value::Float(10.0)))));
        assert_eq!(member(&with_member(8, &value)), Ok(any));
    }

    #[test]
    fn what_makes_no_sense_is_an_error() {
        for (bytes, words) in [
            (vec![], "it ends too early, at byte 0"),
            (with_member(6, &[1, 2, 0xff, 0xff, 0]), "not in UTF-8"),
            (with_member(6, &[1, 100, 0]), "100 bytes at byte"),
            (with_member(2, &[1, 0xf0, 0]), "a number of 16 bytes"),
            (with_member(2, &[2, 0, 0]), "member 1 of a struct that has 1"),
            (with_member(9, &[1, 0, 0]), "a value of type 9, which nothing describes"),
            (with_member(2, &[1, 2, 0, 0]), "1 bytes"),
            // A struct in a struct in a struct.
            (with_member(65, &[1; 90]), "values inside of each other"),
        ] {
            let refused = member(&bytes).unwrap_err();
            assert!(refused.contains(words), "{words}: {refused}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_come_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..4000)) {
            let _ = read(&bytes);
        }
    }
}
