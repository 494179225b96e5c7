//! Names that people choose, checked at the door and trusted inside (storage.md 0).
use serde::{Deserialize, Serialize};
use std::{fmt, net::IpAddr, str::FromStr};

/// The text does not follow the rules for this kind of name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be in a valid format")]
pub struct BadName;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $valid:path) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);
        impl $name {
            /// The name as it was given.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl FromStr for $name {
            type Err = BadName;
            fn from_str(text: &str) -> Result<Self, BadName> {
                Self::try_from(text.to_owned())
            }
        }
        impl TryFrom<String> for $name {
            type Error = BadName;
            fn try_from(text: String) -> Result<Self, BadName> {
                if $valid(&text) { Ok(Self(text)) } else { Err(BadName) }
            }
        }
        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// An IP literal or DNS name of a node. Never begins with a dash, so it is safe as an argument.
    Hostname,
    is_hostname
);
name!(
    /// An absolute path of a block device, such as `/dev/sdb`.
    DeviceName,
    is_device_name
);
name!(
    /// The name gluster knows a volume by.
    VolumeName,
    is_volume_name
);
name!(
    /// The name gluster-block knows a block volume by, on its hosting volume.
    BlockVolumeName,
    is_volume_name
);

/// IP literal, or labels of `[A-Za-z0-9_][A-Za-z0-9_-]{0,62}` joined by dots, with at most one
/// closing `.` or `_`, and at most 255 characters that are not dots (api.md 9.1).
fn is_hostname(text: &str) -> bool {
    if text.parse::<IpAddr>().is_ok() {
        return true;
    }
    let labels = text.strip_suffix(['.', '_']).unwrap_or(text);
    let label = |l: &str| {
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        (1..=63).contains(&l.len())
            && word(l.as_bytes()[0])
            && l.bytes().all(|b| word(b) || b == b'-')
    };
    text.bytes().filter(|b| *b != b'.').count() <= 255 && labels.split('.').all(label)
}

/// `^/[a-zA-Z0-9_.:/-]+$`
fn is_device_name(text: &str) -> bool {
    let rest = text.strip_prefix('/').unwrap_or_default();
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_.:/-".contains(&b);
    !rest.is_empty() && rest.bytes().all(allowed)
}

/// `^[a-zA-Z0-9_-]+$`, and not a dash first: gluster would read such a name as an option.
fn is_volume_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('-')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names() {
        for good in [
            "10.0.0.1",
            "fe80::1",
            "node1",
            "node-1.example.com",
            "n.",
            "_a",
            "a_",
            &"a".repeat(63),
        ] {
            assert!(good.parse::<Hostname>().is_ok(), "{good}");
        }
        for bad in
            ["", ".", "-a", "a..b", "a b", "a;b", "$(x)", "a\n", &"a".repeat(65), "ä", "a.-b"]
        {
            assert_eq!(bad.parse::<Hostname>(), Err(BadName), "{bad}");
        }
    }
    #[test]
    fn device_names() {
        for good in ["/dev/sdb", "/dev/disk/by-id/x:1-part_2.a"] {
            assert!(good.parse::<DeviceName>().is_ok(), "{good}");
        }
        for bad in ["", "/", "dev/sdb", "/dev/sd b", "/dev/sdb;reboot", "/dev/\u{e4}"] {
            assert_eq!(bad.parse::<DeviceName>(), Err(BadName), "{bad}");
        }
    }
    #[test]
    fn volume_names() {
        assert!("vol_1-a".parse::<VolumeName>().is_ok());
        for bad in ["", "-x", "a b", "a/b", "a.b", "ä"] {
            assert_eq!(bad.parse::<VolumeName>(), Err(BadName), "{bad}");
        }
    }
}
