//! Whether new bricks may go to a node or a device (storage.md 5.1).
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// The administrative state of a node or a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Takes new bricks.
    Online,
    /// Keeps its bricks, takes no new ones.
    Offline,
    /// Emptied and out of use; heketi-cli shows it as "removed".
    Failed,
}

impl State {
    /// The word on the wire and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Offline => "offline",
            Self::Failed => "failed",
        }
    }
}

/// The word is none of `online`, `offline`, `failed`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not valid state")]
pub struct BadState(pub String);

impl FromStr for State {
    type Err = BadState;
    fn from_str(text: &str) -> Result<Self, BadState> {
        match text {
            "online" => Ok(Self::Online),
            "offline" => Ok(Self::Offline),
            "failed" => Ok(Self::Failed),
            other => Err(BadState(other.to_owned())),
        }
    }
}
impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
