//! Everything that can be done, each once: whoever adds an operation adds a line to [`ALL`].
use super::site::{Site, settings};
use brickyard::{
    api::{
        block_volume::{BlockVolumeCreateRequest, BlockVolumeExpandRequest},
        brick::BrickEvictRequest,
        cluster::ClusterFlags,
        device::DeviceAddRequest,
        node::{NodeAddRequest, StateRequest},
        volume::{BlockRestrictionRequest, VolumeCreateRequest, VolumeExpandRequest},
    },
    domain::{BlockVolumeId, BrickId, DeviceId, NodeId, VolumeId},
    inventory,
    node::sim::world::World,
    operation::{
        AddDevice, AddNode, Any, ClearDebris, CloneVolume, CreateBlockVolume, CreateVolume,
        DeleteBlockVolume, DeleteDevice, DeleteNode, DeleteVolume, EvictBrick, ExpandBlockVolume,
        ExpandVolume, RejoinPeer, RemoveStray, RestoreBrick, RestoreVolume, RestrictBlockHosting,
        ResyncDevice, SetDeviceState, SetNodeState, Settings,
    },
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::OnceLock};

/// What is there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// An empty cluster.
    Cluster,
    /// A cluster of one node.
    Node,
    /// [`estate`]
    Estate,
    /// The same, with a clone of "two": "copy".
    Cloned,
    /// The estate with a dispersed volume, and room for everybody who has to leave.
    Moves,
    /// The same; a brick left while its node did not answer.
    Debris,
    /// The same, and block volumes on a volume that hosts them.
    Blocks,
}

/// Something to be done.
pub struct Scenario {
    pub name: &'static str,
    before: Before,
    operation: fn(&Base) -> Any,
}

