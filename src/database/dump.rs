//! From rows to the entries of Heketi's database (storage.md 6.5, 6.8).
use crate::{
    api::{
        block_volume::BlockVolumeTarget,
        database::{
            AttributeEntry, BlockVolumeEntry, BlockVolumeRecord, BrickEntry, BrickPosition,
            BrickRecord, ClusterEntry, ClusterRecord, DeviceEntry, DeviceRecord, Dump, Extension,
            NodeEntry, NodeRecord, Pending, PendingOperationEntry, VolumeEntry, VolumeRecord,
        },
        device::StorageSize,
        node::Hostnames,
        volume::{BlockInfo, Mount, Snapshot as SnapshotRoom},
    },
    domain::{BlockVolumeId, ClusterId, DeviceId, Hostname, NodeId, OperationId, Part, VolumeId},
    inventory,
    operation::{adds_hardware, pending_entry},
    store::{
        block_hosting::Hosting,
        block_volumes::BlockVolume,
        devices::Device,
        nodes::Node,
        snapshot::{Snapshot, StoredBrick},
        volumes::Volume,
    },
};
use std::collections::{BTreeMap, HashMap, HashSet};

/// What a database of the last version of Heketi says of itself (storage.md 6.6).
pub(super) const ATTRIBUTES: [&str; 4] = [
    "DB_BRICK_HAS_SUBTYPE_FIELD",
    "DB_CLUSTER_HAS_FILE_BLOCK_FLAG",
    "DB_DEVICE_HAS_ID_META",
    "DB_HAS_PENDING_OPS_BUCKET",
];

/// The form of [`Extension`].
pub(super) const EXTENSION: i64 = 1;

/// The database in Heketi's format.
///
/// Nodes and devices that are just being added are left out: Heketi has none before they are
/// ready, and no mark for them.
#[must_use]
pub fn dump(snapshot: &Snapshot) -> Dump {
    let index = Index::of(snapshot);
    let device = |d: &&Device| !index.adding.contains(&d.pending);
    let node = |n: &&Node| !index.adding.contains(&n.pending);
    Dump {
        clusterentries: entries(&snapshot.clusters, |c| {
            let record = ClusterRecord {
                id: c.id.to_string(),
                nodes: texts(index.nodes.get(&c.id)),
                volumes: texts(index.volumes.get(&c.id)),
                block: c.block,
                file: c.file,
                blockvolumes: texts(index.blocks_of_cluster.get(&c.id)),
            };
            (c.id.to_string(), ClusterEntry { info: record })
        }),
        volumeentries: entries(&snapshot.volumes, |v| (v.id.to_string(), index.volume(v))),
        brickentries: entries(&snapshot.bricks, |b| (b.id.to_string(), index.brick(b))),
        nodeentries: entries(snapshot.nodes.iter().filter(node), |n| {
            (n.id.to_string(), index.node(n))
        }),
        deviceentries: entries(snapshot.devices.iter().filter(device), |d| {
            (d.id.to_string(), index.device(d))
        }),
        blockvolumeentries: entries(&snapshot.block_volumes, |b| {
            (b.id.to_string(), index.block_volume(b))
        }),
        dbattributeentries: attributes(&snapshot.attributes),
        pendingoperations: pending_operations(snapshot),
        brickyard: None,
    }
}

/// The same with what Heketi's format has no place for, so that nothing is lost on the way through
/// a file.
pub(super) fn extension(snapshot: &Snapshot) -> Extension {
    let position = |b: &StoredBrick| BrickPosition { set: b.set_index, position: b.position };
    let bricks = snapshot.bricks.iter().map(|b| (b.id.to_string(), position(b))).collect();
    let debris = snapshot.debris.iter().map(|(device, space)| (device.to_string(), space.0));
    Extension { version: EXTENSION, bricks, debris: debris.collect() }
}

fn entries<T, E>(
    all: impl IntoIterator<Item = T>,
    entry: impl Fn(T) -> (String, E),
) -> BTreeMap<String, E> {
    all.into_iter().map(entry).collect()
}

fn texts<T: ToString>(ids: Option<&Vec<T>>) -> Vec<String> {
    ids.into_iter().flatten().map(ToString::to_string).collect()
}

fn mark(pending: Option<OperationId>) -> Pending {
    Pending { id: pending.map(|id| id.to_string()).unwrap_or_default() }
}

