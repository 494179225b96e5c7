//! Several operations at once: nobody gets into another's way.
use super::{
    fuse::Trouble,
    scenario::{add_node, create, expand, named, named_volume, replica_3},
    site::settings,
};
use brickyard::operation::{DeleteVolume, OnRestart, Queued, Settings};
use tokio::task::JoinSet;

#[test]
fn a_volume_belongs_to_one_operation_at_a_time() {
    let base = named("expand volume").base();
    let (two, site) = (base.volume("two"), base.site());
    let server = site.start_with(None, Trouble::Held("add-brick"), settings());
    let id = server.must(server.operations.start(expand(two))).unwrap();
    server.must(server.fuse.wait_held(1));
    for other in [expand(two), DeleteVolume::new(two).into()] {
        let refused = server.must(server.operations.start(other)).unwrap_err();
        assert_eq!(refused.status(), 500);
        let text = refused.to_string();
        let in_use = "The target exists, contains other items, or is in use.";
        assert!(text.ends_with(in_use), "{text}");
    }
    // Another volume is free.
    let kept = DeleteVolume::new(base.volume("kept"));
    server.must(server.operations.start(kept)).unwrap();
    server.fuse.release();
    server.rest();
    assert!(matches!(server.queued(id), Queued::Done(_)));
    server.picture(None).unwrap();
    server.perform(DeleteVolume::new(two));
    server.picture(None).unwrap();
    assert!(site.sim.world().volumes.is_empty());
    server.end();
}

/// Whoever else is to bring it to rest finds that somebody does already.
#[test]
fn an_operation_has_one_driver() {
    let base = named("create replica 3").base();
    let site = base.site();
    let server = site.start_with(None, Trouble::Held("mkfs.xfs"), settings());
    let id = server.must(server.operations.start(create(2, &replica_3(), ""))).unwrap();
    server.must(server.fuse.wait_held(3));
    server.recover(OnRestart::Resume);
    // Time enough for a second driver to get as far as the first.
    let kept = DeleteVolume::new(base.volume("kept"));
    let other = server.must(server.operations.start(kept)).unwrap();
    server.must(async {
        while matches!(server.operations.queued(other).await, Ok(Queued::Pending)) {
            server.fuse.committed.notified().await;
        }
    });
    server.fuse.release();
    server.rest();
    assert!(matches!(server.queued(id), Queued::Done(_)), "{:?}", server.queued(id));
    let log = server.fuse.log.lock().unwrap().clone();
    let made = log.iter().filter(|(_, command)| command.contains("mkfs.xfs")).count();
    assert_eq!(made, 3, "{log:?}");
    server.picture(Some(id)).unwrap();
    server.end();
}

#[test]
fn many_volumes_at_once_share_the_space() {
    let site = named("create replica 3").base().site();
    let many = Settings { max_in_flight: 10, ..settings() };
    let server = site.start_with(None, Trouble::None, many);
    let ids = server.must(async {
        let mut starts = JoinSet::new();
        for n in 0..10 {
            let operations = server.operations.clone();
            let volume = named_volume(&format!("v{n}"), 1 + n, &replica_3(), "");
            starts.spawn(async move { operations.start(volume).await.unwrap() });
        }
        starts.join_all().await
    });
    server.rest();
    for id in ids {
        assert!(matches!(server.queued(id), Queued::Done(_)), "{:?}", server.queued(id));
    }
    server.picture(None).unwrap();
    assert_eq!(site.sim.world().volumes.len(), 12);
    server.end();
}

/// Both find an empty cluster: only one may be its first node, or they would never meet.
#[test]
fn two_first_nodes_do_not_miss_each_other() {
    let base = named("add the first node").base();
    let site = base.site();
    let server = site.start_with(None, Trouble::Held("pool list"), settings());
    server.must(async {
        let starts = [0, 1].map(|n| server.operations.start(add_node(base, n)));
        let [one, other] = starts;
        let released = async {
            server.fuse.wait_held(2).await;
            server.fuse.release();
        };
        let (one, other, ()) = tokio::join!(one, other, released);
        assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
    });
    server.rest();
    let nodes = server.must(async {
        let mut tx = server.store.read().await.unwrap();
        let nodes = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM nodes");
        nodes.fetch_one(&mut *tx).await.unwrap()
    });
    assert_eq!(nodes, 1);
    server.end();
}
