//! Devices and the bricks on them (api.md 10).
use super::is_zero;
use crate::domain::{BrickId, DeviceId, Kib, NodeId, State, Tags, VolumeId};
use serde::{Deserialize, Serialize};

/// Body of `POST /devices`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeviceAddRequest {
    /// Id of the node that has it.
    pub node: String,
    /// Absolute path of the block device.
    pub name: String,
    /// Free key-value pairs.
    #[serde(skip_serializing_if = "is_zero")]
    pub tags: Tags,
    /// Wipe what is on the device when it cannot be set up otherwise.
    #[serde(skip_serializing_if = "is_zero")]
    pub destroydata: bool,
}

/// Body of `DELETE /devices/{id}`, when there is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeviceDeleteRequest {
    /// Forget the device even if the node cannot be cleaned.
    pub forceforget: bool,
}

/// Space of a device; `total` is always `free` + `used`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StorageSize {
    /// All of the volume group, KiB.
    pub total: Kib,
    /// Still free, KiB.
    pub free: Kib,
    /// Taken, KiB.
    pub used: Kib,
}

/// A device with its bricks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceInfo {
    /// The path it was added by.
    pub name: String,
    /// Left out when empty.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tags: Tags,
    /// Its space.
    pub storage: StorageSize,
    /// Its identity.
    pub id: DeviceId,
    /// All paths it is known by; left out when unknown.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub paths: Vec<String>,
    /// LVM's name for the physical volume; left out when unknown.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub pv_uuid: String,
    /// Whether new bricks may go to it.
    pub state: State,
    /// The bricks on it, sorted by id, those of running operations included.
    pub bricks: Vec<BrickInfo>,
}

/// A brick as devices and volumes list it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrickInfo {
    /// Its identity.
    pub id: BrickId,
    /// The directory that gluster is given.
    pub path: String,
    /// The device it lies on.
    pub device: DeviceId,
    /// The node of that device.
    pub node: NodeId,
    /// The volume it belongs to.
    pub volume: VolumeId,
    /// KiB of payload, before thin pool rounding.
    pub size: Kib,
}
