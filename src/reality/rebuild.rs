//! The database from the nodes alone: what LVM, gluster and the names on nodes tell of an estate.
//!
//! Ids of devices, bricks and volumes stand in names on the nodes and are kept; what stands
//! nowhere there is taken from the list of hosts, or is told as not known (docs/CHECKING.md).
use super::{Answers, ask, recognise, recognise::Ground};
use crate::{
    api::topology::{DeviceDescription, TopologyFile},
    database::{self, Import},
    domain::{
        ClusterId, DeviceFacts, DeviceId, DeviceName, Gib, Hostname, Kib, NodeId, Restriction,
        State, Tags, VolumeId, block::kept_back,
    },
    error::{Error, Result},
    node::{
        Nodes, Ran, Script, gluster::VolumeReport, gluster_block, lvm, names::group, stock::Stock,
    },
    store::{
        block_hosting::Hosting,
        clusters::Cluster,
        devices::Device,
        nodes::Node,
        snapshot::{Snapshot, StoredBrick},
    },
};
use std::collections::{BTreeMap, BTreeSet};

/// An estate as the nodes have it.
#[derive(Debug)]
pub struct Rebuilt {
    /// What can be put into an empty database, with notes on what was not taken over.
    pub import: Import,
    /// Why the database would lack something that is there: nodes, or parts of nodes, that did not
    /// answer.
    pub lacking: Vec<String>,
}

/// Asks these nodes for everything they have. Nothing is changed.
///
/// # Errors
/// The list names no node, or one that makes no sense.
pub async fn rebuild(nodes: &Nodes, hosts: &TopologyFile) -> Result<Rebuilt> {
    let mut estate = Estate::of(hosts)?;
    let asked = estate.snapshot.nodes.iter();
    let asked = asked.filter_map(|node| Some((node.id, node.manage.first()?.clone()))).collect();
    let answers = ask(nodes, asked).await;
    estate.hear(&answers);
    estate.devices(nodes, &answers).await;
    estate.volumes(&answers);
    estate.hosting(nodes, &answers).await;
    estate.spaces(&answers);
    Ok(estate.finish())
}

/// A database in the making.
struct Estate {
    snapshot: Snapshot,
    /// Tags of devices by node and path, from the list.
    tags: BTreeMap<(NodeId, String), Tags>,
    notes: Vec<String>,
    lacking: Vec<String>,
}

impl Estate {
    /// Clusters and nodes: their ids stand nowhere on the nodes, so they are new.
    fn of(hosts: &TopologyFile) -> Result<Self> {
        let (mut snapshot, mut tags) = (Snapshot::default(), BTreeMap::new());
        let senseless = |name: &String| Error::Invalid(format!("not a host name: {name:?}"));
        let names = |names: &[String]| -> Result<Vec<Hostname>> {
            names.iter().map(|name| name.parse().map_err(|_| senseless(name))).collect()
        };
        for entry in &hosts.clusters {
            let id = ClusterId::random();
            let (file, block) = (entry.file.unwrap_or(true), entry.block.unwrap_or(true));
            snapshot.clusters.push(Cluster { id, file, block });
            for entry in &entry.nodes {
                let node = Node {
                    id: NodeId::random(),
                    cluster: id,
                    zone: entry.node.zone,
                    manage: names(&entry.node.hostnames.manage)?,
                    storage: names(&entry.node.hostnames.storage)?,
                    tags: entry.node.tags.clone(),
                    state: State::Online,
                    pending: None,
                };
                for device in entry.devices.iter().cloned().map(DeviceDescription::from) {
                    tags.insert((node.id, device.name), device.tags);
                }
                snapshot.nodes.push(node);
            }
        }
        if snapshot.nodes.is_empty() {
            return Err(Error::Invalid("the list names no node".into()));
        }
        snapshot.clusters.sort_by_key(|cluster| cluster.id);
        snapshot.nodes.sort_by_key(|node| node.id);
        Ok(Self { snapshot, tags, notes: vec![], lacking: vec![] })
    }

    /// Whoever did not tell everything is missed: what it has would be missing in the database.
    fn hear(&mut self, answers: &Answers) {
        for (host, answer) in answers.values() {
            match answer {
                Err(why) => self.lacking.push(format!("{host}: {why}")),
                Ok(stock) => {
                    let silent = stock.unknown().filter(|(what, _)| *what != "peers");
                    self.lacking.extend(silent.map(|(what, why)| format!("{host}: {what}: {why}")));
                }
            }
        }
    }

