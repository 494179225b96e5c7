//! How much the server logs (api.md 13).
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The only logger there is, by Heketi's name for it.
pub const LOGGER: &str = "glusterfs";

/// Body of `GET /internal/logging` and `POST /internal/logging`, and of the answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogLevels {
    /// Levels by logger.
    pub loglevel: BTreeMap<String, String>,
}

impl LogLevels {
    /// This level of the only logger.
    #[must_use]
    pub fn of(level: &str) -> Self {
        Self { loglevel: BTreeMap::from([(LOGGER.to_owned(), level.to_owned())]) }
    }
    /// The level of the only logger, if it is named.
    #[must_use]
    pub fn level(&self) -> Option<&str> {
        self.loglevel.get(LOGGER).map(String::as_str)
    }
}
