//! Volumes of an import: which of their bricks belong together only gluster knows.
use super::{
    fuse::Trouble,
    scenario::{Base, clone, evict, named},
    site::{Server, Site, settings},
};
use async_trait::async_trait;
use brickyard::{
    domain::{BrickId, Hostname, VolumeId},
    node::{
        Cmd,
        sim::{Fault, Faults},
    },
    operation::{OnRestart, Queued},
    store::bricks::{self, Brick},
};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

fn base() -> &'static Base {
    named("delete volume").base()
}

/// A volume of two sets, of which an import has taken over all but the order of its bricks.
fn site() -> Site {
    let site = base().site();
    let server = site.start();
    forget_order(&server, base().volume("two"));
    server.end();
    site
}

/// What is known of the volume is what an import takes over: not the order of its bricks.
pub fn forget_order(server: &Server, volume: VolumeId) {
    server.must(async {
        let mut tx = server.store.write().await.unwrap();
        sqlx::query("UPDATE bricks SET set_index = -1, position = -rowid WHERE volume = ?")
            .bind(volume.to_string())
            .execute(&mut *tx)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    });
}

fn in_order(server: &Server) -> Vec<Brick> {
    server.must(async {
        let mut tx = server.store.read().await.unwrap();
        bricks::in_order(&mut tx, base().volume("two")).await.unwrap()
    })
}

fn address(brick: &Brick) -> String {
    format!("{}:{}", brick.peer, brick.path)
}

/// One of the first set, and the hosts of the two that hold the same data.
fn first_set(site: &Site, server: &Server) -> (BrickId, Vec<String>) {
    let order = site.sim.world().volumes.iter().find(|v| v.name == "two").unwrap().bricks.clone();
    assert_eq!(order.len(), 6);
    let all = in_order(server);
    let at = |text: &String| all.iter().find(|brick| address(brick) == *text).unwrap();
    let hosts = order[1..3].iter().map(|text| at(text).host.to_string());
    (at(&order[0]).id, hosts.collect())
}

/// What the other set has is no copy.
#[test]
fn the_last_copy_is_not_moved() {
    let site = site();
    let server = site.start();
    let (brick, others) = first_set(&site, &server);
    site.sim.world().down.extend(others);
    let id = server.must(server.operations.start(evict(brick))).unwrap();
    server.rest();
    match server.queued(id) {
        Queued::Failed(why) => assert!(why.contains("only 0 of 2 required peer bricks"), "{why}"),
        other => panic!("{other:?}"),
    }
    site.sim.world().down.clear();
    server.picture(Some(id)).unwrap();
    server.end();
}

#[test]
fn the_order_is_learnt_when_it_is_needed() {
    for clones in [false, true] {
        let site = site();
        let server = site.start();
        if clones {
            server.perform(clone(base().volume("two"), "twin"));
        } else {
            server.perform(evict(first_set(&site, &server).0));
        }
        let known = in_order(&server);
        let places: Vec<_> = known.iter().map(|b| (b.set_index, b.position)).collect();
        assert_eq!(places, [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]);
        let world = site.sim.world().clone();
        let gluster = &world.volumes.iter().find(|v| v.name == "two").unwrap().bricks;
        assert_eq!(*gluster, known.iter().map(address).collect::<Vec<_>>());
        server.picture(None).unwrap();
        server.end();
    }
}

#[test]
fn an_order_that_cannot_be_told_is_not_guessed() {
    let site = site();
    let server = site.start();
    let (brick, _) = first_set(&site, &server);
    for volume in &mut site.sim.world().volumes {
        if volume.name == "two" {
            volume.bricks[5].push_str("-by-hand");
        }
    }
    for operation in [evict(brick), clone(base().volume("two"), "twin")] {
        let refused = server.must(server.operations.start(operation)).unwrap_err().to_string();
        assert!(refused.contains("belong together cannot be told"), "{refused}");
    }
    server.end();
}

/// A volume of Heketi before version 9 has no mark that a clone could inherit, and a clone that
/// Heketi made has that of its source: what is made of them is known by where it lies.
#[test]
fn a_clone_is_taken_back_whatever_mark_it_inherits() {
    for mark in [None, Some("0123456789abcdef0123456789abcdef")] {
        let site = site();
        let own = {
            let mut world = site.sim.world();
            let source = world.volumes.iter_mut().find(|v| v.name == "two").unwrap();
            let own = source.options.remove("user.heketi.id").unwrap();
            source.options.extend(mark.map(|mark| ("user.heketi.id".to_owned(), mark.to_owned())));
            own
        };
        let before = site.sim.world().volumes.clone();
        let server = site.start_with(None, Trouble::Broken("user.heketi.id"), settings());
        let id = server.must(server.operations.start(clone(base().volume("two"), "twin"))).unwrap();
        server.rest();
        match server.queued(id) {
            Queued::Failed(why) => assert!(why.contains("user.heketi.id is broken"), "{why}"),
            other => panic!("{other:?}"),
        }
        assert_eq!(site.sim.world().volumes, before);
        let mut world = site.sim.world();
        let source = world.volumes.iter_mut().find(|v| v.name == "two").unwrap();
        source.options.insert("user.heketi.id".into(), own);
        drop(world);
        server.picture(None).unwrap();
        server.end();
    }
}

/// The first mark is not taken, and later nothing is deleted.
#[derive(Default)]
struct HalfRemoved(AtomicBool);

#[async_trait]
impl Faults for HalfRemoved {
    async fn before(&self, _: &Hostname, cmd: &Cmd, _: bool) -> Option<Fault> {
        let cmd = cmd.to_string();
        let first = cmd.contains("user.heketi.id") && !self.0.swap(true, Ordering::SeqCst);
        (first || cmd.contains("volume delete")).then(|| Fault::Fail("not now".into()))
    }
    async fn after(&self, _: &Hostname, _: &Cmd, _: bool) -> Option<Fault> {
        None
    }
}

/// Between its thin volumes and the volume: only its id tells then that it is ours.
#[test]
fn a_clone_of_which_only_the_volume_is_left_is_taken_back() {
    let site = base().site();
    let before = site.sim.world().volumes.clone();
    let server = site.start();
    site.sim.set_faults(Some(Arc::new(HalfRemoved::default())));
    let id = server.must(server.operations.start(clone(base().volume("two"), "twin"))).unwrap();
    server.rest();
    let world = server.world();
    let left = world.volumes.iter().find(|volume| volume.name == "twin").expect("a poor case");
    let begin = left.uuid.replace('-', "");
    let groups = world.nodes.values().flat_map(|node| node.groups.values());
    let mut lvs = groups.flat_map(|group| group.volumes.keys());
    assert!(lvs.all(|lv| !lv.starts_with(&begin)), "a poor case");
    server.end();
    site.recover(OnRestart::default(), Some(id)).unwrap();
    assert_eq!(site.sim.world().volumes, before);
}
