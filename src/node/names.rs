//! How things are called on nodes: Heketi's names, so that its nodes are ours (storage.md 1.1).
use crate::domain::{BrickId, DeviceId};
use serde::{Deserialize, Serialize};

/// Where every brick is mounted.
pub const MOUNTS: &str = "/var/lib/heketi/mounts";

/// One brick on its node: all its names there follow from the two ids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrickLv {
    /// The brick.
    pub id: BrickId,
    /// The device: its volume group is `vg_<id>`.
    pub device: DeviceId,
}

impl BrickLv {
    /// The logical volume's name.
    #[must_use]
    pub fn name(&self) -> String {
        format!("brick_{}", self.id)
    }
    /// The thin pool's name.
    #[must_use]
    pub fn pool(&self) -> String {
        format!("tp_{}", self.id)
    }
    /// The block device to format and mount. Ids hold no dash, so none needs to be doubled.
    #[must_use]
    pub fn device_node(&self) -> String {
        format!("/dev/mapper/{}-{}", group(self.device), self.name())
    }
    /// Where it is mounted.
    #[must_use]
    pub fn mount_point(&self) -> String {
        format!("{MOUNTS}/{}/{}", group(self.device), self.name())
    }
    /// The directory that gluster is given, and that the API shows as the brick's path.
    #[must_use]
    pub fn directory(&self) -> String {
        format!("{}/brick", self.mount_point())
    }
}

/// The volume group of a device.
#[must_use]
pub fn group(device: DeviceId) -> String {
    format!("vg_{device}")
}
