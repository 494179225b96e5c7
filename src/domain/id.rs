//! Identities: 16 random bytes, written as 32 lower-case hex digits (api.md 3.3).
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::{fmt, str::FromStr};

/// The text was not 32 lower-case hex digits, so it cannot name anything that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id has 32 lower-case hex digits")]
pub struct BadId;

fn parse(text: &str) -> Result<u128, BadId> {
    let digits = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if text.len() != 32 || !digits {
        return Err(BadId);
    }
    u128::from_str_radix(text, 16).map_err(|_| BadId)
}

macro_rules! id {
    ($(#[$doc:meta] $name:ident),* $(,)?) => { $(
        #[$doc]
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);
        impl $name {
            /// A fresh id: 122 random bits.
            #[must_use]
            pub fn random() -> Self {
                Self(uuid::Uuid::new_v4().as_u128())
            }
            /// The number behind the digits: a seed for choices that should differ between objects.
            #[must_use]
            pub fn as_u128(self) -> u128 {
                self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:032x}", self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:032x})"), self.0)
            }
        }
        impl FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                parse(text).map(Self)
            }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                String::deserialize(from)?.parse().map_err(D::Error::custom)
            }
        }
    )* };
}

id! {
    /// A GlusterFS trusted pool that volumes are placed in.
    ClusterId,
    /// A storage node.
    NodeId,
    /// A disk of a node; its volume group is `vg_<id>`.
    DeviceId,
    /// A GlusterFS volume.
    VolumeId,
    /// A block volume on a hosting volume.
    BlockVolumeId,
    /// One brick of a volume; its logical volume is `brick_<id>`.
    BrickId,
    /// A journalled operation; clients poll it as `/queue/<id>`.
    OperationId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_exact_lower_case_hex() {
        let id: VolumeId = "0123456789abcdef0123456789abcdef".parse().unwrap();
        assert_eq!(id.to_string(), "0123456789abcdef0123456789abcdef");
        for bad in
            ["", "abc", "0123456789ABCDEF0123456789abcdef", "+123456789abcdef0123456789abcdef"]
        {
            assert_eq!(bad.parse::<VolumeId>(), Err(BadId), "{bad}");
        }
        assert_eq!(VolumeId::random().to_string().len(), 32);
    }
}
