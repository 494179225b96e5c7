//! An estate as Heketi leaves one: nodes prepared by Heketi's commands, and the export of its
//! database.
//!
//! Everything follows storage.md (parts 1, 2 and 6), and nothing of the product is used: that it
//! means the same is what the run is to show.
mod commands;
mod export;

use super::{chance::Chance, node::Node};
use commands::Facts;
use std::thread;

/// KiB of a GiB.
const GIB: u64 = 1024 * 1024;
/// KiB of data for each KiB of an arbiter, as asked for: at Heketi's usual 64 the arbiter would be
/// smaller than what mkfs.xfs 5.19 and later makes (300 MB), and Heketi fails there.
const AVERAGE_FILE: u64 = 2;
/// Data disks of each node.
const DISKS: [&str; 2] = ["/dev/vdb", "/dev/vdc"];

/// A cluster of Heketi's, as it stands on the nodes.
pub struct Estate {
    cluster: String,
    nodes: Vec<Member>,
    volumes: Vec<Volume>,
    chance: Chance,
}

/// A node with its devices.
struct Member {
    id: String,
    node: Node,
    devices: Vec<Device>,
}

struct Device {
    id: String,
    name: &'static str,
    facts: Facts,
}

/// A volume of the estate.
#[derive(Clone)]
pub struct Volume {
    pub id: String,
    pub name: String,
    /// GiB.
    size: u64,
    layout: Layout,
    gid: u64,
    /// How much larger than its brick a thin pool is; as wide as Heketi keeps it.
    factor: Option<f32>,
    age: Age,
    /// Bricks in gluster's order, set by set. Only gluster knows it afterwards.
    bricks: Vec<Brick>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    Replica(u64),
    /// Two copies, and an arbiter in the third place.
    Arbiter,
    /// Two bricks of data, one of redundancy.
    Disperse,
}

/// The version of Heketi that made a volume.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Age {
    /// As below; and neither a brick's thin pool nor its kind is written down.
    Six,
    /// gluster's volume does not bear the id that Heketi has for it: since version 9 it does
    /// (heketi/heketi pull request 1526).
    Eight,
    Ten,
}

#[derive(Clone)]
struct Brick {
    id: String,
    /// Index of the node, and of its disk.
    at: (usize, usize),
    /// KiB of the brick, of its thin pool, and of the pool's metadata.
    size: u64,
    pool: u64,
    metadata: u64,
    is_arbiter: bool,
    /// What gluster made of the brick of another volume.
    cloned: Option<Cloned>,
}

#[derive(Clone)]
struct Cloned {
    lv: String,
    pool: String,
    path: String,
}

impl Estate {
    /// Makes the cluster: a replicated volume without a name, with room for snapshots, the dispersed
    /// `dis`, `older` with two sets of two, and `arb` with an arbiter; these two as older Heketis
    /// made them.
    pub fn make(nodes: &[Node], seed: u64) -> Self {
        let mut chance = Chance(seed);
        let ids: Vec<[String; 3]> =
            nodes.iter().map(|_| [(); 3].map(|()| id(&mut chance))).collect();
        let members = in_parallel(nodes.iter().zip(ids), |(node, [id, vdb, vdc])| {
            let device = |(id, name): (String, &'static str)| Device {
                facts: commands::add_device(*node, &id, name),
                id,
                name,
            };
            let devices = [vdb, vdc].into_iter().zip(DISKS).map(device).collect();
            Member { id, node: *node, devices }
        });
        commands::probe(nodes);
        let cluster = id(&mut chance);
        let mut estate = Self { cluster, nodes: members, volumes: vec![], chance };
        let spots = |disk: usize| [0, 1, 2].map(|node| (node, disk));
        let replica = Layout::Replica;
        let mut volumes = [
            estate.plan(("", 1, replica(3), 2000, Some(1.2), Age::Ten), &spots(0)),
            estate.plan(("dis", 2, Layout::Disperse, 0, None, Age::Ten), &spots(1)),
            estate
                .plan(("arb", 1, Layout::Arbiter, 0, None, Age::Eight), &[(1, 0), (2, 1), (0, 1)]),
            estate.plan(("older", 1, replica(2), 0, None, Age::Six), &[(0, 0), (1, 0)]),
        ];
        let older = &volumes[3];
        let second = estate.set(older, 1, &[(1, 1), (2, 0)]);
        let first = volumes.iter().flat_map(|v| v.bricks.iter().map(|brick| (brick, v.gid)));
        let all: Vec<_> = first.chain(second.iter().map(|brick| (brick, older.gid))).collect();
        estate.make_bricks(&all);
        for volume in &volumes {
            commands::create(&estate, volume);
        }
        commands::expand(&estate, older, &second);
        volumes[3].size += 1;
        volumes[3].bricks.extend(second);
        estate.volumes.extend(volumes);
        estate
    }

    /// One that has no name is called by its id.
    pub fn volume(&self, name: &str) -> &Volume {
        let usual = |volume: &Volume| volume.name == format!("vol_{}", volume.id);
        let is = |volume: &&Volume| volume.name == name || name.is_empty() && usual(volume);
        self.volumes.iter().find(is).unwrap()
    }

