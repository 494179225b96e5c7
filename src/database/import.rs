//! From the entries of Heketi's database to rows: nothing of them is believed that does not hold.
//!
//! All that is wrong is told at once, each with the entry it is about. What we work out ourselves,
//! such as lists of what belongs to whom, is not taken over but only compared.
use super::{
    arrange::{UNKNOWN, arrange, share_pools},
    check,
    dump::{ATTRIBUTES, EXTENSION, dump as dump_of},
    forgotten::forget,
    inherited,
};
use crate::{
    api::database::{
        BlockVolumeEntry, BrickEntry, ClusterEntry, DeviceEntry, Dump, NodeEntry, VolumeEntry,
    },
    domain::{
        BlockTarget, BlockVolumeName, BrickId, BrickSize, ClonedLv, ClusterId, DeviceId,
        DeviceName, Gib, Hostname, Kib, NodeId, OperationId, Part, Restriction, SnapshotFactor,
        State, VolumeId, VolumeName, VolumeOption, block::kept_back, durability::Requested,
    },
    node::names::BrickLv,
    operation::{Inherited, InheritedKind},
    store::{
        block_hosting::Hosting,
        block_volumes::BlockVolume,
        clusters::Cluster,
        devices::Device,
        nodes::Node,
        snapshot::{Snapshot, StoredBrick},
        volumes::Volume,
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Display},
    str::FromStr,
};

/// What can be put into an empty database.
#[derive(Clone, Debug)]
pub struct Import {
    /// The rows.
    pub snapshot: Snapshot,
    /// Unfinished operations, which mark rows of the snapshot as theirs.
    pub inherited: Vec<Inherited>,
    /// What contradicts itself, or is not taken over as it is, in words.
    pub notes: Vec<String>,
    /// What contradicted itself, and was set right by the way.
    pub mended: Vec<String>,
}

/// The kind and the id of the entry that a note begins with: where nothing is to be said of the same
/// entry any more, it was set right.
fn about(note: &str) -> String {
    note.split(' ').filter(|word| *word != "volume").take(2).collect::<Vec<_>>().join(" ")
}

/// What contradicts itself, in words.
fn contradictions(dump: &Dump) -> Vec<String> {
    let found = check(dump);
    let parts = [
        found.clusters,
        found.volumes,
        found.bricks,
        found.nodes,
        found.devices,
        found.blockvolumes,
    ];
    parts.into_iter().filter_map(|part| part.inconsistencies).flatten().collect()
}

/// Why a dump cannot be put into a database.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Problems(pub Vec<String>);

impl Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} thing(s) cannot be taken over:", self.0.len())?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

/// Makes rows of a dump, of this program or of Heketi, after what Heketi itself would do to a
/// database of an earlier version (storage.md 6.7).
///
/// Unfinished operations are settled when a server starts, as far as nodes can tell how far they are;
/// those that have done nothing that matters are forgotten.
///
/// # Errors
/// [`Problems`]: something refers to what is not there, or is not of the known form.
pub fn import(mut dump: Dump) -> Result<Import, Problems> {
    upgrade(&mut dump);
    let mut reader = Reader::default();
    let inherited = reader.whole(&dump);
    forget(&mut dump, &inherited);
    reader.growing = growing(&inherited);
    let snapshot = Snapshot {
        clusters: reader.all("cluster", &dump.clusterentries, |_, id, e| Reader::cluster(id, e)),
        nodes: reader.all("node", &dump.nodeentries, |_, id, e| Reader::node(&dump, id, e)),
        devices: reader.all("device", &dump.deviceentries, |_, id, e| Reader::device(&dump, id, e)),
        volumes: reader.all("volume", &dump.volumeentries, |_, id, e| Reader::volume(&dump, id, e)),
        hosting: reader.hosting(&dump),
        block_volumes: reader
            .all("block volume", &dump.blockvolumeentries, |r, id, e| r.block_volume(&dump, id, e)),
        bricks: reader.all("brick", &dump.brickentries, |r, id, e| r.brick(&dump, id, e)),
        ..Snapshot::default()
    };
    reader.unique(&snapshot);
    if !reader.problems.is_empty() {
        return Err(Problems(reader.problems));
    }
    let mut snapshot = snapshot;
    share_pools(&mut snapshot.bricks);
    arrange(&mut snapshot, &dump, &inherited);
    let still: BTreeSet<_> =
        contradictions(&dump_of(&snapshot)).iter().map(|note| about(note)).collect();
    let (mut notes, mended): (Vec<_>, Vec<_>) =
        contradictions(&dump).into_iter().partition(|note| still.contains(&about(note)));
    notes.extend(reader.notes);
    Ok(Import { snapshot, inherited, notes, mended })
}