/// Who belongs to whom; lists stay sorted, since rows come sorted.
struct Index<'a> {
    nodes: HashMap<ClusterId, Vec<NodeId>>,
    hosts: HashMap<ClusterId, Vec<&'a Node>>,
    volumes: HashMap<ClusterId, Vec<VolumeId>>,
    devices: HashMap<NodeId, Vec<DeviceId>>,
    on_device: HashMap<DeviceId, Vec<String>>,
    of_volume: HashMap<VolumeId, Vec<String>>,
    blocks_of_cluster: HashMap<ClusterId, Vec<BlockVolumeId>>,
    blocks_on: HashMap<VolumeId, Vec<BlockVolumeId>>,
    clusters: HashMap<VolumeId, ClusterId>,
    hosting: &'a BTreeMap<VolumeId, Hosting>,
    /// Sizes of thin pools and their metadata: Heketi tells them of each brick in a pool.
    pools: HashMap<(DeviceId, String), (u64, u64)>,
    /// Operations whose nodes and devices are left out.
    adding: HashSet<Option<OperationId>>,
}

impl<'a> Index<'a> {
    fn of(snapshot: &'a Snapshot) -> Self {
        let adding: HashSet<_> = snapshot
            .operations
            .iter()
            .filter(|op| adds_hardware(op))
            .map(|op| Some(op.id))
            .collect();
        let mut index = Self {
            nodes: HashMap::new(),
            hosts: HashMap::new(),
            volumes: HashMap::new(),
            devices: HashMap::new(),
            on_device: HashMap::new(),
            of_volume: HashMap::new(),
            blocks_of_cluster: HashMap::new(),
            blocks_on: HashMap::new(),
            clusters: HashMap::new(),
            hosting: &snapshot.hosting,
            pools: HashMap::new(),
            adding,
        };
        for node in snapshot.nodes.iter().filter(|n| !index.adding.contains(&n.pending)) {
            index.nodes.entry(node.cluster).or_default().push(node.id);
            index.hosts.entry(node.cluster).or_default().push(node);
        }
        for device in snapshot.devices.iter().filter(|d| !index.adding.contains(&d.pending)) {
            index.devices.entry(device.node).or_default().push(device.id);
        }
        for volume in &snapshot.volumes {
            index.volumes.entry(volume.cluster).or_default().push(volume.id);
            index.clusters.insert(volume.id, volume.cluster);
        }
        for block in &snapshot.block_volumes {
            index.blocks_on.entry(block.hosting).or_default().push(block.id);
            if let Some(cluster) = index.clusters.get(&block.hosting) {
                index.blocks_of_cluster.entry(*cluster).or_default().push(block.id);
            }
        }
        for brick in &snapshot.bricks {
            index.on_device.entry(brick.device).or_default().push(brick.id.to_string());
            index.of_volume.entry(brick.volume).or_default().push(brick.id.to_string());
            let (pool, metadata) = index.pools.entry((brick.device, brick.pool())).or_default();
            *pool = (*pool).max(brick.size.pool.0);
            *metadata = (*metadata).max(brick.size.metadata.0);
        }
        index
    }

    fn volume(&self, volume: &Volume) -> VolumeEntry {
        let hosts = self.hosts.get(&volume.cluster).map(Vec::as_slice).unwrap_or_default();
        let options: Vec<_> = volume.options.iter().map(ToString::to_string).collect();
        VolumeEntry {
            info: VolumeRecord {
                size: volume.size.to_number(),
                clusters: volume.clusters.iter().map(ToString::to_string).collect(),
                name: volume.name.to_string(),
                durability: inventory::volume::durability(volume),
                gid: volume.gid,
                glustervolumeoptions: vec![],
                block: volume.block,
                snapshot: SnapshotRoom {
                    enable: volume.snapshot.is_some(),
                    factor: volume.snapshot_factor().0,
                },
                id: volume.id.to_string(),
                cluster: volume.cluster.to_string(),
                mount: Mount { glusterfs: inventory::volume::mount(volume, hosts.iter().copied()) },
                blockinfo: self.hosted(volume.id),
            },
            bricks: self.of_volume.get(&volume.id).cloned().unwrap_or_default(),
            options: (!options.is_empty()).then_some(options),
            pending: mark(volume.pending),
        }
    }

    /// Nothing for volumes that do not host block volumes.
    fn hosted(&self, id: VolumeId) -> BlockInfo {
        let on_it = || self.blocks_on.get(&id).cloned().unwrap_or_default();
        let hosting = self.hosting.get(&id);
        hosting.map(|hosting| inventory::volume::hosted(hosting, on_it())).unwrap_or_default()
    }