    /// Each volume group that is called as ours are is a device of its node.
    async fn devices(&mut self, nodes: &Nodes, answers: &Answers) {
        let mut found = vec![];
        for node in &self.snapshot.nodes {
            let Some((host, Ok(stock))) = answers.get(&node.id) else { continue };
            let (Ok(groups), Ok(pvs)) = (&stock.groups, &stock.pvs) else { continue };
            for vg in groups {
                let Some(id) = device_of(&vg.name) else { continue };
                let mut of = pvs.iter().filter(|pv| pv.group == vg.name);
                let name = of.next().and_then(|pv| pv.name.parse::<DeviceName>().ok());
                let (Some(name), None) = (name, of.next()) else {
                    self.lacking.push(format!("{host}: {} lies on no single device", vg.name));
                    continue;
                };
                match facts(nodes, host, id, &name).await {
                    Ok(facts) => found.push(self.device(node, id, &name, facts)),
                    Err(error) => self.lacking.push(format!("{host}: {}: {error}", vg.name)),
                }
            }
        }
        found.sort_by_key(|device| device.id);
        self.snapshot.devices = found;
    }

    /// By the name that the list has for it, if that is one of its paths.
    fn device(&self, node: &Node, id: DeviceId, name: &DeviceName, facts: DeviceFacts) -> Device {
        let listed = self.tags.keys().filter(|(of, _)| *of == node.id).map(|(_, path)| path);
        let same = |path: &&String| facts.paths.contains(*path);
        let listed = listed.filter(|path| path.parse::<DeviceName>().is_ok()).find(same);
        let tags = listed.and_then(|path| self.tags.get(&(node.id, path.clone())));
        Device {
            id,
            node: node.id,
            name: listed.and_then(|path| path.parse().ok()).unwrap_or_else(|| name.clone()),
            state: State::Online,
            total: facts.total,
            used: facts.used,
            extent: facts.extent,
            pv_uuid: facts.pv_uuid,
            paths: facts.paths,
            tags: tags.cloned().unwrap_or_default(),
            pending: None,
        }
    }

    /// Each volume of gluster that lies on these devices; others are told.
    fn volumes(&mut self, answers: &Answers) {
        let mut taken = BTreeSet::<VolumeId>::new();
        for cluster in &self.snapshot.clusters {
            let (mut reports, mut disputed) =
                (BTreeMap::<&str, &VolumeReport>::new(), BTreeSet::new());
            let members = self.snapshot.nodes.iter().filter(|node| node.cluster == cluster.id);
            let heard: Vec<(&Node, &Stock)> = members
                .filter_map(|node| Some((node, answers.get(&node.id)?.1.as_ref().ok()?)))
                .collect();
            for (_, stock) in &heard {
                for report in stock.volumes.iter().flatten() {
                    let name = report.name.as_str();
                    if reports.entry(name).or_insert(report).bricks != report.bricks {
                        disputed.insert(name);
                    }
                }
            }
            // As when a node has left the pool: nobody here knows which of them is right.
            for name in disputed {
                reports.remove(name);
                self.lacking.push(format!("volume {name}: nodes tell different bricks of it"));
            }
            let ground = Ground { nodes: heard, devices: &self.snapshot.devices };
            // gluster copies the id of a volume to its clones, which lie elsewhere than bricks of
            // ours: the volume itself comes first.
            let mut reports: Vec<_> = reports.into_values().collect();
            reports.sort_by_key(|report| report.bricks.iter().any(|b| b.contains("/snaps/")));
            for report in reports {
                match recognise::volume(report, cluster.id, &ground, &taken) {
                    Ok(found) => {
                        taken.insert(found.volume.id);
                        self.snapshot.volumes.push(found.volume);
                        self.snapshot.bricks.extend(found.bricks);
                    }
                    Err(why) => {
                        let name = &report.name;
                        self.notes.push(format!("volume {name} of gluster is left out: {why}"));
                    }
                }
            }
        }
        self.snapshot.volumes.sort_by_key(|volume| volume.id);
        self.snapshot.bricks.sort_by_key(|brick| brick.id);
    }

