//! What the simulated nodes hold.
use crate::domain::Kib;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// All nodes and the gluster volumes on them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct World {
    /// Size of every disk.
    pub disk: Kib,
    /// Nodes by management name; one appears when it gets its first command.
    pub nodes: BTreeMap<String, Node>,
    /// Gluster volumes of all pools.
    pub volumes: Vec<Volume>,
    /// Storage names that each management name took into its pool.
    pub peers: BTreeMap<String, BTreeSet<String>>,
    /// Management names by storage names, as far as bricks have shown them.
    #[serde(default)]
    pub addresses: BTreeMap<String, String>,
    /// Storage names of nodes that gluster lists by another name, as it does with who has taken in
    /// the others: that name.
    #[serde(default)]
    pub aliases: BTreeMap<String, String>,
    /// Files that each brick has and others of its set lack.
    #[serde(default)]
    pub to_heal: BTreeMap<String, u64>,
    /// So many files wait to be healed after a brick was replaced.
    #[serde(default)]
    pub heal_backlog: u64,
    /// Nothing is ever healed.
    #[serde(default)]
    pub no_healing: bool,
    /// Management names of nodes that cannot be reached.
    pub down: BTreeSet<String>,
    /// Management names of dead nodes that gluster still calls connected, with how many more
    /// listings of the pool say so: what is to be changed until then is sent to them as well, and
    /// never ends in time (seen on GlusterFS 10.3).
    #[serde(default)]
    pub unnoticed: BTreeMap<String, u32>,
    /// Management names of nodes without glusterd.
    pub no_glusterd: BTreeSet<String>,
    /// Snapshots by name, with the volumes they are of.
    #[serde(default)]
    pub snapshots: BTreeMap<String, String>,
    /// Directories of bricks that gluster has marked as its own and does not know.
    #[serde(default)]
    pub marked: BTreeSet<String>,
    /// Volumes that were deleted, and the nodes whose disks still have them.
    #[serde(default)]
    pub gone: Vec<(Volume, BTreeSet<String>)>,
    /// Block volumes on all hosting volumes.
    #[serde(default)]
    pub block_volumes: Vec<BlockVolume>,
    /// Management names of nodes where gluster-block is not installed.
    #[serde(default)]
    pub no_gluster_block: BTreeSet<String>,
    /// Storage names of nodes whose iSCSI target does not do what gluster-block asks for.
    #[serde(default)]
    pub ill_targets: BTreeSet<String>,
}

/// One node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Disks that hold something LVM knows nothing of, such as a foreign file system.
    pub foreign: BTreeSet<String>,
    /// Physical volumes by device path.
    pub pvs: BTreeMap<String, Pv>,
    /// Volume groups by name.
    pub groups: BTreeMap<String, Group>,
    /// File systems by device node.
    pub file_systems: BTreeMap<String, FileSystem>,
    /// Lines of fstab.
    pub fstab: Vec<String>,
    /// Mount point to device node.
    pub mounts: BTreeMap<String, String>,
    /// Directories of the root file system under the mount root.
    pub directories: BTreeSet<String>,
}

/// A physical volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pv {
    /// LVM's name for it.
    pub uuid: String,
    /// The group that uses it.
    pub group: Option<String>,
}

/// A volume group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Size of an extent.
    pub extent: Kib,
    /// All extents.
    pub extents: u64,
    /// Thin pools by name: extents of data and metadata together.
    pub pools: BTreeMap<String, u64>,
    /// Thin volumes by name: their pool.
    pub volumes: BTreeMap<String, String>,
    /// Thin volumes by name: their virtual size.
    #[serde(default)]
    pub sizes: BTreeMap<String, Kib>,
    /// Thin pools by name: extents of their metadata alone.
    #[serde(default)]
    pub metadata: BTreeMap<String, u64>,
}

/// A file system in a logical volume.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSystem {
    /// Directories, relative to its root, with owner group and mode if they were set.
    pub directories: BTreeMap<String, (Option<String>, Option<String>)>,
}