/// What Heketi does at its start to databases of earlier versions, as far as it concerns us.
fn upgrade(dump: &mut Dump) {
    let flags = dump.dbattributeentries.get("DB_CLUSTER_HAS_FILE_BLOCK_FLAG");
    if flags.is_none_or(|flag| flag.value != "yes") {
        for cluster in dump.clusterentries.values_mut() {
            (cluster.info.file, cluster.info.block) = (true, true);
        }
    }
    for (id, volume) in &dump.volumeentries {
        for brick in &volume.bricks {
            match dump.brickentries.get_mut(brick) {
                Some(brick) if brick.info.volume.is_empty() => brick.info.volume.clone_from(id),
                _ => {}
            }
        }
    }
}

#[derive(Default)]
struct Reader {
    problems: Vec<String>,
    notes: Vec<String>,
    /// Block volumes that are being expanded, and what they hold.
    growing: BTreeMap<String, Gib>,
}

/// Block volumes that are being expanded: their hosting volumes have given them the new size already.
fn growing(inherited: &[Inherited]) -> BTreeMap<String, Gib> {
    let grows = |one: &Inherited| match one.kind {
        InheritedKind::ExpandBlockVolume { block, to } => Some((block.to_string(), to)),
        _ => None,
    };
    inherited.iter().filter_map(grows).collect()
}

/// What is wrong with one entry.
type Entry<T> = Result<T, String>;

fn parsed<T: FromStr<Err: Display>>(field: &str, text: &str) -> Entry<T> {
    text.parse().map_err(|e| format!("{field} {text:?}: {e}"))
}

/// One that is named is there.
fn known<E>(entries: &BTreeMap<String, E>, field: &str, id: &str) -> Entry<()> {
    if entries.contains_key(id) { Ok(()) } else { Err(format!("{field} {id:?} is not there")) }
}

fn hosts(field: &str, names: &[String]) -> Entry<Vec<Hostname>> {
    let names: Vec<Hostname> = names.iter().map(|n| parsed(field, n)).collect::<Entry<_>>()?;
    if names.is_empty() { Err(format!("{field} is empty")) } else { Ok(names) }
}

impl Reader {
    /// What concerns the dump as a whole.
    fn whole(&mut self, dump: &Dump) -> Vec<Inherited> {
        let (operations, problems) = inherited::all(dump);
        self.problems.extend(problems);
        for key in dump.dbattributeentries.keys() {
            if key != "DB_GENERATION_ID" && !ATTRIBUTES.contains(&key.as_str()) {
                self.problems.push(format!("attribute {key} is unknown: of a newer version?"));
            }
        }
        for (device, space) in dump.brickyard.iter().flat_map(|extension| &extension.debris) {
            self.notes.push(format!(
                "Device {device}: {space} KiB are taken by what is left of removed bricks; a resync \
                 of the device finds out what of it is free"
            ));
        }
        if let Some(extension) = &dump.brickyard
            && extension.version != EXTENSION
        {
            let version = extension.version;
            self.problems
                .push(format!("brickyard.version {version} is unknown: of a newer version?"));
        }
        operations
    }

    fn all<E, T>(
        &mut self,
        what: &str,
        entries: &BTreeMap<String, E>,
        one: impl Fn(&mut Self, &str, &E) -> Entry<T>,
    ) -> Vec<T> {
        let mut all = vec![];
        for (id, entry) in entries {
            match one(self, id, entry) {
                Ok(value) => all.push(value),
                Err(why) => self.problems.push(format!("{what} {id}: {why}")),
            }
        }
        all
    }

    fn cluster(id: &str, entry: &ClusterEntry) -> Entry<Cluster> {
        let ClusterEntry { info } = entry;
        let id: ClusterId = same_id(id, &info.id)?;
        Ok(Cluster { id, file: info.file, block: info.block })
    }

    fn node(dump: &Dump, id: &str, entry: &NodeEntry) -> Entry<Node> {
        let info = &entry.info;
        known(&dump.clusterentries, "its cluster", &info.cluster)?;
        if info.zone < 1 {
            return Err(format!("zone {} is below 1", info.zone));
        }
        Ok(Node {
            id: same_id(id, &info.id)?,
            cluster: parsed("cluster", &info.cluster)?,
            zone: info.zone,
            manage: hosts("hostnames.manage", &info.hostnames.manage)?,
            storage: hosts("hostnames.storage", &info.hostnames.storage)?,
            tags: info.tags.clone(),
            state: parsed::<State>("state", &entry.state)?,
            pending: None,
        })
    }

