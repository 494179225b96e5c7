//! Operations that others see before they are at work: between the commit that shows them and the
//! answer to their client, and while they ask nodes before they plan.
use super::{
    fuse::Trouble,
    imported::forget_order,
    rest::at_rest,
    scenario::{Base, clone, create, expand, named, replica_3},
    site::{Server, Site, settings},
};
use brickyard::{
    api::node::StateRequest,
    domain::OperationId,
    error::{Error, Result},
    operation::{Any, OnRestart, Queued, SetDeviceState, SetNodeState, Settings},
    store::{
        claims,
        operations::{self, OpState},
    },
};
use tokio::task::JoinSet;

fn moves() -> &'static Base {
    named("remove device").base()
}
fn failed() -> StateRequest {
    StateRequest { state: "failed".into(), healcheck: String::new() }
}
fn remove_device() -> Any {
    SetDeviceState::request(moves().device("leaving"), &failed()).unwrap()
}

/// A request whose client waits while other things happen.
struct Request(JoinSet<Result<OperationId>>);

impl Request {
    /// Sends it, and returns when something that it does is being held.
    fn held(server: &Server, operation: Any) -> Self {
        let operations = server.operations.clone();
        let mut request = JoinSet::new();
        server.must(async {
            request.spawn(async move { operations.start(operation).await });
            server.fuse.wait_held(1).await;
        });
        server.fuse.set_trouble(Trouble::None);
        Self(request)
    }
    fn answer(mut self, server: &Server) -> Result<OperationId> {
        server.must(self.0.join_next()).unwrap().unwrap()
    }
}

/// Whoever has the volume, and where it is.
fn holder(server: &Server, volume: &str) -> Option<(OperationId, OpState)> {
    let claim = format!("volume/{}", moves().volume(volume));
    server.must(async {
        let mut tx = server.store.read().await.unwrap();
        let holder = claims::holder(&mut tx, &claim).await.unwrap()?;
        Some((holder, operations::state(&mut tx, holder).await.unwrap().unwrap()))
    })
}

/// A removal that runs meanwhile has seen what it cannot have, and has moved something else.
fn something_has_moved(server: &Server) {
    server.must(async {
        loop {
            let mut tx = server.store.read().await.unwrap();
            let moved =
                "SELECT count(*) FROM operations WHERE kind = 'evict-brick' AND state = 'done'";
            let moved = sqlx::query_scalar::<_, i64>(moved).fetch_one(&mut *tx).await.unwrap();
            drop(tx);
            if moved > 0 {
                return;
            }
            server.fuse.committed.notified().await;
        }
    });
}

fn all_done(server: &Server, ids: &[OperationId]) {
    server.rest();
    for id in ids {
        assert!(matches!(server.queued(*id), Queued::Done(_)), "{:?}", server.queued(*id));
    }
    server.picture(None).unwrap_or_else(|e| panic!("{e}"));
}

/// It is not left behind: its client is about to be told that it was accepted.
#[test]
fn a_removal_waits_for_what_is_being_accepted() {
    let site = moves().site();
    let server = site.start_with(None, Trouble::CommitHeld(0), settings());
    let request = Request::held(&server, expand(moves().volume("kept")));
    let seen = holder(&server, "kept").expect("the commit cannot be seen");
    let removal = server.must(server.operations.start(remove_device())).unwrap();
    something_has_moved(&server);
    assert_eq!(holder(&server, "kept"), Some(seen), "the removal took it back");
    server.fuse.release();
    let id = request.answer(&server).unwrap();
    assert_eq!(id, seen.0);
    all_done(&server, &[id, removal]);
    server.end();
}

/// The same for what another removal begins: of two bricks of a volume, one moves after the other.
#[test]
fn a_removal_waits_for_what_another_is_beginning() {
    let site = moves().site();
    // Its own acceptance, that of its first move, and then that this may move.
    let server = site.start_with(None, Trouble::CommitHeld(2), settings());
    let first = Request::held(&server, remove_device()).answer(&server).unwrap();
    let volumes = ["kept", "spread"];
    let held: Vec<_> = volumes.into_iter().filter(|v| holder(&server, v).is_some()).collect();
    assert_eq!(held.len(), 1, "{held:?}");
    let seen = holder(&server, held[0]);
    let node = SetNodeState::request(moves().node("leaving"), &failed()).unwrap();
    let second = server.must(server.operations.start(node)).unwrap();
    something_has_moved(&server);
    assert_eq!(holder(&server, held[0]), seen, "the other removal took it back");
    server.fuse.release();
    all_done(&server, &[first, second]);
    server.end();
}

