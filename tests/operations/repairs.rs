//! What `check` finds is put right, and the server dies at every effect of that, before it and after
//! it: a repair that is resumed arrives, and one that was taken back can be done once more.
use super::{
    cases,
    fuse::Trouble,
    scenario::{Base, named},
    site::{Server, Site, settings},
};
use brickyard::{
    database,
    domain::{BrickId, VolumeId},
    node::{names::BrickLv, sim::world::World},
    operation::{
        AdoptBrick, AdoptVolume, Any, OnRestart, Queued, RejoinPeer, RemoveStray, RestoreBrick,
        RestoreVolume, ResyncDevice,
    },
    store::{
        Store,
        snapshot::{Snapshot, StoredBrick},
    },
};

const STRAY: &str = "0123456789abcdef0123456789abcdef";
const ID_OPTION: &str = "user.heketi.id";

/// Database and nodes that do not agree, and what puts that right.
struct Drift {
    name: &'static str,
    database: Vec<u8>,
    world: World,
    repair: Any,
    /// What a person does after it.
    then: Option<Any>,
    /// Options of all volumes, as they are to be.
    options: Vec<String>,
}

type Happens = fn(&Base, &mut World, &Snapshot) -> (Any, Option<Any>);

#[rustfmt::skip]
const ALL: &[(&str, Happens)] = &[
    ("a brick is unmounted, not in the fstab, its volume stopped", |base, world, known| {
        let brick = brick_of(known, base.volume("two"));
        let (lv, node) = (format!("brick_{}", brick.id), node_of(world, &brick));
        node.mounts.retain(|point, _| !point.contains(&lv));
        node.fstab.retain(|line| !line.contains(&lv));
        volume(world, "two").started = false;
        (RestoreBrick::new(brick.id).into(), None)
    }),
    ("a volume is stopped", |base, world, _| {
        volume(world, "two").started = false;
        (RestoreVolume::start(base.volume("two")).into(), None)
    }),
    ("an option is changed", |base, world, _| {
        let (key, value) = ("performance.cache-size", "1GB");
        let before = volume(world, "two").options.insert(key.into(), "32MB".into());
        assert_eq!(before.as_deref(), Some(value));
        (RestoreVolume::option(base.volume("two"), key, value).unwrap().into(), None)
    }),
    ("a peer has left", |base, world, _| {
        assert_eq!(world.peers.remove("n4").unwrap_or_default().len(), 0);
        let left: Vec<_> =
            world.peers.values_mut().map(|peers| peers.remove("10.0.0.5")).collect();
        assert!(left.contains(&true));
        (RejoinPeer::new(base.node("n4")).into(), None)
    }),
    ("a logical volume is nobody's", |base, world, _| {
        let device = base.device("n0 /dev/sdb");
        let group = world.nodes.get_mut("n0").unwrap().groups.get_mut(&format!("vg_{device}"));
        let group = group.unwrap();
        group.pools.insert(format!("tp_{STRAY}"), 10);
        group.volumes.insert(format!("brick_{STRAY}"), format!("tp_{STRAY}"));
        (RemoveStray::new(device, STRAY.parse().unwrap()).into(), None)
    }),
    ("a volume is not in the database", |base, world, known| {
        let id = base.volume("two");
        volume(world, "two").options.remove(ID_OPTION);
        let bricks: Vec<_> = known.bricks.iter().filter(|b| b.volume == id).cloned().collect();
        let row = known.volumes.iter().find(|volume| volume.id == id).unwrap();
        (AdoptVolume::new(row, &bricks).into(), None)
    }),
    ("a brick was replaced", |base, world, known| {
        let old = brick_of(known, base.volume("two"));
        let new: BrickId = STRAY.parse().unwrap();
        renamed(world, &old, new);
        let adopted = AdoptBrick::new(old.id, &BrickLv::new(new, old.device), old.size);
        // The old one is gone for good, and its space is taken until somebody says so.
        (adopted.into(), Some(ResyncDevice::new(old.device).into()))
    }),
];

fn volume<'a>(world: &'a mut World, name: &str) -> &'a mut brickyard::node::sim::world::Volume {
    world.volumes.iter_mut().find(|volume| volume.name == name).unwrap()
}
fn brick_of(known: &Snapshot, volume: VolumeId) -> StoredBrick {
    known.bricks.iter().find(|brick| brick.volume == volume).unwrap().clone()
}
fn node_of<'a>(
    world: &'a mut World,
    brick: &StoredBrick,
) -> &'a mut brickyard::node::sim::world::Node {
    let group = format!("vg_{}", brick.device);
    world.nodes.values_mut().find(|node| node.groups.contains_key(&group)).unwrap()
}

