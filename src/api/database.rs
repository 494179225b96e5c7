//! The whole database as Heketi writes and reads it, and what its check finds (api.md 13,
//! storage.md 6.8).
//!
//! Ids are plain text here: what comes from outside is checked entry by entry, by `database`.
use super::{
    block_volume::BlockVolumeTarget,
    device::StorageSize,
    is_zero,
    node::Hostnames,
    volume::{BlockInfo, DurabilityRequest, Mount, Snapshot},
};
use crate::domain::Tags;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Answer of `GET /db/dump`; the file of `db export` and `db import`. Maps from id to entry.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dump {
    /// Clusters.
    pub clusterentries: BTreeMap<String, ClusterEntry>,
    /// Volumes, those of unfinished operations included.
    pub volumeentries: BTreeMap<String, VolumeEntry>,
    /// Bricks, those of unfinished operations included.
    pub brickentries: BTreeMap<String, BrickEntry>,
    /// Nodes.
    pub nodeentries: BTreeMap<String, NodeEntry>,
    /// Devices.
    pub deviceentries: BTreeMap<String, DeviceEntry>,
    /// Block volumes.
    pub blockvolumeentries: BTreeMap<String, BlockVolumeEntry>,
    /// Facts about the database itself.
    pub dbattributeentries: BTreeMap<String, AttributeEntry>,
    /// Operations that are not finished.
    pub pendingoperations: BTreeMap<String, PendingOperationEntry>,
    /// What Heketi does not know, in exported files only; it passes over it when it reads them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brickyard: Option<Extension>,
}

/// What Heketi's format has no place for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Extension {
    /// Of this form: 1.
    pub version: i64,
    /// Where bricks stand in gluster's order, by id.
    pub bricks: BTreeMap<String, BrickPosition>,
    /// KiB that are taken by what is left of removed bricks, by device.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub debris: BTreeMap<String, u64>,
}

/// A brick's place in gluster's order of a volume.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BrickPosition {
    /// Which set, from 0; below when that is not known.
    pub set: i64,
    /// Which brick of the set, from 0.
    pub position: i64,
}

/// A cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClusterEntry {
    /// Itself.
    #[serde(rename = "Info")]
    pub info: ClusterRecord,
}

/// A cluster and what it holds; every list is sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClusterRecord {
    /// Its identity.
    pub id: String,
    /// Its nodes.
    pub nodes: Vec<String>,
    /// Its volumes, also those being created or deleted.
    pub volumes: Vec<String>,
    /// Takes block hosting volumes.
    pub block: bool,
    /// Takes ordinary volumes.
    pub file: bool,
    /// Its block volumes.
    pub blockvolumes: Vec<String>,
}

/// The operation that an object belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pending {
    /// Empty when there is none.
    #[serde(rename = "Id")]
    pub id: String,
}

/// A volume.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VolumeEntry {
    /// Itself.
    #[serde(rename = "Info")]
    pub info: VolumeRecord,
    /// Its bricks, sorted: their order in gluster is not told.
    #[serde(rename = "Bricks")]
    pub bricks: Vec<String>,
    /// Options of the configuration and of the request; `null` when there never were any.
    #[serde(rename = "GlusterVolumeOptions")]
    pub options: Option<Vec<String>>,
    /// The operation that creates or deletes it.
    #[serde(rename = "Pending")]
    pub pending: Pending,
}

/// A volume's own data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VolumeRecord {
    /// GiB.
    pub size: i64,
    /// The clusters that the request named.
    #[serde(skip_serializing_if = "is_zero")]
    pub clusters: Vec<String>,
    /// What gluster calls it.
    pub name: String,
    /// As requested.
    pub durability: DurabilityRequest,
    /// Left out when 0.
    #[serde(skip_serializing_if = "is_zero")]
    pub gid: i64,
    /// Never filled by the last versions of Heketi.
    #[serde(skip_serializing_if = "is_zero")]
    pub glustervolumeoptions: Vec<String>,
    /// Left out unless it hosts block volumes.
    #[serde(skip_serializing_if = "is_zero")]
    pub block: bool,
    /// Room for snapshots.
    pub snapshot: Snapshot,
    /// Its identity.
    pub id: String,
    /// Where it lies.
    pub cluster: String,
    /// How to mount it.
    pub mount: Mount,
    /// Block hosting figures.
    pub blockinfo: BlockInfo,
}

