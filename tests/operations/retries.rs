//! What fails for a reason: elsewhere, for good, softly, or before anything was touched.
use super::{
    fuse::Trouble,
    scenario::{Base, create, expand, named, replica_3},
    site::{Server, Site, settings},
    world::newest,
};
use brickyard::{
    node::sim::world::{Volume, World},
    operation::{DeleteVolume, OnRestart, Queued},
};
use std::time::Duration;

fn estate() -> &'static Base {
    named("delete volume").base()
}

/// The nodes that have bricks of a gluster volume, by storage name.
fn hosts(site: &Site, name: &str) -> Vec<String> {
    let world = site.sim.world();
    let volume = world.volumes.iter().find(|v| v.name == name).unwrap();
    let mut hosts: Vec<_> =
        volume.bricks.iter().map(|b| b.split(':').next().unwrap().to_owned()).collect();
    hosts.sort();
    hosts
}

fn failure(server: &Server, queued: Queued) -> String {
    server.picture(None).unwrap();
    match queued {
        Queued::Failed(text) => text,
        other => panic!("{other:?}"),
    }
}

/// Three bricks for four nodes: if one of the chosen nodes fails, the fourth takes its place.
#[test]
fn a_volume_goes_elsewhere_when_a_node_fails() {
    let make = create(2, &replica_3(), "");
    let site = estate().site();
    let server = site.start();
    server.perform(make.clone());
    let chosen = hosts(&site, "new");
    server.end();
    for storage in chosen {
        let node = format!("n{}", storage.trim_start_matches("10.0.0.").parse::<u8>().unwrap() - 1);
        for down in [false, true] {
            let site = estate().site();
            let trouble = Trouble::BrokenOn(node.clone(), "mkfs.xfs");
            let server = if down {
                site.sim.world().down.insert(node.clone());
                site.start()
            } else {
                site.start_with(None, trouble, settings())
            };
            server.perform(make.clone());
            assert!(!hosts(&site, "new").contains(&storage), "{node}, down: {down}");
            server.picture(None).unwrap_or_else(|e| panic!("{node}, down: {down}: {e}"));
            server.end();
        }
    }
}

#[test]
fn a_volume_that_cannot_be_made_leaves_nothing_but_the_reason() {
    for words in ["mkfs.xfs", "volume create", "volume start"] {
        let site = estate().site();
        let before = site.sim.world().volumes.clone();
        let server = site.start_with(None, Trouble::Broken(words), settings());
        let id = server.must(server.operations.start(create(2, &replica_3(), ""))).unwrap();
        server.rest();
        let why = failure(&server, server.queued(id));
        assert!(why.contains(&format!("{words} is broken")), "{why}");
        assert_eq!(site.sim.world().volumes, before);
        server.end();
    }
}

#[test]
fn an_expansion_does_not_need_its_rebalance() {
    let site = estate().site();
    let server = site.start_with(None, Trouble::Broken("volume rebalance"), settings());
    server.perform(expand(estate().volume("two")));
    let log = server.fuse.log.lock().unwrap().clone();
    assert!(log.iter().any(|(_, command)| command.contains("volume rebalance two start")));
    server.picture(None).unwrap();
    server.end();
}

fn volume<'a>(world: &'a mut World, name: &str) -> &'a mut Volume {
    world.volumes.iter_mut().find(|v| v.name == name).unwrap()
}

#[test]
fn a_volume_with_snapshots_is_not_touched() {
    let site = estate().site();
    volume(&mut site.sim.world(), "two").snapshots = 1;
    let before = site.sim.world().clone();
    let server = site.start();
    let id = server.must(server.operations.start(DeleteVolume::new(estate().volume("two"))));
    server.rest();
    let why = failure(&server, server.queued(id.unwrap()));
    assert!(why.contains("has 1 snapshot(s)"), "{why}");
    assert_eq!(*site.sim.world(), before);
    server.end();
}

/// A volume that somebody made by hand, on nodes of ours.
fn foreign(name: &str) -> Volume {
    let bricks = (1..=4).map(|n| format!("10.0.0.{n}:/data/by-hand")).collect();
    let (kind, options) = (vec![], [].into());
    let uuid = String::new();
    Volume { name: name.into(), kind, bricks, started: true, options, snapshots: 0, uuid }
}

