//! Clusters (api.md 8).
use crate::domain::{BlockVolumeId, ClusterId, NodeId, VolumeId};
use serde::{Deserialize, Serialize};

/// What kinds of volume a cluster may hold: body of `POST /clusters` and of `.../flags`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClusterFlags {
    /// Block hosting volumes.
    pub block: bool,
    /// Ordinary volumes.
    pub file: bool,
}

/// A cluster and what it holds; every list is sorted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterInfo {
    /// Its identity.
    pub id: ClusterId,
    /// Its nodes.
    pub nodes: Vec<NodeId>,
    /// Its volumes, without those being created or deleted.
    pub volumes: Vec<VolumeId>,
    /// Takes block hosting volumes.
    pub block: bool,
    /// Takes ordinary volumes.
    pub file: bool,
    /// Its block volumes.
    pub blockvolumes: Vec<BlockVolumeId>,
}

/// Answer of `GET /clusters`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterList {
    /// Ids of all clusters, sorted.
    pub clusters: Vec<ClusterId>,
}
