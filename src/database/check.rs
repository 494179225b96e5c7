//! What contradicts itself in a dump: Heketi's rules (storage.md 6.9), over the entries alone.
//!
//! Most of it cannot happen in our tables, whose keys the database itself keeps: the rules are for
//! what is to be imported as well, and for whoever wants to see that all is well.
use crate::api::database::{
    BlockVolumeEntry, BrickEntry, CHANGES, Check, CheckPart, ClusterEntry, DeviceEntry, Dump,
    NodeEntry, Pending, PendingAction, PendingOperationEntry, VolumeEntry, number_of,
};
use std::collections::{BTreeMap, HashSet};

/// All contradictions, sorted by the ids of the entries that show them.
#[must_use]
pub fn check(dump: &Dump) -> Check {
    let look = Look { dump, actions: actions(dump), growing: growing(dump) };
    let mut check = Check {
        clusters: part(&dump.clusterentries, |_| false, |id, e, found| look.cluster(id, e, found)),
        volumes: part(
            &dump.volumeentries,
            |e| is_set(&e.pending),
            |id, e, found| {
                look.volume(id, e, found);
            },
        ),
        bricks: part(
            &dump.brickentries,
            |e| is_set(&e.pending),
            |id, e, found| {
                look.brick(id, e, found);
            },
        ),
        nodes: part(&dump.nodeentries, |_| false, |id, e, found| look.node(id, e, found)),
        devices: part(&dump.deviceentries, |_| false, |id, e, found| look.device(id, e, found)),
        blockvolumes: part(
            &dump.blockvolumeentries,
            |e| is_set(&e.pending),
            |id, e, found| {
                look.block_volume(id, e, found);
            },
        ),
        dbattributes: CheckPart::default(),
        pendingoperations: part(
            &dump.pendingoperations,
            |_| false,
            |id, e, found| {
                look.operation(id, e, found);
            },
        ),
        totalinconsistencies: 0,
    };
    let parts = [
        &check.clusters,
        &check.volumes,
        &check.bricks,
        &check.nodes,
        &check.devices,
        &check.blockvolumes,
        &check.pendingoperations,
    ];
    check.totalinconsistencies =
        parts.iter().filter_map(|part| part.inconsistencies.as_ref()).map(Vec::len).sum();
    check
}

fn is_set(pending: &Pending) -> bool {
    !pending.id.is_empty()
}

fn part<E>(
    entries: &BTreeMap<String, E>,
    pending: impl Fn(&E) -> bool,
    look: impl Fn(&str, &E, &mut Vec<String>),
) -> CheckPart {
    let mut part = CheckPart { total: entries.len(), ..CheckPart::default() };
    let mut all = vec![];
    for (id, entry) in entries {
        let before = all.len();
        look(id, entry, &mut all);
        part.pending += usize::from(pending(entry));
        part.notok += usize::from(all.len() > before);
    }
    part.ok = part.total - part.notok;
    part.inconsistencies = (!all.is_empty()).then_some(all);
    part
}

/// Which operation says that it changes which object.
fn actions(dump: &Dump) -> HashSet<(&str, &str)> {
    let of = |(id, op)| {
        let (id, op): (&String, &PendingOperationEntry) = (id, op);
        op.actions.iter().map(move |action| (id.as_str(), action.id.as_str()))
    };
    dump.pendingoperations.iter().flat_map(of).collect()
}

/// Block volumes that are being expanded.
fn growing(dump: &Dump) -> HashSet<&str> {
    let grows = number_of(&CHANGES, "Expand block volume");
    let actions = dump.pendingoperations.values().flat_map(|op| &op.actions);
    actions.filter(|action| action.change == grows).map(|action| action.id.as_str()).collect()
}

/// The block volumes that a volume says it hosts.
fn hosted(entry: &VolumeEntry) -> Vec<String> {
    entry.info.blockinfo.blockvolume.iter().map(ToString::to_string).collect()
}

struct Look<'a> {
    dump: &'a Dump,
    actions: HashSet<(&'a str, &'a str)>,
    growing: HashSet<&'a str>,
}

/// Lists are sorted, but for the bricks of clones, which Heketi's own check therefore does not find
/// (api.md 17.13).
fn lists(list: &[String], id: &str) -> bool {
    let by = |listed: &String| listed.as_str().cmp(id);
    list.binary_search_by(by).is_ok() || list.iter().any(|listed| listed == id)
}

/// One that is listed and is not there, or belongs to somebody else.
fn links<E>(
    (what, id): (&str, &str),
    (other, listed): (&str, &[String]),
    entries: &BTreeMap<String, E>,
    back: impl Fn(&E) -> &str,
    found: &mut Vec<String>,
) {
    for link in listed {
        match entries.get(link) {
            None => found.push(format!("{what} {id} unknown {other} {link}")),
            Some(entry) if back(entry) != id => found.push(no_link_back(what, id, other, link)),
            Some(_) => {}
        }
    }
}

