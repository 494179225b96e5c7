//! What the nodes have, beside what the database says (api.md 13). The names of members are those of
//! Heketi; the inner values are ours, since no client looks into them.
use super::database::Dump;
use crate::domain::{ClusterId, NodeId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Answer of `GET /internal/state/examine/gluster`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Examination {
    /// The database.
    pub heketidb: Dump,
    /// What was compared, and what does not agree, in words.
    pub report: Vec<String>,
    /// What the nodes have; `null` when there are no clusters.
    pub clusters: Option<Vec<ClusterData>>,
}

/// What the nodes of a cluster have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClusterData {
    /// Which.
    #[serde(rename = "ClusterHeketiID")]
    pub cluster: ClusterId,
    /// `null` when it has no nodes.
    #[serde(rename = "NodesData")]
    pub nodes: Option<Vec<NodeData>>,
}

/// What a node has; each part `null` when the node could not tell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeData {
    /// Which.
    #[serde(rename = "NodeHeketiID")]
    pub node: NodeId,
    /// The volumes of its gluster pool.
    #[serde(rename = "VolumeInfo")]
    pub volumes: Option<Vec<GlusterVolume>>,
    /// As LVM reports them.
    #[serde(rename = "LVMPVInfo")]
    pub pvs: Option<Value>,
    /// As LVM reports them.
    #[serde(rename = "LVMVGInfo")]
    pub vgs: Option<Value>,
    /// As LVM reports them.
    #[serde(rename = "LVMLVInfo")]
    pub lvs: Option<Value>,
    /// Every line of the fstab of bricks.
    #[serde(rename = "BricksMountStatus")]
    pub mounts: Option<Vec<BrickMount>>,
    /// Names of block volumes.
    #[serde(rename = "BlockVolumeNames")]
    pub block_volumes: Option<Vec<String>>,
}

/// A volume as gluster has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GlusterVolume {
    /// What gluster calls it.
    #[serde(rename = "VolumeName")]
    pub name: String,
    /// `Created`, `Started` or `Stopped`.
    #[serde(rename = "StatusStr")]
    pub status: String,
    /// `host:path`, in gluster's order.
    #[serde(rename = "Bricks")]
    pub bricks: Vec<String>,
    /// Options that were set.
    #[serde(rename = "Options")]
    pub options: BTreeMap<String, String>,
}

/// Whether what is to be mounted at boot is mounted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrickMount {
    /// The block device.
    #[serde(rename = "Device")]
    pub device: String,
    /// The directory.
    #[serde(rename = "MountPoint")]
    pub point: String,
    /// Whether it is.
    #[serde(rename = "Mounted")]
    pub mounted: bool,
}