/// A brick. Sizes in KiB.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BrickEntry {
    /// Itself.
    #[serde(rename = "Info")]
    pub info: BrickRecord,
    /// Of its thin pool.
    #[serde(rename = "TpSize")]
    pub pool_size: u64,
    /// Of the pool's metadata.
    #[serde(rename = "PoolMetadataSize")]
    pub metadata_size: u64,
    /// The operation that makes or removes it.
    #[serde(rename = "Pending")]
    pub pending: Pending,
    /// Empty for bricks of old versions: `tp_<id>`.
    #[serde(rename = "LvmThinPool")]
    pub thin_pool: String,
    /// Empty when it is `brick_<id>`.
    #[serde(rename = "LvmLv")]
    pub lv: String,
    /// 1 data, 2 arbiter, 0 unknown.
    #[serde(rename = "SubType")]
    pub sub_type: i64,
}

/// A brick's own data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BrickRecord {
    /// Its identity.
    pub id: String,
    /// The directory that gluster is given.
    pub path: String,
    /// The device it lies on.
    pub device: String,
    /// The node of that device.
    pub node: String,
    /// The volume it belongs to.
    pub volume: String,
    /// KiB of payload.
    pub size: u64,
}

/// A node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeEntry {
    /// `online`, `offline` or `failed`.
    #[serde(rename = "State")]
    pub state: String,
    /// Itself.
    #[serde(rename = "Info")]
    pub info: NodeRecord,
    /// Its devices, sorted.
    #[serde(rename = "Devices")]
    pub devices: Vec<String>,
}

/// A node's own data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeRecord {
    /// Failure zone.
    pub zone: i64,
    /// Names of the node.
    pub hostnames: Hostnames,
    /// The cluster it belongs to.
    pub cluster: String,
    /// Left out when empty.
    #[serde(skip_serializing_if = "is_zero")]
    pub tags: Tags,
    /// Its identity.
    pub id: String,
}

/// A device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeviceEntry {
    /// `online`, `offline` or `failed`.
    #[serde(rename = "State")]
    pub state: String,
    /// Itself.
    #[serde(rename = "Info")]
    pub info: DeviceRecord,
    /// The bricks on it, sorted.
    #[serde(rename = "Bricks")]
    pub bricks: Vec<String>,
    /// The node that has it.
    #[serde(rename = "NodeId")]
    pub node: String,
    /// LVM's extents, KiB.
    #[serde(rename = "ExtentSize")]
    pub extent_size: u64,
}

/// A device's own data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeviceRecord {
    /// The path it was added by.
    pub name: String,
    /// Left out when empty.
    #[serde(skip_serializing_if = "is_zero")]
    pub tags: Tags,
    /// Its space.
    pub storage: StorageSize,
    /// Its identity.
    pub id: String,
    /// All paths it is known by; left out when unknown.
    #[serde(skip_serializing_if = "is_zero")]
    pub paths: Vec<String>,
    /// LVM's name of the physical volume; left out when unknown.
    #[serde(skip_serializing_if = "is_zero")]
    pub pv_uuid: String,
}

/// A block volume.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BlockVolumeEntry {
    /// Itself.
    #[serde(rename = "Info")]
    pub info: BlockVolumeRecord,
    /// The operation that creates or deletes it.
    #[serde(rename = "Pending")]
    pub pending: Pending,
}

