//! Moves that have to wait, or that leave something behind; nodes that are dead for good.
use super::{
    faults::commands,
    fuse::Trouble,
    scenario::{Base, create, evict, named, once, replica_3},
    site::{Server, settings},
};
use brickyard::{
    api::node::StateRequest,
    domain::NodeId,
    operation::{
        ClearDebris, DeleteVolume, OnRestart, Queued, SetDeviceState, SetNodeState, Settings,
    },
};
use std::time::Duration;

fn moves() -> &'static Base {
    named("remove device").base()
}
fn state(word: &str) -> StateRequest {
    StateRequest { state: word.into(), healcheck: String::new() }
}
fn node_to(node: NodeId, word: &str) -> brickyard::operation::Any {
    SetNodeState::request(node, &state(word)).unwrap()
}
async fn debris(server: &Server) -> usize {
    let mut tx = server.store.read().await.unwrap();
    brickyard::store::debris::all(&mut tx).await.unwrap().len()
}

/// All that is unfinished is known, and no contradiction.
fn checked(server: &Server) {
    let found = server.must(brickyard::database::check_text(&server.store)).unwrap();
    assert!(found.contains("\"totalinconsistencies\": 0"), "{found}");
}

/// Healing takes its time; a removal has it, and a single move has not.
#[test]
fn a_removal_waits_for_healing() {
    let site = moves().site();
    let server = site.start();
    site.sim.world().heal_backlog = 5;
    server.perform(evict(moves().brick("leaving")));
    let waiting = site.sim.world().to_heal.len();
    assert_eq!(waiting, 2, "the other bricks of the set have what the new one lacks");
    server.perform(SetDeviceState::request(moves().device("leaving"), &state("failed")).unwrap());
    let log = server.fuse.log.lock().unwrap().clone();
    let looks = log.iter().filter(|(_, command)| command.contains("heal")).count();
    assert!(looks > 4, "{looks} looks");
    server.picture(None).unwrap();
    server.end();
}

/// When nothing is healed for a very long time, a person has to look: the brick stays.
#[test]
fn healing_that_does_not_end_is_not_waited_for_for_ever() {
    let site = moves().site();
    let server = site.start();
    {
        let mut world = site.sim.world();
        let all: Vec<_> = world.volumes.iter().flat_map(|v| v.bricks.clone()).collect();
        world.to_heal = all.into_iter().map(|brick| (brick, 7)).collect();
        world.no_healing = true;
    }
    let operation = SetDeviceState::request(moves().device("leaving"), &state("failed")).unwrap();
    let id = server.must(server.operations.start(operation)).unwrap();
    server.rest();
    match server.queued(id) {
        Queued::Failed(why) => assert!(why.contains("source brick for data to be healed"), "{why}"),
        other => panic!("{other:?}"),
    }
    server.picture(Some(id)).unwrap();
    server.end();
}

/// What was left on a node that did not answer goes as soon as it does, without anybody's help.
#[test]
fn what_was_left_behind_is_cleared() {
    let base = named("clear debris").base();
    let site = base.site();
    let server = site.start();
    assert_eq!(server.must(debris(&server)), 1);
    server.end();
    let hour = Duration::from_hours(1);
    let server = site.start_with(
        None,
        Trouble::None,
        Settings { cleaner: Some((hour, hour)), ..settings() },
    );
    server.recover(OnRestart::Unwind);
    server.must(async {
        while debris(&server).await > 0 {
            server.fuse.committed.notified().await;
        }
    });
    server.finish();
    server.picture(None).unwrap_or_else(|e| panic!("{e}"));
    server.end();
}

/// A clone's brick and its source share a thin pool: each leaves the other in it, with its space.
#[test]
fn bricks_of_clones_move() {
    let base = named("delete a clone").base();
    for order in [["copy", "two"], ["two", "copy"]] {
        let site = base.site();
        let server = site.start();
        for volume in order {
            server.perform(evict(base.brick(volume)));
            server.picture(None).unwrap_or_else(|e| panic!("{order:?}, {volume}: {e}"));
        }
        assert_eq!(server.must(debris(&server)), 0);
        server.end();
    }
}

/// Bricks of different volumes are made side by side.
#[test]
fn bricks_move_side_by_side() {
    let site = moves().site();
    let server = site.start_with(None, Trouble::Held("mkfs.xfs"), settings());
    let operation = SetDeviceState::request(moves().device("leaving"), &state("failed")).unwrap();
    let id = server.must(server.operations.start(operation)).unwrap();
    server.must(server.fuse.wait_held(2));
    server.fuse.release();
    server.rest();
    assert_eq!(server.queued(id), Queued::Done(None));
    server.picture(Some(id)).unwrap();
    server.end();
}