    fn device(dump: &Dump, id: &str, entry: &DeviceEntry) -> Entry<Device> {
        let info = &entry.info;
        known(&dump.nodeentries, "its node", &entry.node)?;
        let space = info.storage;
        // When the numbers contradict each other: rather too little space than too much.
        let used = space.used.max(space.total.minus(space.free));
        Ok(Device {
            id: same_id(id, &info.id)?,
            node: parsed("node", &entry.node)?,
            name: parsed::<DeviceName>("name", &info.name)?,
            state: parsed::<State>("state", &entry.state)?,
            total: space.total,
            used,
            extent: Kib(entry.extent_size),
            pv_uuid: pv_uuid(&info.pv_uuid)?,
            paths: info.paths.clone(),
            tags: info.tags.clone(),
            pending: None,
        })
    }

    fn volume(dump: &Dump, id: &str, entry: &VolumeEntry) -> Entry<Volume> {
        let info = &entry.info;
        known(&dump.clusterentries, "its cluster", &info.cluster)?;
        let pending = mark(dump, &entry.pending.id)?;
        let size = u64::try_from(info.size).ok().filter(|size| *size > 0);
        let factor = info.snapshot.factor;
        if info.snapshot.enable && !(1.0..=100.0).contains(&factor) {
            return Err(format!("snapshot.factor {factor} is not from 1 to 100"));
        }
        // A set that lacks a brick would look whole, and nobody would ever miss it.
        for brick in &entry.bricks {
            known(&dump.brickentries, "its brick", brick)?;
        }
        let durability = &info.durability;
        let options = entry.options.as_ref().unwrap_or(&info.glustervolumeoptions).iter();
        let option = |text: &String| {
            VolumeOption::try_from(text.clone()).map_err(|e| format!("option {text:?}: {e}"))
        };
        let clusters = info.clusters.iter().map(|id| parsed("clusters", id));
        let durability = Requested {
            kind: parsed("durability.type", &durability.kind)?,
            replica: durability.replicate.replica,
            data: durability.disperse.data,
            redundancy: durability.disperse.redundancy,
        };
        durability.check().map_err(|e| format!("durability: {e}"))?;
        Ok(Volume {
            id: same_id(id, &info.id)?,
            cluster: parsed("cluster", &info.cluster)?,
            name: parsed::<VolumeName>("name", &info.name)?,
            size: Gib(size.ok_or_else(|| format!("size {} is below 1", info.size))?),
            durability,
            gid: info.gid,
            snapshot: info.snapshot.enable.then_some(SnapshotFactor(factor)),
            block: info.block,
            options: options.map(option).collect::<Entry<_>>()?,
            clusters: clusters.collect::<Entry<_>>()?,
            pending,
        })
    }

    /// What hosting volumes keep back, after what Heketi does to figures of earlier versions.
    fn hosting(&mut self, dump: &Dump) -> BTreeMap<VolumeId, Hosting> {
        let mut all = BTreeMap::new();
        for (id, entry) in dump.volumeentries.iter().filter(|(_, entry)| entry.info.block) {
            let Ok(volume) = id.parse() else { continue };
            match hosting(dump, entry, &self.growing) {
                Ok(hosting) => drop(all.insert(volume, hosting)),
                Err(why) => self.problems.push(format!("volume {id}: {why}")),
            }
        }
        all
    }

    fn block_volume(&self, dump: &Dump, id: &str, entry: &BlockVolumeEntry) -> Entry<BlockVolume> {
        let info = &entry.info;
        known(&dump.volumeentries, "its hosting volume", &info.blockhostingvolume)?;
        let pending = mark(dump, &entry.pending.id)?;
        let host = &dump.volumeentries[&info.blockhostingvolume].info;
        if !host.block {
            return Err(format!("volume {} hosts no block volumes", host.id));
        }
        if !info.cluster.is_empty() && info.cluster != host.cluster {
            let (own, other) = (&info.cluster, &host.cluster);
            return Err(format!("cluster {own:?} is not that of its hosting volume, {other:?}"));
        }
        let size = gib("size", info.size)?;
        let target = &info.blockvolume;
        let hosts = target.hosts.iter().map(|host| parsed("blockvolume.hosts", host));
        Ok(BlockVolume {
            id: same_id(id, &info.id)?,
            hosting: parsed("blockhostingvolume", &info.blockhostingvolume)?,
            name: parsed::<BlockVolumeName>("name", &info.name)?,
            size,
            // Earlier versions did not tell it.
            usable: if info.usablesize == 0 { size } else { gib("usablesize", info.usablesize)? },
            held: self.growing.get(id).copied().unwrap_or(size),
            ha_count: u64::try_from(info.hacount)
                .map_err(|_| format!("hacount {} is below 0", info.hacount))?,
            auth: info.auth,
            clusters: info
                .clusters
                .iter()
                .map(|id| parsed("clusters", id))
                .collect::<Entry<_>>()?,
            target: BlockTarget {
                hosts: hosts.collect::<Entry<_>>()?,
                iqn: target.iqn.clone(),
                username: target.username.clone(),
                password: target.password.clone(),
            },
            lun: target.lun,
            pending,
        })
    }