/// Moves, with a volume whose clone has to ask gluster for the order of its bricks.
fn imported() -> Site {
    let site = moves().site();
    let server = site.start();
    forget_order(&server, moves().volume("kept"));
    server.end();
    site
}

/// A removal lets an operation look around as long as it takes, and its claims stay.
#[test]
fn a_removal_waits_for_what_looks_around() {
    let site = imported();
    let server = site.start_with(None, Trouble::Held("volume info"), settings());
    let request = Request::held(&server, clone(moves().volume("kept"), "twin"));
    let seen = holder(&server, "kept").unwrap();
    assert_eq!(seen.1, OpState::Accepted);
    let removal = server.must(server.operations.start(remove_device())).unwrap();
    something_has_moved(&server);
    assert_eq!(holder(&server, "kept"), Some(seen), "the removal put it to rest");
    server.fuse.release();
    let id = request.answer(&server).unwrap();
    all_done(&server, &[id, removal]);
    server.end();
}

/// What was put to rest while it looked around has no claims any more: it must not begin to run.
#[test]
fn what_was_put_to_rest_does_not_begin() {
    let site = imported();
    let server = site.start_with(None, Trouble::Held("volume info"), settings());
    let request = Request::held(&server, clone(moves().volume("kept"), "twin"));
    let (id, _) = holder(&server, "kept").unwrap();
    server.must(async {
        let mut tx = server.store.write().await.unwrap();
        operations::finish(&mut tx, id, OpState::Failed, None).await.unwrap();
        tx.commit().await.unwrap();
    });
    server.fuse.release();
    let refused = request.answer(&server).unwrap_err();
    assert!(matches!(refused, Error::Refused(_)), "{refused:?}");
    assert!(refused.to_string().contains("put to rest while it asked the nodes"), "{refused}");
    let state = server.must(async {
        operations::state(&mut server.store.read().await.unwrap(), id).await.unwrap()
    });
    assert_eq!(state, Some(OpState::Failed), "it is somebody else's word");
    server.must(async { at_rest(&mut server.store.read().await.unwrap()).await }).unwrap();
    assert!(site.sim.world().volumes.iter().all(|volume| volume.name != "twin"));
    server.end();
}

/// Who looks around could not lend the only place to work.
#[test]
fn looking_around_keeps_nobody_from_working() {
    let site = imported();
    let one = Settings { max_in_flight: 1, ..settings() };
    let server = site.start_with(None, Trouble::Held("volume info"), one);
    let request = Request::held(&server, clone(moves().volume("kept"), "twin"));
    let other = server.must(server.operations.start(create(1, &replica_3(), ""))).unwrap();
    server.must(async {
        while matches!(server.operations.queued(other).await, Ok(Queued::Pending)) {
            server.fuse.committed.notified().await;
        }
    });
    server.fuse.release();
    let id = request.answer(&server).unwrap();
    all_done(&server, &[id, other]);
    server.end();
}

/// A node that was to leave, and of which gluster was not told yet, stays: its client was told
/// nothing, or that the server was restarted.
#[test]
fn what_cannot_be_taken_back_is_not_begun_by_its_acceptance() {
    let scenario = named("delete node");
    // After the commit that accepts it, and before the one that says that it is about to be sent.
    for dies_at in [1, 2] {
        let site = scenario.base().site();
        let peers = site.sim.world().peers.clone();
        let server = site.start_with(Some(dies_at), Trouble::None, settings());
        let id = server.begin(&scenario.operation()).transpose().unwrap();
        server.rest();
        let sent = server.fuse.log.lock().unwrap().clone();
        assert_eq!(sent, [], "died at {dies_at}");
        server.kill();
        let picture = site.recover(OnRestart::Unwind, id).unwrap_or_else(|e| panic!("{e}"));
        let (state, why) = picture.newest.unwrap();
        assert_eq!(state, "failed", "died at {dies_at}: {why}");
        assert!(why.contains("restarted before this operation was done"), "{why}");
        assert_eq!(site.sim.world().peers, peers, "it was detached");
    }
}
