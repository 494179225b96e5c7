//! Operations that are not at rest (api.md 13). What Heketi does not tell is in members of its own,
//! which its clients pass over.
use super::is_zero;
use crate::domain::{ClusterId, OperationId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Answer of `GET /operations`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OperationCounts {
    /// All that are not at rest.
    pub total: u64,
    /// Those at work at this moment; neither those that wait for their turn nor those stuck.
    pub in_flight: u64,
    /// Those that nobody works on and that are not stuck either: not readable by this version.
    pub stale: u64,
    /// Those that could go neither way and will be tried again.
    pub failed: u64,
    /// Those that run or wait.
    pub new: u64,
}

/// Answer of `GET /operations/pending`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingOperations {
    /// The oldest first.
    pub pendingoperations: Vec<PendingOperation>,
}

/// An operation that is not at rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingOperation {
    /// The one of its queue entry.
    pub id: OperationId,
    /// What it does.
    pub type_name: String,
    /// Empty, `stale` or `failed`.
    pub status: String,
    /// `in-flight` or empty.
    pub sub_status: String,
    /// How far it is. Heketi does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
}

/// Answer of `GET /operations/pending/{id}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingOperationInfo {
    /// Which one; its `sub_status` is always empty.
    #[serde(flatten)]
    pub operation: PendingOperation,
    /// What it changes.
    #[serde(default)]
    pub changes: Vec<Change>,
    /// Its steps in their order. Heketi does not tell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepInfo>,
    /// What nodes are working on for it at this moment. Heketi does not tell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<CommandInfo>,
}

/// One change to one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Of the object.
    pub id: String,
    /// In words.
    pub description: String,
}

/// How far an operation is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// `waiting` for its turn, `running`, `unwinding` or `stuck`.
    pub state: String,
    /// When it was accepted.
    pub since: Timestamp,
    /// Steps that are done, or undone when it is unwinding.
    pub steps_done: usize,
    /// Steps there are, or that were begun and are to be undone.
    pub steps: usize,
    /// The steps that are running, with place and time, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub running: Vec<String>,
    /// Of a removal: how many bricks have moved, and how many are left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bricks: Option<Moves>,
    /// How many files are waited for to be healed, if any are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_heal: Option<u64>,
    /// Whether it can still be called off.
    pub cancellable: bool,
    /// Which attempt this is, if it is not the first.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attempt: i64,
    /// What went wrong, if anything did.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub error: String,
    /// Tries in vain since it got stuck.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tries: u32,
    /// When it is tried again, if it is stuck.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Timestamp>,
}

/// How far a removal is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moves {
    /// Bricks that have moved for this operation.
    pub moved: usize,
    /// Bricks that are still to be moved.
    pub left: usize,
}

/// One step of an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepInfo {
    /// Steps of one stage run side by side.
    pub stage: i64,
    /// What it does.
    pub name: String,
    /// `planned`, `running`, `done` or `undone`.
    pub state: String,
    /// Since when.
    pub since: Timestamp,
    /// The node it works on, by its management name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The cluster whose gluster it changes, through any of its nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterId>,
}

/// Commands that were handed over for a node and have not been answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandInfo {
    /// The node, by its management name.
    pub host: String,
    /// Since when.
    pub since: Timestamp,
    /// In one line of bearable length.
    pub commands: String,
}

/// Body of `POST /operations/pending/cleanup`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CleanUpRequest {
    /// Everything that can be cleaned up when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<String>,
}