/// A gluster volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Its name.
    pub name: String,
    /// Words between name and bricks, such as `replica 3`.
    pub kind: Vec<String>,
    /// `host:path`, in order.
    pub bricks: Vec<String>,
    /// Started or not.
    pub started: bool,
    /// Options that were set.
    pub options: BTreeMap<String, String>,
    /// Number of snapshots.
    pub snapshots: u64,
    /// What gluster itself calls it.
    #[serde(default)]
    pub uuid: String,
}

/// A block volume as gluster-block knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockVolume {
    /// The gluster volume it lies on.
    pub hosting: String,
    /// Its name there.
    pub name: String,
    /// Its id in the target's name.
    pub gbid: String,
    /// GiB.
    pub size: u64,
    /// Number of hosts asked for.
    pub ha: usize,
    /// Hosts that export it, by storage name.
    pub hosts: Vec<String>,
    /// Empty without authentication.
    pub password: String,
    /// Hosts that could not follow an expansion, with the GiB they have.
    pub behind: BTreeMap<String, u64>,
}

/// What a command prints, or its words of failure.
pub(super) type Outcome = Result<String, String>;

impl World {
    pub(super) fn new(disk: Kib) -> Self {
        Self { disk, ..Self::default() }
    }

    /// The node loses its power and comes back: its glusterd hands to all others what its disk
    /// still has (seen on GlusterFS 10.3).
    pub fn lose_power(&mut self, host: &str) {
        for (volume, on_disk) in &self.gone {
            if on_disk.contains(host) && self.volumes.iter().all(|v| v.name != volume.name) {
                self.volumes.push(Volume { started: false, ..volume.clone() });
            }
        }
    }
    /// What the node's glusterd has written is on its disk.
    pub(super) fn flush_glusterd(&mut self, host: &str) {
        for (_, on_disk) in &mut self.gone {
            on_disk.remove(host);
        }
        self.gone.retain(|(_, on_disk)| !on_disk.is_empty());
    }

    /// Whether gluster works on a brick that is mounted there.
    pub(super) fn in_use(&self, mount_point: &str) -> bool {
        let below = format!(":{mount_point}/");
        let mut started = self.volumes.iter().filter(|volume| volume.started);
        started.any(|volume| volume.bricks.iter().any(|brick| brick.contains(&below)))
    }

    /// Whether the directory is there, mounted, on any node.
    pub(super) fn brick_exists(&self, path: &str) -> bool {
        self.nodes.values().any(|node| node.has_brick(path))
    }

    /// Sees from bricks that are there which node has which storage name.
    pub(super) fn learn(&mut self, bricks: &[&str]) {
        for brick in bricks {
            let Some((storage, path)) = brick.split_once(':') else { continue };
            if let Some((manage, _)) = self.nodes.iter().find(|(_, node)| node.has_brick(path)) {
                self.addresses.insert(storage.to_owned(), manage.clone());
            }
        }
    }

    /// Whether gluster shows the node of this storage name as away: a dead one is noticed in time.
    pub(super) fn notices(&mut self, storage: &str) -> bool {
        let manage = self.addresses.get(storage);
        let unnoticed = manage.and_then(|manage| self.unnoticed.get_mut(manage));
        match unnoticed {
            Some(looks) if *looks > 0 => {
                *looks -= 1;
                false
            }
            _ => self.is_away(storage),
        }
    }

    /// Whether the node of this storage name is known, and cannot be reached.
    pub(super) fn is_away(&self, storage: &str) -> bool {
        self.addresses.get(storage).is_some_and(|manage| self.down.contains(manage))
    }
}

impl Node {
    fn has_brick(&self, path: &str) -> bool {
        self.in_brick(path).is_some_and(|(fs, dir)| {
            self.file_systems.get(&fs).is_some_and(|fs| fs.directories.contains_key(&dir))
        })
    }

    /// The file system that holds a path, and the rest of the path in it, if it is mounted.
    pub(super) fn in_brick(&self, path: &str) -> Option<(String, String)> {
        let (mount_point, device) = self.mounts.iter().find(|(point, _)| {
            path.strip_prefix(point.as_str()).is_some_and(|rest| rest.starts_with('/'))
        })?;
        Some((device.clone(), path[mount_point.len()..].to_owned()))
    }
}