    fn block_volume(&self, block: &BlockVolume) -> BlockVolumeEntry {
        let cluster = self.clusters.get(&block.hosting);
        BlockVolumeEntry {
            info: BlockVolumeRecord {
                size: block.size.to_number(),
                clusters: block.clusters.iter().map(ToString::to_string).collect(),
                name: block.name.to_string(),
                hacount: i64::try_from(block.ha_count).unwrap_or(i64::MAX),
                auth: block.auth,
                id: block.id.to_string(),
                blockvolume: BlockVolumeTarget {
                    hosts: block.target.hosts.iter().map(ToString::to_string).collect(),
                    iqn: block.target.iqn.clone(),
                    lun: block.lun,
                    username: block.target.username.clone(),
                    password: block.target.password.clone(),
                },
                cluster: cluster.map(ToString::to_string).unwrap_or_default(),
                blockhostingvolume: block.hosting.to_string(),
                usablesize: block.usable.to_number(),
            },
            pending: mark(block.pending),
        }
    }

    fn node(&self, node: &Node) -> NodeEntry {
        let names = |names: &[Hostname]| names.iter().map(ToString::to_string).collect();
        NodeEntry {
            state: node.state.to_string(),
            info: NodeRecord {
                zone: node.zone,
                hostnames: Hostnames { manage: names(&node.manage), storage: names(&node.storage) },
                cluster: node.cluster.to_string(),
                tags: node.tags.clone(),
                id: node.id.to_string(),
            },
            devices: texts(self.devices.get(&node.id)),
        }
    }

    fn device(&self, device: &Device) -> DeviceEntry {
        let free = device.total.minus(device.used);
        DeviceEntry {
            state: device.state.to_string(),
            info: DeviceRecord {
                name: device.name.to_string(),
                tags: device.tags.clone(),
                storage: StorageSize { total: device.total, free, used: device.used },
                id: device.id.to_string(),
                paths: device.paths.clone(),
                pv_uuid: device.pv_uuid.clone(),
            },
            bricks: self.on_device.get(&device.id).cloned().unwrap_or_default(),
            node: device.node.to_string(),
            extent_size: device.extent.0,
        }
    }

    fn brick(&self, brick: &StoredBrick) -> BrickEntry {
        let pool = brick.pool();
        let sizes = self.pools.get(&(brick.device, pool.clone())).copied();
        let (pool_size, metadata_size) = sizes.unwrap_or_default();
        let usual = format!("brick_{}", brick.id);
        let lv = brick.cloned.as_ref().map(|names| &names.lv).filter(|lv| **lv != usual);
        BrickEntry {
            info: BrickRecord {
                id: brick.id.to_string(),
                path: brick.path.clone(),
                device: brick.device.to_string(),
                node: brick.node.to_string(),
                volume: brick.volume.to_string(),
                size: brick.size.brick.0,
            },
            pool_size,
            metadata_size,
            pending: mark(brick.pending),
            thin_pool: pool,
            lv: lv.cloned().unwrap_or_default(),
            sub_type: match brick.part {
                Part::Data => 1,
                Part::Arbiter => 2,
            },
        }
    }
}

/// All of Heketi's, and whatever stands in our table.
fn attributes(stored: &BTreeMap<String, String>) -> BTreeMap<String, AttributeEntry> {
    let fixed = ATTRIBUTES.iter().map(|key| ((*key).to_owned(), "yes".to_owned()));
    let stored = stored.iter().map(|(key, value)| (key.clone(), value.clone()));
    let entry = |(key, value): (String, String)| (key.clone(), AttributeEntry { key, value });
    fixed.chain(stored).map(entry).collect()
}

/// Those that Heketi knows, and those that mark something: a mark needs its operation.
fn pending_operations(snapshot: &Snapshot) -> BTreeMap<String, PendingOperationEntry> {
    let volumes = snapshot.volumes.iter().filter_map(|volume| volume.pending);
    let bricks = snapshot.bricks.iter().filter_map(|brick| brick.pending);
    let blocks = snapshot.block_volumes.iter().filter_map(|block| block.pending);
    let marking: HashSet<OperationId> = volumes.chain(bricks).chain(blocks).collect();
    let entry = |op: &crate::store::operations::OperationRow| {
        let entry = pending_entry(op)?;
        (entry.kind > 0 || marking.contains(&op.id)).then(|| (op.id.to_string(), entry))
    };
    snapshot.operations.iter().filter_map(entry).collect()
}