    /// Volumes that host block volumes are not given to others, nor filled with more: which block
    /// volumes they host is not found out.
    async fn hosting(&mut self, nodes: &Nodes, answers: &Answers) {
        for volume in &mut self.snapshot.volumes {
            let first = |b: &&StoredBrick| b.volume == volume.id && b.position == 0;
            let Some(brick) = self.snapshot.bricks.iter().find(first) else { continue };
            let Some((host, _)) = answers.get(&brick.node) else { continue };
            let question = gluster_block::ask_hosting(Script::reading(), &brick.path);
            match nodes.run(host, &question).await {
                Ok(ran) if ran.last().is_some_and(Ran::ok) => {
                    volume.block = true;
                    let (size, reserved) = (volume.size, kept_back(volume.size));
                    let (taken, restriction) = (Gib(0), Restriction::Locked);
                    let hosting = Hosting { size, reserved, taken, restriction };
                    self.snapshot.hosting.insert(volume.id, hosting);
                    self.lacking.push(format!(
                        "volume {} hosts block volumes, which are not rebuilt",
                        volume.name
                    ));
                }
                Ok(_) => {}
                Err(error) => self.lacking.push(format!("volume {}: {error}", volume.name)),
            }
        }
    }

    /// A pool that bricks share is accounted to one of them; what LVM keeps for itself is not used.
    fn spaces(&mut self, answers: &Answers) {
        let mut owners = BTreeSet::new();
        for brick in self.snapshot.bricks.iter().filter(|b| b.size.pool > Kib::ZERO) {
            owners.insert((brick.device, brick.pool()));
        }
        for brick in &mut self.snapshot.bricks {
            let stock = answers.get(&brick.node).and_then(|(_, answer)| answer.as_ref().ok());
            let Some(Ok(lvs)) = stock.map(|stock| &stock.lvs) else { continue };
            if owners.insert((brick.device, brick.pool())) {
                let (of, name) = (group(brick.device), brick.pool());
                if let Some(pool) = lvs.iter().find(|lv| lv.group == of && lv.name == name) {
                    (brick.size.pool, brick.size.metadata) = (pool.size, pool.metadata);
                }
            }
        }
        for device in &mut self.snapshot.devices {
            let stock = answers.get(&device.node).and_then(|(_, answer)| answer.as_ref().ok());
            let Some(Ok(lvs)) = stock.map(|stock| &stock.lvs) else { continue };
            let of = group(device.id);
            let spare = lvs.iter().filter(|lv| lv.group == of && lv.name.ends_with("_pmspare]"));
            device.used = device.used.minus(spare.map(|lv| lv.size).sum());
            let here = |brick: &&StoredBrick| brick.device == device.id;
            let bricks = self.snapshot.bricks.iter().filter(here);
            let known: Kib = bricks.map(|brick| brick.size.total()).sum();
            if device.used > known {
                self.notes.push(format!(
                    "device {} has {} KiB in use by no brick that was found: `check` tells what \
                     they are",
                    device.id,
                    device.used.minus(known).0
                ));
            }
            device.used = device.used.max(known);
        }
    }

    /// What contradicts itself all the same is told.
    fn finish(self) -> Rebuilt {
        let Self { snapshot, mut notes, lacking, .. } = self;
        let found = database::check(&database::dump(&snapshot));
        let parts = [found.clusters, found.nodes, found.devices, found.volumes, found.bricks];
        let wrong = parts.into_iter().filter_map(|part| part.inconsistencies);
        notes.extend(wrong.flatten().map(|what| format!("contradiction: {what}")));
        Rebuilt { import: Import { snapshot, inherited: vec![], notes, mended: vec![] }, lacking }
    }
}

fn device_of(group: &str) -> Option<DeviceId> {
    group.strip_prefix("vg_")?.parse().ok()
}

/// What `device add` would have found out.
async fn facts(
    nodes: &Nodes,
    host: &Hostname,
    id: DeviceId,
    name: &DeviceName,
) -> Result<DeviceFacts> {
    let script = lvm::read_group(Script::reading(), nodes.tools(), id, name);
    let ran = nodes.run(host, &script).await?;
    Ok(lvm::facts(host, name, &ran)?)
}