/// Everything of the brick has the name of the new one.
fn renamed(world: &mut World, old: &StoredBrick, new: BrickId) {
    let (from, to) = (old.id.to_string(), new.to_string());
    let name = |text: &String| text.replace(&from, &to);
    let node = node_of(world, old);
    let group = node.groups.get_mut(&format!("vg_{}", old.device)).unwrap();
    group.pools = group.pools.iter().map(|(k, v)| (name(k), *v)).collect();
    group.metadata = group.metadata.iter().map(|(k, v)| (name(k), *v)).collect();
    group.sizes = group.sizes.iter().map(|(k, v)| (name(k), *v)).collect();
    group.volumes = group.volumes.iter().map(|(k, v)| (name(k), name(v))).collect();
    node.file_systems = node.file_systems.iter().map(|(k, v)| (name(k), v.clone())).collect();
    node.mounts = node.mounts.iter().map(|(k, v)| (name(k), name(v))).collect();
    node.fstab = node.fstab.iter().map(name).collect();
    node.directories = node.directories.iter().map(name).collect();
    for volume in &mut world.volumes {
        volume.bricks = volume.bricks.iter().map(name).collect();
    }
}

/// As after going back to an old backup.
async fn forget(store: &Store, volume: VolumeId) {
    let mut tx = store.write().await.unwrap();
    for change in [
        "UPDATE devices SET used_kib = used_kib - coalesce((SELECT sum(pool_kib + metadata_kib) \
         FROM bricks WHERE device = devices.id AND volume = ?1), 0)",
        "DELETE FROM bricks WHERE volume = ?1",
        "DELETE FROM volumes WHERE id = ?1",
    ] {
        sqlx::query(change).bind(volume.to_string()).execute(&mut *tx).await.unwrap();
    }
    tx.commit().await.unwrap();
}

fn options(world: &World) -> Vec<String> {
    let mut all: Vec<_> = world
        .volumes
        .iter()
        .map(|volume| format!("{} {:?}", volume.name, volume.options))
        .collect();
    all.sort();
    all
}

impl Drift {
    fn of(&(name, happens): &(&'static str, Happens)) -> Self {
        let base = named("expand volume").base();
        let site = base.site();
        let server = site.start();
        let known = server.must(database::read(&server.store)).unwrap();
        let options = options(&site.sim.world());
        let (repair, then) = happens(base, &mut site.sim.world(), &known);
        if matches!(repair, Any::AdoptVolume(_)) {
            server.must(forget(&server.store, base.volume("two")));
        }
        assert!(server.picture(None).is_err() || options != self::options(&site.sim.world()));
        server.end();
        let (database, world) = site.photograph();
        Self { name, database, world, repair, then, options }
    }

    /// Whether everything is right now, or what is not.
    fn is_right(&self, server: &Server) -> Result<(), String> {
        if let Some(then) = &self.then {
            server.perform(then.clone());
        }
        server.picture(None)?;
        let found = options(&server.world());
        if found == self.options { Ok(()) } else { Err(format!("options: {found:#?}")) }
    }

    /// The number of effects when nothing goes wrong.
    fn effects(&self) -> usize {
        let site = Site::restore(&self.database, &self.world);
        let server = site.start();
        server.perform(self.repair.clone());
        let effects = server.fuse.effects();
        self.is_right(&server).unwrap_or_else(|why| panic!("{}: {why}", self.name));
        server.end();
        effects
    }

    /// Whether the server died at its effect of this number.
    fn dies(&self, policy: OnRestart, at: usize) -> Result<bool, String> {
        let site = Site::restore(&self.database, &self.world);
        let server = site.start_with(Some(at), Trouble::None, settings());
        let begun = server.begin(&self.repair).transpose();
        let answered = begun.map_err(|error| format!("refused: {error}"))?;
        let died = server.rest().is_none();
        server.kill();
        let server = site.start();
        server.recover(policy);
        server.rest();
        match answered.map(|id| server.queued(id)) {
            Some(Queued::Done(_)) => {}
            Some(other) if policy == OnRestart::Resume => {
                return Err(format!("resumed, but {other:?}"));
            }
            // Taken back, or never begun.
            _ if self.is_right(&server).is_err() => {
                server.perform(self.repair.clone());
            }
            _ => {}
        }
        self.is_right(&server)?;
        server.end();
        Ok(died)
    }
}

#[test]
fn every_crash_point_of_a_repair_recovers() {
    let drifts: Vec<_> = ALL.iter().map(Drift::of).collect();
    let mut all = vec![];
    for drift in &drifts {
        let points = drift.effects();
        println!("{}: {points} crash points", drift.name);
        assert!(points >= 4, "{}: its commits are not seen", drift.name);
        for policy in [OnRestart::Unwind, OnRestart::Resume] {
            all.extend((0..points).map(|at| (drift, policy, at)));
        }
    }
    println!("{} crashes", all.len());
    let deaths = std::sync::atomic::AtomicUsize::new(0);
    cases::all(&all, |&(drift, policy, at)| {
        let died = drift.dies(policy, at);
        let died =
            died.map_err(|why| format!("{}, {policy:?}, died at {at}: {why}", drift.name))?;
        deaths.fetch_add(usize::from(died), std::sync::atomic::Ordering::SeqCst);
        Ok(())
    });
    // At the very last effect, whoever waits for the end may be faster than death.
    let alive = all.len() - deaths.into_inner();
    assert!(alive <= drifts.len() * 2, "{alive} servers did not die");
}
