//! How things are called on nodes: Heketi's names, so that its nodes are ours (storage.md 1.1).
use crate::domain::{BrickId, ClonedLv, DeviceId, brick};
use serde::{Deserialize, Serialize};

/// Where every brick is mounted.
pub const MOUNTS: &str = "/var/lib/heketi/mounts";

/// One brick on its node: all its names there follow from the two ids, unless gluster made it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrickLv {
    /// The brick.
    pub id: BrickId,
    /// The device: its volume group is `vg_<id>`.
    pub device: DeviceId,
    /// Its other names, if gluster made it as a clone of another brick.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloned: Option<ClonedLv>,
}

impl BrickLv {
    /// A brick that is made by us.
    #[must_use]
    pub fn new(id: BrickId, device: DeviceId) -> Self {
        Self { id, device, cloned: None }
    }
    /// The logical volume's name.
    #[must_use]
    pub fn name(&self) -> String {
        self.cloned.as_ref().map_or_else(|| format!("brick_{}", self.id), |made| made.lv.clone())
    }
    /// The thin pool's name.
    #[must_use]
    pub fn pool(&self) -> String {
        brick::pool_of(self.id, self.cloned.as_ref())
    }
    /// The block device to format and mount. Ids hold no dash, so none needs to be doubled.
    #[must_use]
    pub fn device_node(&self) -> String {
        format!("/dev/mapper/{}-{}", group(self.device), self.name())
    }
    /// Where it is mounted.
    #[must_use]
    pub fn mount_point(&self) -> String {
        match &self.cloned {
            Some(made) => {
                let directory = made.directory.trim_end_matches("/brick");
                // The kernel knows its mounts by their real paths, and /var/run is a link.
                directory
                    .strip_prefix("/var")
                    .filter(|p| p.starts_with("/run/"))
                    .unwrap_or(directory)
                    .to_owned()
            }
            None => format!("{MOUNTS}/{}/{}", group(self.device), self.name()),
        }
    }
    /// Whether a brick of gluster, by its address, lies on this logical volume: in the directory that
    /// is ours, or in any other below its mount point.
    #[must_use]
    pub fn holds(&self, address: &str) -> bool {
        let point = self.mount_point();
        // Hosts may have colons.
        let path = address.find(":/").and_then(|at| address.get(at + 1..)).unwrap_or_default();
        path.strip_prefix(&point).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
    /// The directory that gluster is given, and that the API shows as the brick's path.
    #[must_use]
    pub fn directory(&self) -> String {
        match &self.cloned {
            Some(made) => made.directory.clone(),
            None => format!("{}/brick", self.mount_point()),
        }
    }
    /// Whether the node's fstab mounts it; gluster mounts its clones by itself. A brick that Heketi
    /// moved has the thin pool of another, but is mounted as usual.
    #[must_use]
    pub fn is_in_fstab(&self) -> bool {
        self.cloned.as_ref().is_none_or(|made| made.lv == format!("brick_{}", self.id))
    }
}

/// The volume group of a device.
#[must_use]
pub fn group(device: DeviceId) -> String {
    format!("vg_{device}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_brick_that_heketi_moved_is_mounted_as_usual() {
        let usual = BrickLv::new(BrickId::random(), DeviceId::random());
        let (lv, directory) = (usual.name(), usual.directory());
        let moved = ClonedLv { lv, pool: "tp_other".into(), directory };
        let moved = BrickLv { cloned: Some(moved), ..usual.clone() };
        assert_eq!(moved.mount_point(), usual.mount_point());
        assert!(moved.is_in_fstab() && usual.is_in_fstab());
        // gluster calls it by a link, the kernel does not.
        for linked in ["", "/var"] {
            let directory = format!("{linked}/run/gluster/snaps/u/brick1/brick");
            let clone = ClonedLv { lv: "0c_0".into(), pool: usual.pool(), directory };
            let clone = BrickLv { cloned: Some(clone), ..usual.clone() };
            assert!(!clone.is_in_fstab());
            assert_eq!(clone.mount_point(), "/run/gluster/snaps/u/brick1");
        }
    }
}
