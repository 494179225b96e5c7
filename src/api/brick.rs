//! Moving a brick (api.md 10.6).
use serde::{Deserialize, Serialize};

/// Body of `POST /bricks/to-evict/{id}`, when there is one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BrickEvictRequest {
    /// Empty, `enable` or `disable`: whether the brick may move although data waits to be healed.
    pub healcheck: String,
}