#[test]
fn a_foreign_volume_is_neither_taken_over_nor_deleted() {
    // Of the name of a volume to be made ...
    let site = estate().site();
    site.sim.world().volumes.push(foreign("new"));
    let server = site.start();
    let id = server.must(server.operations.start(create(2, &replica_3(), ""))).unwrap();
    server.rest();
    assert_eq!(site.sim.world().volumes.pop(), Some(foreign("new")));
    let why = failure(&server, server.queued(id));
    assert!(why.contains("Volume new already exists"), "{why}");
    server.end();

    // ... and in the place of one that is to go.
    let site = estate().site();
    site.sim.world().volumes.retain(|v| v.name != "two");
    site.sim.world().volumes.push(foreign("two"));
    let server = site.start();
    server.perform(DeleteVolume::new(estate().volume("two")));
    assert_eq!(site.sim.world().volumes.pop(), Some(foreign("two")));
    server.picture(None).unwrap();
    server.end();
}

/// A record of a newer version stays as it is, and keeps nobody else from being finished.
#[test]
fn what_cannot_be_read_is_left_alone() {
    let site = estate().site();
    let server = site.start();
    server.must(async {
        let mut tx = server.store.write().await.unwrap();
        let newer = "INSERT INTO operations (id, kind, params, state, created_at) VALUES \
             ('00000000000000000000000000000001', 'fly', '{\"kind\":\"fly\"}', 'stuck', 1)";
        sqlx::query(newer).execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
    });
    let delete = DeleteVolume::new(estate().volume("two"));
    server.fuse.set_trouble(Trouble::Broken("umount"));
    server.must(server.operations.start(delete)).unwrap();
    server.newest_is("stuck");
    server.end();

    let mut settings = settings();
    settings.cleaner = Some((Duration::from_millis(1), Duration::from_millis(1)));
    let server = site.start_with(None, Trouble::Broken("umount"), settings);
    server.recover(OnRestart::Unwind);
    server.newest_is("stuck");
    server.fuse.set_trouble(Trouble::None);
    server.newest_is("done");
    let (left, gone) = server.must(async {
        let mut tx = server.store.read().await.unwrap();
        let left = brickyard::store::operations::stuck(&mut tx).await.unwrap();
        (left, site.sim.world().volumes.iter().all(|v| v.name != "two"))
    });
    assert_eq!(left, ["00000000000000000000000000000001".parse().unwrap()]);
    assert!(gone);
    server.end();
}

/// A disk that is away with its group may come back, with the brick on it.
#[test]
fn space_of_a_group_that_is_away_is_not_free() {
    let site = estate().site();
    for node in site.sim.world().nodes.values_mut() {
        node.groups.clear();
    }
    let server = site.start();
    let used = || {
        server.must(async {
            let mut tx = server.store.read().await.unwrap();
            let used = sqlx::query_scalar::<_, i64>("SELECT sum(used_kib) FROM devices");
            used.fetch_one(&mut *tx).await.unwrap()
        })
    };
    let before = used();
    server.perform(DeleteVolume::new(estate().volume("two")));
    assert_eq!(used(), before);
    server.end();
}

/// Whoever asked was told to ask again: the volume must not come later all the same.
#[test]
fn a_restart_ends_the_attempts() {
    let mut unwinding = 0;
    for at in (20..).step_by(7) {
        let site = estate().site();
        let server = site.start_with(Some(at), Trouble::Broken("mkfs.xfs"), settings());
        server.begin(&create(2, &replica_3(), ""));
        let died = server.rest().is_none();
        server.kill();
        if !died {
            break;
        }
        let server = site.start();
        let state = || {
            server.must(async {
                let mut tx = server.store.read().await.unwrap();
                newest(&mut tx).await.map(|(state, _)| state).unwrap_or_default()
            })
        };
        let before = state();
        server.recover(OnRestart::Unwind);
        server.rest();
        if before == "unwinding" {
            unwinding += 1;
            assert_eq!(state(), "failed", "died at {at}");
        }
        server.end();
    }
    assert!(unwinding > 0, "no server died on the way back");
}
