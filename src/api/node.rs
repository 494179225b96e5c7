//! Nodes (api.md 9), and what nodes and devices share: states and tags.
use super::{device::DeviceInfo, is_zero};
use crate::domain::{ClusterId, NodeId, State, Tags};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The names of a node; only the first of each list is ever used to reach it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hostnames {
    /// Where the node takes commands.
    pub manage: Vec<String>,
    /// Where gluster reaches the node: the names in brick addresses.
    pub storage: Vec<String>,
}

/// Body of `POST /nodes`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeAddRequest {
    /// Failure zone, at least 1.
    pub zone: i64,
    /// Names of the node.
    pub hostnames: Hostnames,
    /// Id of the cluster it joins.
    pub cluster: String,
    /// Free key-value pairs.
    #[serde(skip_serializing_if = "is_zero")]
    pub tags: Tags,
}

/// A node, in Heketi's members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeInfo {
    /// Failure zone.
    pub zone: i64,
    /// Names of the node.
    pub hostnames: Hostnames,
    /// The cluster it belongs to.
    pub cluster: ClusterId,
    /// Left out when empty.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tags: Tags,
    /// Its identity.
    pub id: NodeId,
    /// Whether new bricks may go to it.
    pub state: State,
    /// Its devices, sorted by id.
    pub devices: Vec<DeviceInfo>,
}

/// Answer of `GET /nodes/{id}`, with what Heketi does not tell: its clients pass it over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeWithHealth {
    /// What Heketi tells.
    #[serde(flatten)]
    pub node: NodeInfo,
    /// How the node is; none from a server that does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<NodeHealth>,
}

/// Whether a node answers and its glusterd runs, as far as that has been seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeHealth {
    /// `well`, `unwell`, or `unknown` when nothing was asked of it since the server started, or
    /// not for a long time; nodes that are not online are not looked at.
    pub state: String,
    /// Since when it is in that state, as far as was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// When that was seen last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<Timestamp>,
    /// What is wrong, if anything is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub why: String,
}

/// Body of `POST /nodes/{id}/state` and `POST /devices/{id}/state`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StateRequest {
    /// `online`, `offline` or `failed`.
    pub state: String,
    /// Empty, `enable` or `disable`: whether bricks may move although data waits to be healed.
    pub healcheck: String,
}

/// Body of `POST .../tags`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TagsChangeRequest {
    /// `set` replaces all, `update` merges, `delete` removes the named keys.
    pub change_type: String,
    /// The pairs to set or remove.
    pub tags: Tags,
}
