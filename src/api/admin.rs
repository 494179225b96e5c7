//! Administrative modes (api.md 5.1).
use serde::{Deserialize, Serialize};

/// Body of `GET /admin` and `POST /admin`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AdminState {
    /// `normal`, `local-client` or `read-only`.
    pub state: String,
}
