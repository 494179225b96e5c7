//! The checks before anything else, with Heketi's texts: all failing fields at once, sorted by
//! name (api.md 2.1).
use crate::{
    domain::{Hostname, Tags, VolumeName},
    error::{Error, Result},
};
use std::collections::BTreeMap;

/// Number of tags, or of ids, that one request may hold.
const MOST: usize = 32;

/// Collects what is wrong with a request, field by field.
#[derive(Debug, Default)]
pub(crate) struct Problems(BTreeMap<&'static str, String>);

impl Problems {
    /// Notes the problem of a field, if there is one.
    pub(crate) fn field(&mut self, name: &'static str, problem: Option<String>) -> &mut Self {
        if let Some(text) = problem {
            self.0.insert(name, text);
        }
        self
    }
    /// Notes the problems of a nested object.
    pub(crate) fn object(&mut self, name: &'static str, inner: &Self) -> &mut Self {
        let problem = (!inner.0.is_empty()).then(|| format!("({})", inner.list()));
        self.field(name, problem)
    }
    fn list(&self) -> String {
        let items: Vec<_> = self.0.iter().map(|(field, text)| format!("{field}: {text}")).collect();
        format!("{}.", items.join("; "))
    }
    /// # Errors
    /// 400 when anything was noted.
    pub(crate) fn check(&self) -> Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        Err(Error::Invalid(format!("validation failed: {}", self.list())))
    }
}

fn blank() -> String {
    "cannot be blank".into()
}

/// A number that must be at least 1; 0 counts as not given.
pub(crate) fn at_least_one(number: i64) -> Option<String> {
    match number {
        0 => Some(blank()),
        n if n < 1 => Some("must be no less than 1".into()),
        _ => None,
    }
}

/// An id that must be given: exactly 32 hex digits, in either case.
pub(crate) fn id(text: &str) -> Option<String> {
    if text.is_empty() {
        return Some(blank());
    }
    let fine = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
    (!fine).then(|| format!("{text} is not a valid UUID"))
}

/// A list of host names that must not be empty.
pub(crate) fn hostnames(names: &[String], kind: &str) -> Option<String> {
    if names.is_empty() {
        return Some(blank());
    }
    let fine = names.iter().all(|name| name.parse::<Hostname>().is_ok());
    (!fine).then(|| format!("[{}] is not a valid {kind} hostname", names.join(" ")))
}

/// The name of a volume, which may be left out.
pub(crate) fn volume_name(name: &str) -> Option<String> {
    let fine = name.is_empty() || name.parse::<VolumeName>().is_ok();
    (!fine).then(|| "must be in a valid format".into())
}

/// A path that must be given.
pub(crate) fn device_name(name: &str) -> Option<String> {
    match name.parse::<crate::domain::DeviceName>() {
        _ if name.is_empty() => Some(blank()),
        Ok(_) => None,
        Err(error) => Some(error.to_string()),
    }
}

/// One of a few words; the text for anything else is the caller's.
pub(crate) fn one_of(
    word: &str,
    allowed: &[&str],
    otherwise: impl FnOnce() -> String,
) -> Option<String> {
    (!allowed.contains(&word)).then(otherwise)
}

/// One of a few words that must be given.
pub(crate) fn required_word(
    word: &str,
    allowed: &[&str],
    otherwise: impl FnOnce() -> String,
) -> Option<String> {
    if word.is_empty() { Some(blank()) } else { one_of(word, allowed, otherwise) }
}

/// At most 32 tags of modest length (api.md 9.6).
pub(crate) fn tags(tags: &Tags) -> Option<String> {
    if tags.len() > MOST {
        return Some(format!("too many tags specified ({}), up to {MOST} supported", tags.len()));
    }
    tags.iter().find_map(|(name, value)| {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
        if name.is_empty() {
            Some("tag names may not be empty".to_owned())
        } else if name.chars().count() > 32 {
            Some(format!("tag name {name}: the length must be between 1 and 32"))
        } else if !name.bytes().all(allowed) {
            Some(format!("invalid characters in tag name {name}"))
        } else if value.chars().count() > 64 {
            Some(format!("value of tag {name}: the length must be no more than 64"))
        } else {
            None
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_fields_are_reported_in_order() {
        let mut names = Problems::default();
        names.field("storage", hostnames(&[], "storage")).field("manage", hostnames(&[], "manage"));
        let mut all = Problems::default();
        all.field("zone", at_least_one(0)).field("cluster", id("")).object("hostnames", &names);
        assert_eq!(
            all.check().unwrap_err().to_string(),
            "validation failed: cluster: cannot be blank; hostnames: (manage: cannot be blank; \
             storage: cannot be blank.); zone: cannot be blank."
        );
        assert!(Problems::default().check().is_ok());
    }
    #[test]
    fn single_fields() {
        let text = |problem: Option<String>| problem.unwrap_or_default();
        assert_eq!(text(at_least_one(-1)), "must be no less than 1");
        assert_eq!(text(at_least_one(1)), "");
        assert_eq!(text(id("xyz")), "xyz is not a valid UUID");
        assert_eq!(text(id(&"aB".repeat(16))), "");
        let bad = ["a b".to_owned(), "c".to_owned()];
        assert_eq!(text(hostnames(&bad, "manage")), "[a b c] is not a valid manage hostname");
        assert_eq!(text(volume_name("a b")), "must be in a valid format");
        assert_eq!(text(device_name("/")), "must be in a valid format");
        assert_eq!(text(device_name("")), "cannot be blank");
    }
    #[test]
    fn tag_limits() {
        let one = |name: &str, value: &str| Tags::from([(name.to_owned(), value.to_owned())]);
        assert_eq!(tags(&one("a.b-c_1", "x")), None);
        assert_eq!(tags(&one("", "x")).unwrap(), "tag names may not be empty");
        let long = "n".repeat(33);
        assert!(tags(&one(&long, "")).unwrap().ends_with("the length must be between 1 and 32"));
        assert_eq!(tags(&one("a b", "")).unwrap(), "invalid characters in tag name a b");
        assert!(tags(&one("a", &"ä".repeat(64))).is_none(), "characters count, not bytes");
        assert!(tags(&one("a", &"ä".repeat(65))).unwrap().starts_with("value of tag a"));
        let many: Tags = (0..33).map(|n| (format!("t{n}"), String::new())).collect();
        assert_eq!(tags(&many).unwrap(), "too many tags specified (33), up to 32 supported");
    }
}
