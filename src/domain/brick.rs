//! Bricks: what one holds, how large it is, and what LVM says of the device under it.
use super::{BrickId, Kib};
use serde::{Deserialize, Serialize};

/// What a brick holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// File contents.
    Data,
    /// Only names and attributes, to break ties between two copies.
    Arbiter,
}

/// A brick's three sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrickSize {
    /// Virtual size of the thin volume.
    pub brick: Kib,
    /// Size of its thin pool.
    pub pool: Kib,
    /// Size of the pool's metadata.
    pub metadata: Kib,
}

impl BrickSize {
    /// What it takes from the device.
    #[must_use]
    pub fn total(self) -> Kib {
        self.pool.plus(self.metadata)
    }
}

/// Names of a brick that gluster made as the clone of another: a thin volume in the other's pool,
/// which gluster mounts by itself (storage.md 1.1, 1.11).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClonedLv {
    /// The thin volume.
    pub lv: String,
    /// The thin pool that it shares.
    pub pool: String,
    /// The directory that gluster uses.
    pub directory: String,
}

/// The thin pool of a brick: of its own name, or the one that it shares.
#[must_use]
pub fn pool_of(id: BrickId, cloned: Option<&ClonedLv>) -> String {
    cloned.map_or_else(|| format!("tp_{id}"), |names| names.pool.clone())
}

/// What LVM knows of a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceFacts {
    /// All extents.
    pub total: Kib,
    /// Extents in use.
    pub used: Kib,
    /// Size of one extent.
    pub extent: Kib,
    /// LVM's name of the physical volume; empty when unknown.
    pub pv_uuid: String,
    /// All paths of the device.
    pub paths: Vec<String>,
}