#[rustfmt::skip]
pub const ALL: &[Scenario] = &[
    Scenario { name: "add the first node", before: Before::Cluster, operation: |b| add_node(b, 0) },
    Scenario { name: "add the second node", before: Before::Node, operation: |b| add_node(b, 1) },
    Scenario { name: "delete node", before: Before::Estate, operation: |b| DeleteNode::new(b.node("n4")).into() },
    Scenario { name: "set node offline", before: Before::Estate, operation: |b| SetNodeState::request(b.node("n0"), &state("offline")).unwrap() },
    Scenario { name: "add device", before: Before::Estate, operation: |b| add_device(b, "n3", "/dev/sde", false) },
    Scenario { name: "add device with data", before: Before::Estate, operation: |b| add_device(b, "n3", "/dev/sdd", true) },
    Scenario { name: "delete device", before: Before::Estate, operation: |b| DeleteDevice::new(b.device("n0 /dev/sdc"), false).into() },
    Scenario { name: "set device online", before: Before::Estate, operation: |b| SetDeviceState::request(b.device("n1 /dev/sdc"), &state("online")).unwrap() },
    Scenario { name: "resync device", before: Before::Estate, operation: |b| ResyncDevice::new(b.device("n0 /dev/sdb")).into() },
    Scenario { name: "create one brick", before: Before::Estate, operation: |_| create(2, &json!({"type": "none"}), "") },
    Scenario { name: "create replica 3", before: Before::Estate, operation: |_| create(2, &replica_3(), "") },
    Scenario { name: "create two sets", before: Before::Estate, operation: |_| create(10, &replica_3(), "") },
    Scenario { name: "create arbiter", before: Before::Estate, operation: |_| create(2, &replica_3(), "user.heketi.arbiter true") },
    Scenario { name: "create disperse", before: Before::Estate, operation: |_| create(4, &json!({"type": "disperse", "disperse": {"data": 2, "redundancy": 1}}), "") },
    Scenario { name: "expand volume", before: Before::Estate, operation: |b| expand(b.volume("two")) },
    Scenario { name: "delete volume", before: Before::Estate, operation: |b| DeleteVolume::new(b.volume("two")).into() },
    Scenario { name: "clone volume", before: Before::Estate, operation: |b| clone(b.volume("two"), "twin") },
    Scenario { name: "expand a clone", before: Before::Cloned, operation: |b| expand(b.volume("copy")) },
    Scenario { name: "delete a clone", before: Before::Cloned, operation: |b| DeleteVolume::new(b.volume("copy")).into() },
    Scenario { name: "delete the source of a clone", before: Before::Cloned, operation: |b| DeleteVolume::new(b.volume("two")).into() },
    Scenario { name: "clone a clone", before: Before::Cloned, operation: |b| clone(b.volume("copy"), "again") },
    Scenario { name: "evict a brick", before: Before::Moves, operation: |b| evict(b.brick("kept")) },
    Scenario { name: "evict a brick of a dispersed volume", before: Before::Moves, operation: |b| evict(b.brick("spread")) },
    Scenario { name: "evict a brick of a clone", before: Before::Cloned, operation: |b| evict(b.brick("copy")) },
    Scenario { name: "remove device", before: Before::Moves, operation: |b| SetDeviceState::request(b.device("leaving"), &state("failed")).unwrap() },
    Scenario { name: "remove node", before: Before::Moves, operation: |b| SetNodeState::request(b.node("leaving"), &state("failed")).unwrap() },
    Scenario { name: "clear debris", before: Before::Debris, operation: |b| ClearDebris::new(b.device("littered")).into() },
    Scenario { name: "resync device with debris", before: Before::Debris, operation: |b| ResyncDevice::new(b.device("littered")).into() },
    Scenario { name: "create block volume", before: Before::Blocks, operation: |_| block("new", 3, 0, false) },
    Scenario { name: "create block volume for two hosts", before: Before::Blocks, operation: |_| block("new", 3, 2, true) },
    Scenario { name: "create block volume and its host", before: Before::Estate, operation: |_| block("new", 3, 3, true) },
    Scenario { name: "expand block volume", before: Before::Blocks, operation: |b| expand_block(b, "grows", 4) },
    Scenario { name: "delete block volume", before: Before::Blocks, operation: |b| DeleteBlockVolume::new(b.block("goes")).into() },
    Scenario { name: "lock block hosting volume", before: Before::Blocks, operation: |b| restrict(b, "locked") },
    Scenario { name: "restore brick", before: Before::Estate, operation: |b| RestoreBrick::new(b.brick("two")).into() },
    Scenario { name: "start volume", before: Before::Estate, operation: |b| RestoreVolume::start(b.volume("two")).into() },
    Scenario { name: "set option", before: Before::Estate, operation: |b| RestoreVolume::option(b.volume("two"), "performance.cache-size", "1GB").unwrap().into() },
    Scenario { name: "rejoin peer", before: Before::Estate, operation: |b| RejoinPeer::new(b.node("n3")).into() },
    Scenario { name: "remove stray", before: Before::Estate, operation: |b| RemoveStray::new(b.device("n0 /dev/sdb"), BrickId::random()).into() },
    Scenario { name: "expand block hosting volume", before: Before::Blocks, operation: |b| expand(b.volume("hosting")) },
];

/// Finds a line of [`ALL`].
pub fn named(name: &str) -> &'static Scenario {
    ALL.iter().find(|s| s.name == name).unwrap_or_else(|| panic!("no scenario {name}"))
}

impl Scenario {
    pub fn base(&self) -> &'static Base {
        static BASES: [OnceLock<Base>; 7] = [const { OnceLock::new() }; 7];
        BASES[self.before as usize].get_or_init(|| Base::build(self.before))
    }
    pub fn operation(&self) -> Any {
        (self.operation)(self.base())
    }
}

fn from<T: serde::de::DeserializeOwned>(body: Value) -> T {
    serde_json::from_value(body).unwrap()
}

