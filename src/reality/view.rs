//! Who is who in what was found: rows that nobody is at work on, with the answers of their nodes.
use super::Facts;
use crate::{
    api::reality::{Difference, Kind, Repair},
    domain::{BrickId, ClusterId, DeviceId, Hostname, NodeId, VolumeId},
    node::{
        gluster::VolumeReport,
        names::{BrickLv, group},
        stock::Stock,
    },
    store::{
        devices::Device,
        nodes::Node,
        snapshot::{Snapshot, StoredBrick},
        volumes::Volume,
    },
};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// The facts, with what is asked of them more than once.
pub(super) struct View<'a> {
    pub(super) facts: &'a Facts,
    /// Bricks that nobody is at work on, and that are the same before and after.
    pub(super) bricks: Vec<&'a StoredBrick>,
    nodes: BTreeMap<NodeId, &'a Node>,
}

impl<'a> View<'a> {
    pub(super) fn of(facts: &'a Facts) -> Self {
        let same = |brick: &&StoredBrick| {
            let at = facts.before.bricks.binary_search_by_key(&brick.id, |b| b.id);
            let earlier = at.ok().and_then(|at| facts.before.bricks.get(at));
            brick.pending.is_none() && earlier == Some(*brick)
        };
        let bricks = facts.after.bricks.iter().filter(same).collect();
        let nodes = facts.after.nodes.iter().map(|node| (node.id, node)).collect();
        Self { facts, bricks, nodes }
    }

    pub(super) fn both(&self) -> [&'a Snapshot; 2] {
        [&self.facts.before, &self.facts.after]
    }

