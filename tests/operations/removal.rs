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
    operation::{OnRestart, Queued, SetDeviceState, SetNodeState, Settings},
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
        Queued::Failed(why) => assert!(why.contains("cancelled"), "{why}"),
        other => panic!("{other:?}"),
    }
    server.picture(Some(id)).unwrap();
    server.end();
}