    /// A volume of one set.
    fn plan(
        &mut self,
        (name, size, layout, gid, factor, age): (&str, u64, Layout, u64, Option<f32>, Age),
        spots: &[(usize, usize)],
    ) -> Volume {
        let id = id(&mut self.chance);
        let name = if name.is_empty() { format!("vol_{id}") } else { name.to_owned() };
        let volume = Volume { id, name, size, layout, gid, factor, age, bricks: vec![] };
        let bricks = self.set(&volume, size, spots);
        Volume { bricks, ..volume }
    }

    /// `POST /volumes/{id}/clone`: the new volume bears the mark of the old one in gluster.
    pub fn clone_volume(&mut self, source: &str, name: &str) {
        let source = self.volume(source).clone();
        let paths = commands::clone_volume(self, &source, name);
        let bricks = source.bricks.iter().zip(paths).map(|(brick, (lv, path))| {
            let cloned = Some(Cloned { lv, pool: format!("tp_{}", brick.id), path });
            Brick { id: id(&mut self.chance), cloned, ..brick.clone() }
        });
        let bricks = bricks.collect();
        let (id, name) = (id(&mut self.chance), name.to_owned());
        self.volumes.push(Volume { id, name, bricks, ..source });
    }

    /// Bricks of one set (storage.md 2).
    fn set(&mut self, volume: &Volume, gib: u64, spots: &[(usize, usize)]) -> Vec<Brick> {
        let data = if volume.layout == Layout::Disperse { gib * GIB / 2 } else { gib * GIB };
        let mut set = vec![];
        for (position, at) in spots.iter().enumerate() {
            let is_arbiter = volume.layout == Layout::Arbiter && position == 2;
            let size = if is_arbiter { data / AVERAGE_FILE } else { data };
            let extent = self.device(*at).facts.extent;
            let (pool, metadata) = pool(size, volume.factor, extent);
            let id = id(&mut self.chance);
            set.push(Brick { id, at: *at, size, pool, metadata, is_arbiter, cloned: None });
        }
        set
    }

    /// With the groups of their volumes; side by side on different nodes, one after another on the
    /// same.
    fn make_bricks(&self, bricks: &[(&Brick, u64)]) {
        in_parallel(self.nodes.iter().enumerate(), |(index, member)| {
            let here = bricks.iter().filter(|(brick, _)| brick.at.0 == index);
            let commands: Vec<_> =
                here.map(|(brick, gid)| commands::make_brick(self, brick, *gid)).collect();
            member.node.run(&commands.join("\n"));
        });
    }

    fn device(&self, (node, disk): (usize, usize)) -> &Device {
        &self.nodes[node].devices[disk]
    }
    fn path(&self, brick: &Brick) -> String {
        let usual = || format!("{}/brick", self.mount_point(brick));
        brick.cloned.as_ref().map_or_else(usual, |cloned| cloned.path.clone())
    }
    fn mount_point(&self, brick: &Brick) -> String {
        format!("/var/lib/heketi/mounts/vg_{}/brick_{}", self.device(brick.at).id, brick.id)
    }
    /// As gluster calls it.
    fn address(&self, brick: &Brick) -> String {
        format!("{}:{}", storage(self.nodes[brick.at.0].node), self.path(brick))
    }
}

impl Volume {
    /// How gluster spells what it is made of.
    fn kind(&self) -> &'static str {
        match self.layout {
            Layout::Replica(2) => "replica 2",
            Layout::Replica(_) => "replica 3",
            Layout::Arbiter => "replica 3 arbiter 1",
            Layout::Disperse => "disperse-data 2 redundancy 1",
        }
    }
    /// What Heketi has stored: what the configuration puts around the request's own, which is
    /// nothing.
    fn options(&self) -> Vec<&'static str> {
        match self.layout {
            _ if self.age == Age::Six => vec![],
            Layout::Arbiter => {
                vec!["", "user.heketi.arbiter true", "user.heketi.average-file-size 2", ""]
            }
            Layout::Disperse => vec!["", "performance.cache-size 64MB", ""],
            Layout::Replica(_) => vec!["", ""],
        }
    }
}

/// KiB of a brick's thin pool, and of its metadata: the factor is a 32-bit float that is widened.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "Heketi's own arithmetic, on sizes far below 2^53"
)]
fn pool(size: u64, factor: Option<f32>, extent: u64) -> (u64, u64) {
    const MOST: u64 = 16 * GIB;
    let pool = (size as f64 * f64::from(factor.unwrap_or(1.0))) as u64;
    let pool = pool.next_multiple_of(extent);
    let metadata = ((pool as f64 * 0.005) as u64).min(MOST);
    (pool, metadata.next_multiple_of(extent))
}

/// 32 digits of any value: Heketi's ids are no UUIDs.
fn id(chance: &mut Chance) -> String {
    format!("{:016x}{:016x}", chance.number(), chance.number())
}

/// How the nodes call each other.
fn storage(node: Node) -> String {
    format!("192.168.77.1{}", node.0)
}

/// The results in order.
fn in_parallel<T: Send, R: Send>(
    of: impl IntoIterator<Item = T>,
    work: impl Fn(T) -> R + Sync,
) -> Vec<R> {
    let work = &work;
    thread::scope(|scope| {
        let begun: Vec<_> = of.into_iter().map(|one| scope.spawn(move || work(one))).collect();
        begun.into_iter().map(|one| one.join().unwrap()).collect()
    })
}