    /// Nodes that are not being added or removed.
    pub(super) fn settled_nodes(&self) -> impl Iterator<Item = &'a Node> {
        let known: HashSet<_> = self.facts.answers.keys().collect();
        let settled = self.facts.after.nodes.iter().filter(|node| node.pending.is_none());
        settled.filter(move |node| known.contains(&node.id))
    }

    /// Devices that nothing happens to, nor to any brick on them.
    pub(super) fn settled_devices(&self) -> impl Iterator<Item = &'a Device> {
        let busy: HashSet<DeviceId> = self
            .both()
            .into_iter()
            .flat_map(|s| &s.bricks)
            .filter(|brick| brick.pending.is_some())
            .map(|brick| brick.device)
            .collect();
        let before = &self.facts.before.devices;
        self.facts.after.devices.iter().filter(move |device| {
            let same = before.iter().any(|earlier| earlier == *device);
            device.pending.is_none() && same && !busy.contains(&device.id)
        })
    }

    /// Volumes that nothing happens to, nor to any brick of them, with their bricks in order.
    pub(super) fn settled_volumes(&self) -> Vec<(&'a Volume, Vec<&'a StoredBrick>)> {
        let bricks_of = |snapshot: &'a Snapshot| {
            let mut of = BTreeMap::<VolumeId, Vec<&'a StoredBrick>>::new();
            for brick in &snapshot.bricks {
                of.entry(brick.volume).or_default().push(brick);
            }
            of
        };
        let [before, after] = self.both();
        let (mut earlier, mut later) = (bricks_of(before), bricks_of(after));
        let mut settled = vec![];
        for volume in &after.volumes {
            let was = before.volumes.iter().any(|v| v == volume);
            let old = earlier.remove(&volume.id).unwrap_or_default();
            let mut bricks = later.remove(&volume.id).unwrap_or_default();
            let quiet = bricks.iter().all(|brick| brick.pending.is_none());
            if volume.pending.is_none() && was && quiet && old == bricks {
                bricks.sort_by_key(|brick| (brick.set_index, brick.position));
                settled.push((volume, bricks));
            }
        }
        settled
    }

    /// How many objects are not judged.
    pub(super) fn under_way(&self) -> usize {
        let after = &self.facts.after;
        let bricks = after.bricks.len() - self.bricks.len();
        let volumes = after.volumes.len() - self.settled_volumes().len();
        let devices = after.devices.len() - self.settled_devices().count();
        bricks + volumes + devices
    }

    /// What the node answered, if it did.
    pub(super) fn stock(&self, node: NodeId) -> Option<&'a Stock> {
        self.facts.answers.get(&node)?.1.as_ref().ok()
    }

    /// The node, by its management name, for people.
    pub(super) fn host(&self, node: NodeId) -> String {
        self.nodes
            .get(&node)
            .and_then(|n| n.manage.first())
            .map_or_else(|| format!("of node {node}"), Hostname::to_string)
    }

    pub(super) fn node(&self, node: NodeId) -> Option<&'a Node> {
        self.nodes.get(&node).copied()
    }

    /// Nodes of a cluster that are not being added or removed.
    pub(super) fn members(&self, cluster: ClusterId) -> impl Iterator<Item = &'a Node> {
        self.settled_nodes().filter(move |node| node.cluster == cluster)
    }

    /// The volumes of a cluster's pool by name, as all of its nodes together have them; and whether
    /// all of its nodes have told, and the same. Of a volume of which they tell different things, as
    /// one does that has left the pool, nothing is known.
    pub(super) fn in_gluster(
        &self,
        cluster: ClusterId,
    ) -> (BTreeMap<&'a str, &'a VolumeReport>, bool) {
        let (mut found, mut all) = (BTreeMap::<&str, &VolumeReport>::new(), true);
        let (mut heard, mut disputed) = (false, BTreeSet::new());
        for node in self.members(cluster) {
            match self.stock(node.id).map(|stock| &stock.volumes) {
                Some(Ok(volumes)) => {
                    heard = true;
                    for report in volumes {
                        let name = report.name.as_str();
                        if found.entry(name).or_insert(report).bricks != report.bricks {
                            disputed.insert(name);
                        }
                    }
                }
                _ => all = false,
            }
        }
        found.retain(|name, _| !disputed.contains(name));
        (found, all && heard && disputed.is_empty())
    }

    /// Names and ids of all volumes that the database has or had a moment ago, pending or not.
    pub(super) fn known_volumes(&self) -> (BTreeSet<&'a str>, BTreeSet<VolumeId>) {
        let all = || self.both().into_iter().flat_map(|s| &s.volumes);
        (all().map(|v| v.name.as_str()).collect(), all().map(|v| v.id).collect())
    }

    /// Logical volumes and thin pools, with their groups, that the database knows of: bricks
    /// before and after, and what is left of others.
    pub(super) fn known_lvs(&self) -> BTreeSet<(String, String)> {
        let mut known = BTreeSet::new();
        let mut add = |lv: &BrickLv| {
            known.insert((group(lv.device), lv.name()));
            known.insert((group(lv.device), lv.pool()));
        };
        self.both().into_iter().flat_map(|s| &s.bricks).for_each(|brick| add(&lv_of(brick)));
        for left in &self.facts.debris {
            add(&BrickLv { id: left.brick, device: left.device, cloned: left.cloned.clone() });
        }
        known
    }

    /// A volume's name, for people.
    pub(super) fn volume_name(&self, id: VolumeId) -> String {
        let found = self.facts.after.volumes.iter().find(|volume| volume.id == id);
        found.map_or_else(|| id.to_string(), |volume| volume.name.to_string())
    }

    /// As gluster may name the brick: by any storage name of its node.
    pub(super) fn addresses(&self, brick: &StoredBrick) -> Vec<String> {
        let names = self.node(brick.node).map(|node| node.storage.as_slice()).unwrap_or_default();
        names.iter().map(|name| format!("{name}:{}", brick.path)).collect()
    }
}

/// The brick's names on its node.
pub(super) fn lv_of(brick: &StoredBrick) -> BrickLv {
    BrickLv { id: brick.id, device: brick.device, cloned: brick.cloned.clone() }
}

/// The id in the name of a logical volume or thin pool that is called as ours are.
pub(super) fn brick_in_name(name: &str) -> Option<BrickId> {
    name.strip_prefix("brick_").or_else(|| name.strip_prefix("tp_"))?.parse().ok()
}

/// A difference, named by its kind and these words.
pub(super) fn difference(
    kind: Kind,
    about: &str,
    text: String,
    repair: Option<Repair>,
) -> Difference {
    let id = format!("{}/{about}", kind.as_str());
    Difference { kind, id, text, advice: String::new(), repair }
}