    fn brick(&mut self, dump: &Dump, id: &str, entry: &BrickEntry) -> Entry<StoredBrick> {
        let info = &entry.info;
        known(&dump.volumeentries, "its volume", &info.volume)?;
        known(&dump.deviceentries, "its device", &info.device)?;
        let pending = mark(dump, &entry.pending.id)?;
        let device = &dump.deviceentries[&info.device];
        if device.node != info.node {
            let other = &device.node;
            return Err(format!("node {:?} is not that of its device, {other:?}", info.node));
        }
        if info.size == 0 || entry.pool_size < info.size {
            let pool = entry.pool_size;
            return Err(format!("{} KiB in a thin pool of {pool} KiB make no sense", info.size));
        }
        let (id, device) = (same_id::<BrickId>(id, &info.id)?, parsed("device", &info.device)?);
        let usual = BrickLv::new(id, device).directory();
        let mut path = brick_path(&info.path)?;
        if path.is_empty() && pending.is_some() {
            // Heketi writes it down when the brick is made.
            path.clone_from(&usual);
        }
        if !path.is_empty() && path != usual && !is_of_gluster(&path) {
            self.notes.push(format!("Brick {id} has a path that nobody gives bricks: {path}"));
        }
        Ok(StoredBrick {
            id,
            volume: parsed("volume", &info.volume)?,
            device,
            node: parsed("node", &info.node)?,
            size: BrickSize {
                brick: Kib(info.size),
                pool: Kib(entry.pool_size),
                metadata: Kib(entry.metadata_size),
            },
            part: match entry.sub_type {
                0 | 1 => Part::Data,
                2 => Part::Arbiter,
                other => return Err(format!("SubType {other} is unknown")),
            },
            cloned: names((id, device), entry, &path)?,
            path,
            set_index: UNKNOWN,
            position: UNKNOWN,
            pending,
        })
    }

    /// What the tables would refuse in one word each, and names that would lead to a wrong node.
    fn unique(&mut self, snapshot: &Snapshot) {
        let mut devices = BTreeMap::<_, DeviceId>::new();
        for device in &snapshot.devices {
            if let Some(other) = devices.insert((device.node, device.name.as_str()), device.id) {
                let (id, name, node) = (device.id, &device.name, device.node);
                self.problems
                    .push(format!("devices {other} and {id} are both {name} of node {node}"));
            }
        }
        let mut volumes = BTreeMap::<_, VolumeId>::new();
        for volume in &snapshot.volumes {
            if let Some(other) = volumes.insert((volume.cluster, volume.name.as_str()), volume.id) {
                let (id, name) = (volume.id, &volume.name);
                self.problems
                    .push(format!("volumes {other} and {id} of one cluster are both {name}"));
            }
        }
        let mut blocks = BTreeMap::new();
        for block in &snapshot.block_volumes {
            if let Some(other) = blocks.insert((block.hosting, block.name.as_str()), block.id) {
                let (id, name) = (block.id, &block.name);
                self.problems
                    .push(format!("block volumes {other} and {id} of one volume are both {name}"));
            }
        }
        let mut hosts = BTreeMap::<_, NodeId>::new();
        for (node, name) in
            snapshot.nodes.iter().filter_map(|node| Some((node.id, node.manage.first()?)))
        {
            if let Some(other) = hosts.insert(name.as_str(), node) {
                self.problems.push(format!("nodes {other} and {node} are both managed as {name}"));
            }
        }
    }
}

fn gib(field: &str, size: i64) -> Entry<Gib> {
    let size = u64::try_from(size).ok().filter(|size| *size > 0).map(Gib);
    size.ok_or_else(|| format!("{field} is below 1"))
}