fn no_link_back(what: &str, id: &str, other: &str, link: &str) -> String {
    let lower = what.to_ascii_lowercase();
    format!("{what} {id} no link back to {lower} from {other} {link}")
}

/// The owner that is named, and is not there or does not list it.
fn owner<E>(
    (what, id): (&str, &str),
    (other, named): (&str, &str),
    entries: &BTreeMap<String, E>,
    list: impl Fn(&E) -> &[String],
    found: &mut Vec<String>,
) {
    match entries.get(named) {
        None => found.push(format!("{what} {id} unknown {other} {named}")),
        Some(entry) if !lists(list(entry), id) => found.push(no_link_back(what, id, other, named)),
        Some(_) => {}
    }
}

impl Look<'_> {
    fn cluster(&self, id: &str, entry: &ClusterEntry, found: &mut Vec<String>) {
        let (me, dump, info) = (("Cluster", id), self.dump, &entry.info);
        links(me, ("node", &info.nodes), &dump.nodeentries, |n| &n.info.cluster, found);
        links(me, ("volume", &info.volumes), &dump.volumeentries, |v| &v.info.cluster, found);
        let blocks = ("block volume", info.blockvolumes.as_slice());
        links(me, blocks, &dump.blockvolumeentries, |b| &b.info.cluster, found);
    }

    fn volume(&self, id: &str, entry: &VolumeEntry, found: &mut Vec<String>) {
        let (me, dump, info) = (("Volume", id), self.dump, &entry.info);
        let cluster = ("cluster", info.cluster.as_str());
        owner(me, cluster, &dump.clusterentries, |c| &c.info.volumes, found);
        links(me, ("brick", &entry.bricks), &dump.brickentries, |b| &b.info.volume, found);
        let blocks = hosted(entry);
        let host = |b: &'_ BlockVolumeEntry| b.info.blockhostingvolume.clone();
        for link in &blocks {
            match dump.blockvolumeentries.get(link) {
                None => found.push(format!("Volume {id} unknown block volume {link}")),
                Some(b) if host(b) != id => {
                    found.push(no_link_back("Volume", id, "block volume", link));
                }
                Some(_) => {}
            }
        }
        if let Some(cluster) = dump.clusterentries.get(&info.cluster) {
            let (hosts, nodes) = (info.mount.glusterfs.hosts.len(), cluster.info.nodes.len());
            if hosts != nodes {
                found.push(format!(
                    "Volume {id} has {hosts} mount hosts in a cluster of {nodes} nodes"
                ));
            }
        }
        self.block_sizes(id, entry, found);
        self.pending(me, &entry.pending, found);
    }

    /// A hosting volume is free, reserved, or taken by block volumes (api.md 11.7).
    fn block_sizes(&self, id: &str, entry: &VolumeEntry, found: &mut Vec<String>) {
        let info = &entry.info;
        if !info.block {
            return;
        }
        let blocks = hosted(entry);
        // What is being expanded holds its new size already.
        if blocks.iter().any(|block| self.growing.contains(block.as_str())) {
            return;
        }
        let size = |link: &String| self.dump.blockvolumeentries.get(link).map(|b| b.info.size);
        let taken: i64 = blocks.iter().filter_map(size).sum();
        let (free, reserved) = (info.blockinfo.freesize, info.blockinfo.reservedsize);
        if info.size != free.saturating_add(reserved).saturating_add(taken) {
            found.push(format!(
                "Volume {id} block size values differ Size({}) != Free({free}) + Reserved({reserved}) \
                 + blockVolumes({taken})",
                info.size
            ));
        }
    }

    fn brick(&self, id: &str, entry: &BrickEntry, found: &mut Vec<String>) {
        let (me, dump, info) = (("Brick", id), self.dump, &entry.info);
        owner(me, ("volume", &info.volume), &dump.volumeentries, |v| &v.bricks, found);
        owner(me, ("device", &info.device), &dump.deviceentries, |d| &d.bricks, found);
        if !dump.nodeentries.contains_key(&info.node) {
            found.push(format!("Brick {id} unknown node {}", info.node));
        }
        if dump.deviceentries.get(&info.device).is_some_and(|device| device.node != info.node) {
            found.push(format!("Brick {id} lies on a device of another node than {}", info.node));
        }
        if info.path.is_empty() {
            found.push(format!("Brick {id} has no path"));
        }
        self.pending(me, &entry.pending, found);
    }

    fn node(&self, id: &str, entry: &NodeEntry, found: &mut Vec<String>) {
        let (me, dump) = (("Node", id), self.dump);
        let cluster = ("cluster", entry.info.cluster.as_str());
        owner(me, cluster, &dump.clusterentries, |c| &c.info.nodes, found);
        links(me, ("device", &entry.devices), &dump.deviceentries, |d| &d.node, found);
    }

    fn device(&self, id: &str, entry: &DeviceEntry, found: &mut Vec<String>) {
        let (me, dump) = (("Device", id), self.dump);
        owner(me, ("node", &entry.node), &dump.nodeentries, |n| &n.devices, found);
        links(me, ("brick", &entry.bricks), &dump.brickentries, |b| &b.info.device, found);
        let space = entry.info.storage;
        let (total, free, used) = (space.total.0, space.free.0, space.used.0);
        if total != free.saturating_add(used) {
            found.push(format!(
                "Device {id} size values differ Total({total}) != Free({free}) + Used({used})"
            ));
        }
        let debris = self.dump.brickyard.as_ref().and_then(|more| more.debris.get(id).copied());
        let sum = self.taken_by(&entry.bricks).saturating_add(debris.unwrap_or_default());
        if used != sum {
            found.push(format!(
                "Device {id} size values differ Used({used}) != aggregateBricksSize({sum})"
            ));
        }
    }

    /// What the thin pools of these bricks take. A clone lies in the pool of its origin: Heketi's own
    /// check counts it twice (api.md 17.13).
    fn taken_by(&self, bricks: &[String]) -> u64 {
        let mut pools = BTreeMap::<String, u64>::new();
        for (id, brick) in
            bricks.iter().filter_map(|id| Some((id, self.dump.brickentries.get(id)?)))
        {
            let usual = || format!("tp_{id}");
            let pool = if brick.thin_pool.is_empty() { usual() } else { brick.thin_pool.clone() };
            let size = pools.entry(pool).or_default();
            *size = (*size).max(brick.pool_size.saturating_add(brick.metadata_size));
        }
        pools.values().fold(0, |sum, size| sum.saturating_add(*size))
    }

    fn block_volume(&self, id: &str, entry: &BlockVolumeEntry, found: &mut Vec<String>) {
        let (me, dump, info) = (("Block volume", id), self.dump, &entry.info);
        let cluster = ("cluster", info.cluster.as_str());
        owner(me, cluster, &dump.clusterentries, |c| &c.info.blockvolumes, found);
        let host = info.blockhostingvolume.as_str();
        match dump.volumeentries.get(host) {
            None => found.push(format!("Block volume {id} unknown volume {host}")),
            Some(volume) if !lists(&hosted(volume), id) => {
                found.push(no_link_back("Block volume", id, "volume", host));
            }
            Some(_) => {}
        }
        self.pending(me, &entry.pending, found);
    }

    /// Whoever belongs to an operation is among what that changes.
    fn pending(&self, (what, id): (&str, &str), pending: &Pending, found: &mut Vec<String>) {
        let operation = pending.id.as_str();
        if operation.is_empty() {
            return;
        }
        match self.dump.pendingoperations.get(operation) {
            None => found.push(format!("{what} {id} unknown pending operation {operation}")),
            // One of another program's kinds does not tell what it changes.
            Some(entry) if entry.actions.is_empty() => {}
            Some(_) if !self.actions.contains(&(operation, id)) => {
                let other = "pending operation";
                found.push(no_link_back(what, id, other, operation));
            }
            Some(_) => {}
        }
    }

    fn operation(&self, id: &str, entry: &PendingOperationEntry, found: &mut Vec<String>) {
        for action in &entry.actions {
            if let Some(problem) = self.action(id, action) {
                found.push(problem);
            }
        }
    }

    /// What is wrong with an action: the object is not there, or belongs to somebody else. Volumes
    /// and devices that are changed but neither made nor removed carry no mark.
    fn action(&self, operation: &str, action: &PendingAction) -> Option<String> {
        let (dump, object) = (self.dump, action.id.as_str());
        let is = |word: &str| action.change == number_of(&CHANGES, word);
        let brick = || dump.brickentries.get(object).map(|b| &b.pending);
        let volume = || dump.volumeentries.get(object).map(|v| &v.pending);
        let block = || dump.blockvolumeentries.get(object).map(|b| &b.pending);
        let (what, pending) = if is("Add brick") || is("Delete brick") {
            ("brick", brick())
        } else if is("Add volume") || is("Delete volume") || is("Expand volume to") {
            ("volume", volume())
        } else if is("Add block volume") || is("Delete block volume") {
            ("block volume", block())
        } else {
            let (what, known) = if is("Expand volume") || is("Clone volume from") {
                ("volume", dump.volumeentries.contains_key(object))
            } else if is("Expand block volume") {
                ("block volume", dump.blockvolumeentries.contains_key(object))
            } else if is("Remove device") {
                ("device", dump.deviceentries.contains_key(object))
            } else {
                return None;
            };
            let unknown = format!("Pending operation {operation} unknown {what} {object}");
            return (!known).then_some(unknown);
        };
        match pending {
            None => Some(format!("Pending operation {operation} unknown {what} {object}")),
            Some(mark) if mark.id != operation => {
                Some(no_link_back("Pending operation", operation, what, object))
            }
            Some(_) => None,
        }
    }
}