/// An operation that waits for a node comes to its end when that node is given up.
#[test]
fn what_waits_for_a_dead_node_ends_with_its_removal() {
    let scenario = named("create replica 3");
    // The first node that is told to make a file system dies just then.
    let log = commands(scenario);
    let (at, (host, _)) =
        log.iter().enumerate().find(|(_, (_, command))| command.contains("mkfs.xfs")).unwrap();
    let base = scenario.base();
    // Each volume is placed anew, so not every one has a brick there.
    let (site, server, waiting) = (0..30)
        .find_map(|_| {
            let site = base.site();
            let server = site.start_with(None, Trouble::Gone(host.clone(), at), once());
            let volume = server.operations.start(create(2, &replica_3(), ""));
            let waiting = server.must(volume).unwrap();
            server.rest();
            let stuck = matches!(server.queued(waiting), Queued::Failed(why) if why.contains("tried again"));
            stuck.then_some((site, server, waiting))
        })
        .expect("no volume ever had a brick there");
    server.fuse.set_trouble(Trouble::None);
    site.sim.world().down.insert(host.clone());
    let node = base.node(host);
    server.perform_quietly(node_to(node, "offline"));
    let removal = server.must(server.operations.start(node_to(node, "failed"))).unwrap();
    server.rest();
    assert!(matches!(server.queued(waiting), Queued::Failed(_)), "{:?}", server.queued(waiting));
    assert_eq!(server.queued(removal), Queued::Done(None));
    server.picture(Some(waiting)).unwrap_or_else(|e| panic!("{e}"));
    server.end();
}

/// A removal that was interrupted goes on by itself, and its client learns how it ended.
#[test]
fn a_removal_goes_on_after_a_restart() {
    let site = moves().site();
    let server = site.start_with(None, Trouble::Held("replace-brick"), settings());
    let operation = SetNodeState::request(moves().node("leaving"), &state("failed")).unwrap();
    let id = server.must(server.operations.start(operation)).unwrap();
    server.must(server.fuse.wait_held(1));
    server.kill();
    let picture = site.recover(OnRestart::Unwind, Some(id)).unwrap();
    assert_eq!(picture.queued, Some(Queued::Done(None)));
}

/// One that is called off leaves what has moved where it is.
#[test]
fn a_removal_that_is_called_off() {
    let site = moves().site();
    let server = site.start_with(None, Trouble::Held("mkfs.xfs"), settings());
    let operation = SetDeviceState::request(moves().device("leaving"), &state("failed")).unwrap();
    let id = server.must(server.operations.start(operation)).unwrap();
    server.must(server.fuse.wait_held(1));
    server.must(server.operations.cancel(id)).unwrap();
    server.fuse.release();
    server.rest();
    match server.queued(id) {
        Queued::Failed(why) => assert!(why.contains("cancelled. What had moved"), "{why}"),
        other => panic!("{other:?}"),
    }
    server.picture(Some(id)).unwrap();
    server.end();
}

/// What only the old brick has may have come while the server was away: before gluster is told to
/// replace it, it is asked again.
#[test]
fn a_brick_that_has_become_the_source_is_kept() {
    let site = moves().site();
    let server = site.start_with(None, Trouble::Held("replace-brick"), settings());
    let id = server.must(server.operations.start(evict(moves().brick("kept")))).unwrap();
    server.must(server.fuse.wait_held(1));
    server.kill();
    {
        let mut world = site.sim.world();
        let all: Vec<_> = world.volumes.iter().flat_map(|v| v.bricks.clone()).collect();
        world.to_heal = all.into_iter().map(|brick| (brick, 7)).collect();
        world.no_healing = true;
    }
    let server = site.start();
    server.recover(OnRestart::Unwind);
    server.rest();
    let log = server.fuse.log.lock().unwrap().clone();
    assert!(!log.iter().any(|(_, command)| command.contains("replace-brick")), "{log:?}");
    match server.queued(id) {
        Queued::Failed(why) => assert!(why.contains("source brick"), "{why}"),
        other => panic!("{other:?}"),
    }
    {
        let mut world = site.sim.world();
        (world.no_healing, world.to_heal) = (false, std::collections::BTreeMap::new());
    }
    server.end();
    let picture = site.recover(OnRestart::Unwind, Some(id)).unwrap();
    assert_eq!(picture.queued, Some(Queued::Done(None)));
}

