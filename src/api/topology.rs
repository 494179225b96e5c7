//! topology.json, read by `topology load`, and the tree that `topology info` prints (cli.md 3).
use super::{is_zero, node::Hostnames, node::NodeInfo, volume::VolumeInfo};
use crate::{
    domain::{ClusterId, Tags},
    lenient,
};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::Value;

/// The file: clusters of nodes of devices.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct TopologyFile {
    /// One entry a cluster.
    pub clusters: Vec<ClusterEntry>,
}

/// One cluster of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ClusterEntry {
    /// Its nodes.
    pub nodes: Vec<NodeEntry>,
    /// Takes block hosting volumes; yes when not given.
    pub block: Option<bool>,
    /// Takes ordinary volumes; yes when not given.
    pub file: Option<bool>,
}

/// One node of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct NodeEntry {
    /// Names, zone, tags.
    pub node: NodeDescription,
    /// Its devices.
    pub devices: Vec<DeviceEntry>,
}

/// What the file says of a node itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct NodeDescription {
    /// Failure zone.
    pub zone: i64,
    /// Names.
    pub hostnames: Hostnames,
    /// Free key-value pairs.
    pub tags: Tags,
}

/// A device: just its path, or an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceEntry {
    /// `"/dev/sdb"`
    Path(String),
    /// `{"name": "/dev/sdb", ...}`
    Full(DeviceDescription),
}

/// A device in full.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct DeviceDescription {
    /// Absolute path.
    pub name: String,
    /// Free key-value pairs.
    pub tags: Tags,
    /// Wipe what is on it if need be.
    pub destroydata: bool,
}

/// By hand, since serde's `untagged` would read the object strictly and hide what is wrong with it.
impl<'de> Deserialize<'de> for DeviceEntry {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match Value::deserialize(from)? {
            Value::String(path) => Ok(Self::Path(path)),
            value => lenient::from_value(&value).map(Self::Full).map_err(D::Error::custom),
        }
    }
}

impl From<DeviceEntry> for DeviceDescription {
    fn from(entry: DeviceEntry) -> Self {
        match entry {
            DeviceEntry::Path(name) => Self { name, ..Self::default() },
            DeviceEntry::Full(full) => full,
        }
    }
}

/// Everything there is, as `topology info --json` prints it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TopologyInfo {
    /// One entry a cluster.
    pub clusters: Vec<ClusterTree>,
}

/// A cluster with what it holds in full.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClusterTree {
    /// Its volumes.
    pub volumes: Vec<VolumeInfo>,
    /// Its nodes.
    pub nodes: Vec<NodeInfo>,
    /// Its identity.
    pub id: ClusterId,
    /// Takes block hosting volumes.
    pub block: bool,
    /// Takes ordinary volumes.
    pub file: bool,
    /// Left out unless there are any.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub blockvolumes: Vec<String>,
}
