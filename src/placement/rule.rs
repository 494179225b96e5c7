//! Which devices a brick may go to, each rule by name, so that a refusal can be explained.
use super::DeviceView;
use crate::domain::{Kib, Part, Tags};
use std::{collections::BTreeMap, fmt, str::FromStr};

/// The rules that come from configuration and volume options.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Each brick of a set in a zone of its own.
    pub strict_zones: bool,
    /// Only devices whose tags match.
    pub tag_match: Option<TagMatch>,
}

/// Why a device was left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Its node is offline or removed.
    NodeOffline,
    /// The device is offline or removed.
    DeviceOffline,
    /// Its node failed a moment ago.
    NodeFailed,
    /// Its tags do not match `user.heketi.device-tag-match`.
    TagMatch,
    /// Its `arbiter` tag keeps this kind of brick away.
    ArbiterTag,
    /// Too little free space.
    Space,
    /// Its node has a brick of the set already.
    SameNode,
    /// Its zone has a brick of the set already, and zones are strict.
    SameZone,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NodeOffline => "on a node that is not online",
            Self::DeviceOffline => "not online",
            Self::NodeFailed => "on a node that failed just now",
            Self::TagMatch => "tags do not match",
            Self::ArbiterTag => "arbiter tag",
            Self::Space => "too little space",
            Self::SameNode => "node already used by the set",
            Self::SameZone => "zone already used by the set",
        })
    }
}

/// How many devices each rule refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusals(BTreeMap<Reason, usize>);

impl Refusals {
    /// One more device refused for this reason.
    pub fn add(&mut self, reason: Reason) {
        *self.0.entry(reason).or_default() += 1;
    }
    /// How many devices were refused for this reason.
    #[must_use]
    pub fn of(&self, reason: Reason) -> usize {
        self.0.get(&reason).copied().unwrap_or_default()
    }
    /// No device was refused.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
impl fmt::Display for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let items: Vec<_> = self.0.iter().map(|(reason, n)| format!("{n} {reason}")).collect();
        f.write_str(&items.join(", "))
    }
}

/// `user.heketi.device-tag-match key=value` or `key!=value` (storage.md 3.5).
///
/// Heketi's pattern writes the class `[a-zA-Z0-9.-_]`, a range that by accident admits punctuation
/// and leaves the dash out; ours takes what was meant *and* what passed there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagMatch {
    key: String,
    value: String,
    equal: bool,
}

/// The text is no tag matching rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Invalid tag matching rule: Invalid tag match rule: {0}")]
pub struct BadTagMatch(pub String);

impl FromStr for TagMatch {
    type Err = BadTagMatch;
    fn from_str(text: &str) -> Result<Self, BadTagMatch> {
        let bad = || BadTagMatch(text.to_owned());
        // The last `=` separates, as the greedy first group of Heketi's pattern makes it.
        let (left, value) = text.rsplit_once('=').ok_or_else(bad)?;
        let (key, equal) = left.strip_suffix('!').map_or((left, true), |key| (key, false));
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || ('.'..='_').contains(&c);
        let fine = |word: &str| !word.is_empty() && word.chars().all(allowed);
        if !fine(key) || !fine(value) {
            return Err(bad());
        }
        Ok(Self { key: key.to_owned(), value: value.to_owned(), equal })
    }
}
impl TagMatch {
    /// Whether a device with these tags may be used; a missing tag counts as empty.
    #[must_use]
    pub fn admits(&self, tags: &Tags) -> bool {
        let tag = tags.get(&self.key).map_or("", String::as_str);
        (tag == self.value) == self.equal
    }
}

/// The `arbiter` tag: which kinds of brick a device takes (storage.md 3.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ArbiterTag {
    /// Arbiter bricks only.
    Required,
    /// Both.
    Supported,
    /// Data bricks only.
    Disabled,
}
impl ArbiterTag {
    pub(super) fn of(tags: &Tags) -> Self {
        match tags.get("arbiter").map(String::as_str) {
            Some("required") => Self::Required,
            Some("disabled") => Self::Disabled,
            _ => Self::Supported,
        }
    }
    fn admits(self, part: Part) -> bool {
        match part {
            Part::Data => self != Self::Required,
            Part::Arbiter => self != Self::Disabled,
        }
    }
}

/// The rules that look at the device alone; those that look at the set are in `set`.
///
/// Heketi looks at arbiter tags only for volumes with arbiter bricks, so a device tagged
/// `arbiter:required` still takes bricks of ordinary volumes.
pub(super) fn refuse(
    device: &DeviceView,
    request: &super::Request,
    part: Part,
    free: Kib,
    needed: Kib,
) -> Option<Reason> {
    if !device.node_online {
        Some(Reason::NodeOffline)
    } else if !device.online {
        Some(Reason::DeviceOffline)
    } else if request.avoid.contains(&device.node) {
        Some(Reason::NodeFailed)
    } else if request.rules.tag_match.as_ref().is_some_and(|rule| !rule.admits(&device.tags)) {
        Some(Reason::TagMatch)
    } else if request.arbiter.is_some() && !ArbiterTag::of(&device.tags).admits(part) {
        Some(Reason::ArbiterTag)
    } else if free <= needed {
        Some(Reason::Space)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(pairs: &[(&str, &str)]) -> Tags {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn tag_rules() {
        let rule: TagMatch = "tier=ssd".parse().unwrap();
        assert!(rule.admits(&tags(&[("tier", "ssd")])));
        assert!(!rule.admits(&tags(&[("tier", "hdd")])));
        assert!(!rule.admits(&tags(&[])));
        let rule: TagMatch = "tier!=ssd".parse().unwrap();
        assert!(!rule.admits(&tags(&[("tier", "ssd")])));
        assert!(rule.admits(&tags(&[])));
        let rule: TagMatch = "disk-type=fast-nvme".parse().unwrap();
        assert!(rule.admits(&tags(&[("disk-type", "fast-nvme")])), "dashes are ordinary here");
        let rule: TagMatch = "a=b=c".parse().unwrap();
        assert!(rule.admits(&tags(&[("a=b", "c")])));
        for bad in ["", "=", "a=", "=b", "a b=c", "tier", "a!=", "!=b"] {
            assert_eq!(bad.parse::<TagMatch>(), Err(BadTagMatch(bad.to_owned())));
        }
    }
    #[test]
    fn an_unknown_arbiter_tag_counts_as_supported() {
        assert_eq!(ArbiterTag::of(&tags(&[("arbiter", "maybe")])), ArbiterTag::Supported);
        assert!(!ArbiterTag::Required.admits(Part::Data));
        assert!(!ArbiterTag::Disabled.admits(Part::Arbiter));
    }
}