pub fn replica_3() -> Value {
    json!({"type": "replicate", "replicate": {"replica": 3}})
}
/// A volume with a group, so that owner and mode of its bricks matter.
pub fn create(size: i64, durability: &Value, option: &str) -> Any {
    named_volume("new", size, durability, option)
}
pub fn named_volume(name: &str, size: i64, durability: &Value, option: &str) -> Any {
    let body = json!({"name": name, "size": size, "gid": 2000, "durability": durability,
        "glustervolumeoptions": [option, "performance.cache-size 1GB"]});
    CreateVolume::try_from(from::<VolumeCreateRequest>(body)).unwrap().into()
}
pub fn clone(volume: VolumeId, name: &str) -> Any {
    CloneVolume::new(volume, from(json!({"name": name}))).unwrap().into()
}
pub fn expand(volume: VolumeId) -> Any {
    let by: VolumeExpandRequest = from(json!({"expand_size": 3}));
    ExpandVolume::new(volume, by).unwrap().into()
}
pub fn evict(brick: BrickId) -> Any {
    EvictBrick::new(brick, &BrickEvictRequest::default()).unwrap().into()
}
/// For so many hosts, or all of them when 0.
pub fn block(name: &str, size: i64, hosts: i64, auth: bool) -> Any {
    let body = json!({"name": name, "size": size, "hacount": hosts, "auth": auth});
    CreateBlockVolume::try_from(from::<BlockVolumeCreateRequest>(body)).unwrap().into()
}
pub fn expand_block(base: &Base, name: &str, to: i64) -> Any {
    let to: BlockVolumeExpandRequest = from(json!({"new_size": to}));
    ExpandBlockVolume::new(base.block(name), to).unwrap().into()
}
pub fn restrict(base: &Base, word: &str) -> Any {
    let request: BlockRestrictionRequest = from(json!({"restriction": word}));
    RestrictBlockHosting::new(base.volume("hosting"), &request).unwrap().into()
}
fn state(word: &str) -> StateRequest {
    from(json!({"state": word}))
}
pub fn add_node(base: &Base, n: usize) -> Any {
    let hostnames = json!({"manage": [format!("n{n}")], "storage": [format!("10.0.0.{}", n + 1)]});
    let body = json!({"zone": n + 1, "cluster": base.cluster, "hostnames": hostnames});
    AddNode::try_from(from::<NodeAddRequest>(body)).unwrap().into()
}
fn add_device(base: &Base, node: &str, name: &str, destroydata: bool) -> Any {
    let body = json!({"node": base.node(node), "name": name, "destroydata": destroydata});
    AddDevice::try_from(from::<DeviceAddRequest>(body)).unwrap().into()
}

/// A site that is copied for each case, and the names in it.
#[derive(Default)]
pub struct Base {
    database: Vec<u8>,
    world: World,
    pub cluster: String,
    nodes: BTreeMap<String, NodeId>,
    devices: BTreeMap<String, DeviceId>,
    volumes: BTreeMap<String, VolumeId>,
    /// One of each volume.
    bricks: BTreeMap<String, BrickId>,
    blocks: BTreeMap<String, BlockVolumeId>,
}

impl Base {
    pub fn site(&self) -> Site {
        Site::restore(&self.database, &self.world)
    }
    pub fn node(&self, name: &str) -> NodeId {
        self.nodes[name]
    }
    /// By node and path.
    pub fn device(&self, name: &str) -> DeviceId {
        self.devices[name]
    }
    pub fn volume(&self, name: &str) -> VolumeId {
        self.volumes[name]
    }
    pub fn block(&self, name: &str) -> BlockVolumeId {
        self.blocks[name]
    }

    /// One brick of this volume.
    pub fn brick(&self, volume: &str) -> BrickId {
        self.bricks[volume]
    }

    fn build(before: Before) -> Self {
        let site = Site::empty();
        let server = site.start();
        let mut base = Self::default();
        let flags = ClusterFlags { file: true, block: true };
        let cluster = server.must(inventory::cluster::create(&server.store, flags)).unwrap().id;
        base.cluster = cluster.to_string();
        if before == Before::Node {
            server.perform(add_node(&base, 0));
        }
        if !matches!(before, Before::Cluster | Before::Node) {
            base.estate(&site, &server);
        }
        if before == Before::Cloned {
            server.perform(clone(base.volume("two"), "copy"));
            base.learn(&server);
        }
        if matches!(before, Before::Moves | Before::Debris) {
            base.moves(&server);
        }
        if before == Before::Debris {
            base.debris(&site, &server);
        }
        if before == Before::Blocks {
            base.blocks(&server);
        }
        server.end();
        (base.database, base.world) = site.photograph();
        base
    }