/// The figures of a hosting volume (storage.md 6.7): those that do not add up lock it, and one of a
/// version that kept nothing back does so now, if there is room for it.
fn hosting(dump: &Dump, entry: &VolumeEntry, growing: &BTreeMap<String, Gib>) -> Entry<Hosting> {
    let info = &entry.info;
    let size = gib("size", info.size)?;
    let block = &info.blockinfo;
    let on_it =
        dump.blockvolumeentries.iter().filter(|(_, b)| b.info.blockhostingvolume == info.id);
    let held = |(id, b): (&String, &BlockVolumeEntry)| {
        growing.get(id).map_or(b.info.size, |to| to.to_number())
    };
    let taken: i64 = on_it.map(held).fold(0, i64::saturating_add);
    let number = |field: &str, size: i64| {
        u64::try_from(size).map(Gib).map_err(|_| format!("{field} {size} is below 0"))
    };
    let mut reserved = number("blockinfo.reservedsize", block.reservedsize)?;
    let free = number("blockinfo.freesize", block.freesize)?;
    let taken = number("block volumes", taken)?;
    let mut restriction: Restriction = parsed("blockinfo.restriction", &block.restriction)?;
    let keep = kept_back(size);
    if size != taken.plus(free).plus(reserved) {
        restriction = Restriction::LockedByUpdate;
    } else if reserved.0 == 0 && restriction != Restriction::LockedByUpdate {
        if free >= keep {
            reserved = keep;
        } else {
            restriction = Restriction::LockedByUpdate;
        }
    }
    Ok(Hosting { size, reserved, taken, restriction })
}

fn same_id<T: FromStr<Err: Display>>(key: &str, id: &str) -> Entry<T> {
    if key != id {
        return Err(format!("its own id is {id:?}"));
    }
    parsed("id", id)
}

/// The operation it belongs to. A mark without an operation hides an object for ever: Heketi shows
/// it nowhere.
fn mark(dump: &Dump, operation: &str) -> Entry<Option<OperationId>> {
    if operation.is_empty() {
        return Ok(None);
    }
    if !dump.pendingoperations.contains_key(operation) {
        return Err(format!("it belongs to operation {operation:?}, which is not there"));
    }
    parsed("Pending.Id", operation).map(Some)
}

/// It becomes part of a path on the node.
fn pv_uuid(text: &str) -> Entry<String> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    if text.bytes().all(allowed) { Ok(text.to_owned()) } else { Err(format!("pv_uuid {text:?}")) }
}

/// Empty, or a plain absolute path: it becomes part of gluster's command line.
fn brick_path(path: &str) -> Entry<String> {
    if path.is_empty() {
        return Ok(String::new());
    }
    let plain: DeviceName = parsed("path", path)?;
    if path.split('/').any(|part| part == "..") {
        return Err(format!("path {path:?} leads upwards"));
    }
    Ok(plain.into())
}

/// gluster mounts the bricks of clones there.
fn is_of_gluster(path: &str) -> bool {
    ["/run/gluster/", "/var/run/gluster/"].iter().any(|begin| path.starts_with(begin))
}

/// Names in LVM, if they do not follow from the id: just those that Heketi gives to bricks that it
/// moved or cloned (storage.md 1.1). They end up in commands that unmount and remove.
fn names(
    (id, device): (BrickId, DeviceId),
    entry: &BrickEntry,
    path: &str,
) -> Entry<Option<ClonedLv>> {
    let hex = |text: &str| text.parse::<BrickId>().is_ok();
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit());
    let usual = BrickLv::new(id, device);
    let or = |name: &str, usual: String| if name.is_empty() { usual } else { name.to_owned() };
    let pool = or(&entry.thin_pool, usual.pool());
    let lv = or(&entry.lv, usual.name());
    if !pool.strip_prefix("tp_").is_some_and(hex) {
        return Err(format!("LvmThinPool {pool:?} is no name that Heketi gives"));
    }
    let cloned = lv.split_once('_').is_some_and(|(uuid, n)| digits(uuid) && digits(n));
    if lv != usual.name() && !cloned {
        return Err(format!("LvmLv {lv:?} is no name that Heketi gives"));
    }
    if (pool == usual.pool() && lv == usual.name()) || path.is_empty() {
        return Ok(None);
    }
    let fits = if cloned { is_of_gluster(path) } else { path == usual.directory() };
    if !fits {
        return Err(format!("path {path:?} is not where {lv} in {pool} can be mounted"));
    }
    Ok(Some(ClonedLv { lv, pool, directory: path.to_owned() }))
}
