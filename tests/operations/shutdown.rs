//! Orderly ends in the middle of something, and clients that do not wait.
use super::{
    fuse::Trouble,
    scenario::{add_node, create, named, replica_3},
    site::settings,
};
use brickyard::{
    error::Error,
    operation::{OnRestart, Queued},
};

/// The server waits for the step that runs, begins no other, and the next one brings it to rest.
#[test]
fn an_orderly_end_stops_between_two_steps() {
    for policy in [OnRestart::Unwind, OnRestart::Resume] {
        let site = named("create replica 3").base().site();
        let server = site.start_with(None, Trouble::Held("mkfs.xfs"), settings());
        let (id, refused) = server.must(async {
            let id = server.operations.start(create(2, &replica_3(), "")).await.unwrap();
            server.fuse.wait_held(3).await;
            let late = async {
                let late = server.operations.start(create(1, &replica_3(), "")).await;
                server.fuse.release();
                late
            };
            let ((), late) = tokio::join!(server.operations.end(), late);
            (id, late)
        });
        assert!(matches!(refused, Err(Error::ShuttingDown)), "{refused:?}");
        assert_eq!(server.queued(id), Queued::Pending);
        let steps = server.must(async {
            let mut tx = server.store.read().await.unwrap();
            let steps = "SELECT state FROM operation_steps WHERE operation = ? ORDER BY seq";
            let states = sqlx::query_scalar::<_, String>(steps).bind(id.to_string());
            states.fetch_all(&mut *tx).await.unwrap()
        });
        assert_eq!(steps[..4], ["done", "done", "done", "planned"]);
        server.end();

        match (policy, site.recover(policy, Some(id)).unwrap().queued) {
            (OnRestart::Unwind, Some(Queued::Failed(why))) => {
                assert!(why.contains("restarted before this operation was done"), "{why}");
            }
            (OnRestart::Resume, Some(Queued::Done(_))) => {}
            (_, other) => panic!("{policy:?}: {other:?}"),
        }
    }
}

/// A request is a future that is dropped when its client hangs up: what it began goes on.
#[test]
fn a_client_that_hangs_up_changes_nothing() {
    let base = named("add the first node").base();
    let site = base.site();
    let server = site.start_with(None, Trouble::Held("pool list"), settings());
    server.must(async {
        let request = server.operations.start(add_node(base, 0));
        tokio::select! {
            biased;
            accepted = request => panic!("not held: {accepted:?}"),
            () = server.fuse.wait_held(1) => {}
        }
    });
    server.fuse.release();
    server.newest_is("done");
    server.picture(None).unwrap();
    assert!(site.sim.world().nodes.is_empty(), "a first node needs no change on it");
    let nodes = server.must(async {
        let mut tx = server.store.read().await.unwrap();
        sqlx::query_scalar::<_, i64>("SELECT count(*) FROM nodes").fetch_one(&mut *tx).await
    });
    assert_eq!(nodes.unwrap(), 1);
    server.end();
}
