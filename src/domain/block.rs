//! Block volumes and the volumes that host them (api.md 11.7 and 12).
use super::{Gib, Hostname};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Whether a hosting volume takes further block volumes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Restriction {
    /// It does.
    #[default]
    None,
    /// Somebody has locked it.
    Locked,
    /// It came with figures that did not add up (storage.md 6.7); unlocking puts them right.
    LockedByUpdate,
}

impl Restriction {
    /// The word in the API and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Locked => "locked",
            Self::LockedByUpdate => "locked-by-update",
        }
    }
}

/// The word is no restriction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a valid value")]
pub struct UnknownRestriction;

impl FromStr for Restriction {
    type Err = UnknownRestriction;
    fn from_str(word: &str) -> Result<Self, UnknownRestriction> {
        [Self::None, Self::Locked, Self::LockedByUpdate]
            .into_iter()
            .find(|restriction| restriction.as_str() == word)
            .ok_or(UnknownRestriction)
    }
}

/// What of a hosting volume's size no block volume gets: the file system needs some room, and so do
/// the block volumes' own records. 98 % are given away, cut to whole GiB (storage.md 2.4).
#[must_use]
pub fn kept_back(size: Gib) -> Gib {
    Gib(size.0 - size.0.saturating_mul(98) / 100)
}

/// A password: stored and sent, but never shown by accident.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Password(String);

impl Password {
    /// The password itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}
impl From<String> for Password {
    fn from(text: String) -> Self {
        Self(text)
    }
}
impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(secret)")
    }
}

/// What an initiator needs to know of a block volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockTarget {
    /// Storage names of the hosts that export it.
    pub hosts: Vec<Hostname>,
    /// The name of the iSCSI target.
    pub iqn: String,
    /// Empty without authentication.
    pub username: String,
    /// Empty without authentication.
    pub password: Password,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Heketi cuts it: a hosting volume of 1 GiB has room for nothing.
    #[test]
    fn two_percent_are_kept_back_and_rounded_up() {
        for (size, kept) in [(1, 1), (49, 1), (50, 1), (51, 2), (100, 2), (200, 4), (1024, 21)] {
            assert_eq!(kept_back(Gib(size)), Gib(kept), "{size}");
        }
    }
    #[test]
    fn restrictions_are_words() {
        for word in ["", "locked", "locked-by-update"] {
            assert_eq!(word.parse::<Restriction>().unwrap().as_str(), word);
        }
        assert_eq!("unlocked".parse::<Restriction>(), Err(UnknownRestriction));
    }
    #[test]
    fn a_password_is_not_shown() {
        assert_eq!(format!("{:?}", Password::from("x".to_owned())), "Password(secret)");
        assert_eq!(serde_json::to_string(&Password::from("x".to_owned())).unwrap(), "\"x\"");
    }
}