/// A block volume's own data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BlockVolumeRecord {
    /// GiB.
    pub size: i64,
    /// The clusters that the request named.
    #[serde(skip_serializing_if = "is_zero")]
    pub clusters: Vec<String>,
    /// What gluster-block calls it.
    pub name: String,
    /// Hosts that serve it.
    #[serde(skip_serializing_if = "is_zero")]
    pub hacount: i64,
    /// Whether clients must log in.
    #[serde(skip_serializing_if = "is_zero")]
    pub auth: bool,
    /// Its identity.
    pub id: String,
    /// How to attach it.
    pub blockvolume: BlockVolumeTarget,
    /// Where it lies.
    #[serde(skip_serializing_if = "is_zero")]
    pub cluster: String,
    /// The volume that holds it.
    #[serde(skip_serializing_if = "is_zero")]
    pub blockhostingvolume: String,
    /// GiB; as `size` when left out.
    #[serde(skip_serializing_if = "is_zero")]
    pub usablesize: i64,
}

/// A fact about the database.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AttributeEntry {
    /// Which.
    #[serde(rename = "Key")]
    pub key: String,
    /// Mostly `yes`.
    #[serde(rename = "Value")]
    pub value: String,
}

/// An operation that is not finished.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PendingOperationEntry {
    /// Its identity.
    #[serde(rename = "Id")]
    pub id: String,
    /// When it was accepted, seconds since 1970.
    #[serde(rename = "Timestamp")]
    pub timestamp: i64,
    /// What it does: 1 to 9, see [`OPERATION_TYPES`]; 0 for what Heketi does not know.
    #[serde(rename = "Type")]
    pub kind: i64,
    /// What it changes.
    #[serde(rename = "Actions")]
    pub actions: Vec<PendingAction>,
    /// Empty, `stale` or `failed`.
    #[serde(rename = "Status")]
    pub status: String,
}

/// One change to one object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PendingAction {
    /// What changes: see [`CHANGES`].
    #[serde(rename = "Change")]
    pub change: i64,
    /// Of the object.
    #[serde(rename = "Id")]
    pub id: String,
    /// By how much, GiB, where something grows.
    #[serde(rename = "Delta")]
    pub delta: Option<i64>,
}

/// Names of the types of operations; the first has number 1 (storage.md 4.2).
pub const OPERATION_TYPES: [&str; 9] = [
    "create-volume",
    "delete-volume",
    "expand-volume",
    "create-block-volume",
    "delete-block-volume",
    "remove-device",
    "clone-volume",
    "evict-brick",
    "expand-block-volume",
];

/// Words for changes; the first has number 1 (storage.md 4.2).
pub const CHANGES: [&str; 14] = [
    "Add brick",
    "Add volume",
    "Delete brick",
    "Delete volume",
    "Expand volume",
    "Add block volume",
    "Delete block volume",
    "Remove device",
    "Clone volume from",
    "Snapshot volume",
    "Expand volume to",
    "Performing child operation",
    "Belongs to parent operation",
    "Expand block volume",
];

/// The number of a word in one of the lists above; 0 when it is not there.
#[must_use]
pub fn number_of(list: &[&str], word: &str) -> i64 {
    let at = list.iter().position(|known| *known == word);
    at.and_then(|at| i64::try_from(at + 1).ok()).unwrap_or_default()
}

/// Answer of `GET /db/check`, and of `db consistency-check`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Check {
    /// What is wrong with clusters.
    pub clusters: CheckPart,
    /// What is wrong with volumes.
    pub volumes: CheckPart,
    /// What is wrong with bricks.
    pub bricks: CheckPart,
    /// What is wrong with nodes.
    pub nodes: CheckPart,
    /// What is wrong with devices.
    pub devices: CheckPart,
    /// What is wrong with block volumes.
    pub blockvolumes: CheckPart,
    /// Always empty, as with Heketi.
    pub dbattributes: CheckPart,
    /// What is wrong with unfinished operations.
    pub pendingoperations: CheckPart,
    /// All contradictions together.
    pub totalinconsistencies: usize,
}

/// What is wrong with the entries of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CheckPart {
    /// Entries there are.
    pub total: usize,
    /// Those that belong to an operation.
    pub pending: usize,
    /// Those without a contradiction.
    pub ok: usize,
    /// Those with one or more.
    pub notok: usize,
    /// In words; `null` when there are none.
    pub inconsistencies: Option<Vec<String>>,
}