/// A clone's brick goes while its source's, which has left, still lies in their thin pool: the
/// space of that is free when the last of them is gone.
#[test]
fn the_space_of_a_pool_goes_with_the_last_in_it() {
    let base = named("delete a clone").base();
    let site = base.site();
    let server = site.start_with(None, Trouble::Broken("umount"), settings());
    let device = server.must(async {
        let mut tx = server.store.read().await.unwrap();
        let brick = brickyard::store::bricks::get(&mut tx, base.brick("two")).await.unwrap();
        brick.unwrap().device
    });
    server.perform(evict(base.brick("two")));
    assert_eq!(server.must(debris(&server)), 1);
    server.fuse.set_trouble(Trouble::None);
    server.perform(DeleteVolume::new(base.volume("copy")));
    server.perform(ClearDebris::new(device));
    assert_eq!(server.must(debris(&server)), 0);
    server.picture(None).unwrap_or_else(|e| panic!("{e}"));
    server.end();
}

/// Nobody serves, and a removal is brought to its end all the same.
#[test]
fn a_removal_is_settled_without_a_server() {
    let site = moves().site();
    let server = site.start_with(None, Trouble::Held("mkfs.xfs"), settings());
    let operation = SetDeviceState::request(moves().device("leaving"), &state("failed")).unwrap();
    let id = server.must(server.operations.start(operation)).unwrap();
    server.must(server.fuse.wait_held(1));
    checked(&server);
    server.kill();
    let server = site.start();
    let left = server.must(server.operations.settle()).unwrap();
    assert!(left.pendingoperations.is_empty(), "{left:?}");
    assert_eq!(server.queued(id), Queued::Done(None));
    server.picture(Some(id)).unwrap();
    server.end();
}

/// Two bricks of one volume wait for each other: what becomes of the first is not said of the other.
#[test]
fn the_brick_that_cannot_move_is_the_one_that_is_named() {
    let base = named("delete volume").base();
    let site = base.site();
    let server = site.start_with(None, Trouble::Held("heal two"), settings());
    let all = |server: &Server| {
        server.must(async {
            let mut tx = server.store.read().await.unwrap();
            let mut all =
                brickyard::store::bricks::of_volume(&mut tx, base.volume("two")).await.unwrap();
            all.extend(
                brickyard::store::bricks::of_volume(&mut tx, base.volume("kept")).await.unwrap(),
            );
            all
        })
    };
    let bricks = all(&server);
    let on = |device| bricks.iter().filter(move |b| b.device == device);
    let two = base.volume("two");
    let of_two = |device| on(device).filter(|b| b.volume == two).count();
    let crowded = bricks.iter().map(|b| b.device).find(|d| of_two(*d) == 2 && on(*d).count() == 3);
    let device = crowded.expect("no device has two bricks of one volume and one of another");
    let first = on(device).filter(|b| b.volume == two).min_by_key(|b| b.id).unwrap();
    {
        let mut world = site.sim.world();
        world.to_heal.insert(format!("{}:{}", first.peer, first.path), 7);
        world.no_healing = true;
    }
    server.perform(SetDeviceState::request(device, &state("offline")).unwrap());
    let operation = SetDeviceState::request(device, &state("failed")).unwrap();
    let id = server.must(server.operations.start(operation)).unwrap();
    server.must(server.fuse.wait_held(1));
    checked(&server);
    server.must(async {
        let on_device = async || {
            let mut tx = server.store.read().await.unwrap();
            brickyard::store::bricks::on_device(&mut tx, device).await.unwrap().len()
        };
        while on_device().await > 2 {
            server.fuse.committed.notified().await;
        }
    });
    server.fuse.release();
    server.rest();
    let left: Vec<_> = all(&server).into_iter().filter(|b| b.device == device).collect();
    assert_eq!(left.iter().map(|b| b.id).collect::<Vec<_>>(), [first.id]);
    match server.queued(id) {
        Queued::Failed(why) => {
            let (_, left) = why.split_once("Left on the device:\n").unwrap();
            assert!(left.starts_with(&format!("brick {} of", first.id)), "{why}");
            assert_eq!(left.lines().count(), 1, "{why}");
        }
        other => panic!("{other:?}"),
    }
    server.end();
}

/// A brick that Heketi lost the path of keeps no device from being removed.
#[test]
fn a_brick_without_a_path_is_passed_over() {
    let site = moves().site();
    let server = site.start();
    let (device, volume) = (moves().device("leaving"), moves().volume("kept"));
    server.must(async {
        let mut tx = server.store.write().await.unwrap();
        sqlx::query("UPDATE bricks SET path = '' WHERE device = ? AND volume = ?")
            .bind(device.to_string())
            .bind(volume.to_string())
            .execute(&mut *tx)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    });
    server.perform(SetDeviceState::request(device, &state("failed")).unwrap());
    let left = server.must(async {
        let mut tx = server.store.read().await.unwrap();
        brickyard::store::bricks::on_device(&mut tx, device).await.unwrap()
    });
    assert_eq!(left.iter().map(|b| b.path.as_str()).collect::<Vec<_>>(), [""]);
    server.end();
}