    /// n0 to n3 with `/dev/sdb`, n4 with nothing, disks in all states, and two volumes of which
    /// one is never touched.
    fn estate(&mut self, site: &Site, server: &super::site::Server) {
        for n in 0..5 {
            server.perform(add_node(self, n));
            self.learn(server);
        }
        let disks = [
            "n0 /dev/sdb",
            "n0 /dev/sdc",
            "n1 /dev/sdb",
            "n1 /dev/sdc",
            "n2 /dev/sdb",
            "n3 /dev/sdb",
        ];
        for disk in disks {
            let (node, name) = disk.split_once(' ').unwrap();
            server.perform(add_device(self, node, name, false));
            self.learn(server);
        }
        for (disk, word) in
            [("n0 /dev/sdc", "offline"), ("n0 /dev/sdc", "failed"), ("n1 /dev/sdc", "offline")]
        {
            server.perform(SetDeviceState::request(self.device(disk), &state(word)).unwrap());
        }
        site.sim.world().nodes.entry("n3".into()).or_default().foreign.insert("/dev/sdd".into());
        server.perform(named_volume("kept", 1, &replica_3(), ""));
        server.perform(named_volume("two", 10, &replica_3(), ""));
        self.learn(server);
    }

    /// A replicated and a dispersed volume, a device and a node with a brick of each that are
    /// offline, and a node that is empty.
    fn moves(&mut self, server: &super::site::Server) {
        let spread = json!({"type": "disperse", "disperse": {"data": 2, "redundancy": 1}});
        server.perform(DeleteVolume::new(self.volume("two")));
        server.perform(named_volume("spread", 2, &spread, ""));
        server.perform(add_device(self, "n4", "/dev/sdb", false));
        self.learn(server);
        let of =
            |volume| server.must(inventory::volume::info(&server.store, volume)).unwrap().bricks;
        let (kept, spread) = (of(self.volume("kept")), of(self.volume("spread")));
        // Each has three of four nodes.
        let mut both = kept.iter().filter(|k| spread.iter().any(|s| s.device == k.device));
        let (first, second) = (both.next().unwrap(), both.next().unwrap());
        self.devices.insert("leaving".into(), first.device);
        self.nodes.insert("leaving".into(), second.node);
        self.bricks.insert("leaving".into(), second.id);
        let offline = state("offline");
        server.perform(SetDeviceState::request(first.device, &offline).unwrap());
        server.perform(SetNodeState::request(second.node, &offline).unwrap());
    }

    /// A brick leaves a node that does not answer.
    fn debris(&mut self, site: &Site, server: &super::site::Server) {
        let brick = self.brick("leaving");
        let node = self.node("leaving");
        let node = server.must(inventory::node::info(&server.store, node)).unwrap();
        let holds =
            |d: &&brickyard::api::device::DeviceInfo| d.bricks.iter().any(|b| b.id == brick);
        self.devices.insert("littered".into(), node.devices.iter().find(holds).unwrap().id);
        site.sim.world().down.insert(node.hostnames.manage[0].clone());
        server.perform(evict(brick));
        site.sim.world().down.clear();
    }

    /// A hosting volume of 10 GiB, and on it one block volume for each thing that is done to one, and
    /// one that is never touched: 3 GiB are left.
    fn blocks(&mut self, server: &super::site::Server) {
        let body = json!({"name": "hosting", "size": 10, "block": true, "durability": replica_3()});
        server.perform(CreateVolume::try_from(from::<VolumeCreateRequest>(body)).unwrap());
        server.perform(block("grows", 2, 3, false));
        server.perform(block("goes", 2, 0, true));
        server.perform(block("stays", 2, 1, true));
        self.learn(server);
    }

    /// Takes over the ids of everything that is there.
    fn learn(&mut self, server: &super::site::Server) {
        let store = &server.store;
        server.must(async {
            let cluster = inventory::cluster::info(store, self.cluster.parse().unwrap());
            let cluster = cluster.await.unwrap();
            for id in cluster.nodes {
                let node = inventory::node::info(store, id).await.unwrap();
                let name = node.hostnames.manage[0].clone();
                for device in node.devices {
                    self.devices.insert(format!("{name} {}", device.name), device.id);
                }
                self.nodes.insert(name, id);
            }
            for id in cluster.volumes {
                let volume = inventory::volume::info(store, id).await.unwrap();
                self.bricks.insert(volume.name.clone(), volume.bricks[0].id);
                self.volumes.insert(volume.name.clone(), id);
            }
            for id in cluster.blockvolumes {
                let block = inventory::block_volume::info(store, id).await.unwrap();
                self.blocks.insert(block.name.clone(), id);
            }
        });
    }
}

/// The settings under which nothing is tried twice.
pub fn once() -> Settings {
    Settings { create_retries: 0, ..settings() }
}
