//! gluster-block that is missing, fails in part, is late, or has something of its own.
use super::{
    fuse::Trouble,
    scenario::{Base, block, expand_block, named, once},
    site::{Server, settings},
};
use async_trait::async_trait;
use brickyard::{
    domain::Hostname,
    error::Error,
    node::{
        Cmd,
        sim::{
            Fault, Faults, Sim,
            world::{BlockVolume, World},
        },
    },
    operation::{Any, DeleteBlockVolume, DeleteNode, DeleteVolume, OnRestart, Queued, Settings},
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

fn base() -> &'static Base {
    named("delete block volume").base()
}
fn nodes() -> Vec<String> {
    (0..5).map(|n| format!("n{n}")).collect()
}
/// Storage names.
fn hosts() -> Vec<String> {
    (1..6).map(|n| format!("10.0.0.{n}")).collect()
}

/// Runs it to its end, which is a failure; why.
fn fails(server: &Server, operation: Any) -> String {
    let id = server.must(server.operations.start(operation)).unwrap();
    server.rest();
    match server.queued(id) {
        Queued::Failed(why) => why,
        other => panic!("{other:?}"),
    }
}
fn done(server: &Server, operation: Any) {
    server.perform(operation);
    server.picture(None).unwrap();
}
fn found<'a>(world: &'a World, name: &str) -> Option<&'a BlockVolume> {
    world.block_volumes.iter().find(|block| block.name == name)
}
/// Size and usable size in the database.
fn sizes(server: &Server, name: &str) -> (i64, i64) {
    let info = brickyard::inventory::block_volume::info(&server.store, base().block(name));
    let info = server.must(info).unwrap();
    (info.size, info.usablesize)
}
fn free(server: &Server) -> i64 {
    let info = brickyard::inventory::volume::info(&server.store, base().volume("hosting"));
    server.must(info).unwrap().blockinfo.freesize
}

fn by_hand(name: &str) -> BlockVolume {
    BlockVolume {
        hosting: "hosting".into(),
        name: name.into(),
        gbid: "by-hand".into(),
        size: 1,
        ha: 1,
        hosts: vec!["10.0.0.1".into()],
        password: String::new(),
        behind: BTreeMap::new(),
    }
}

#[test]
fn a_foreign_block_volume_is_neither_taken_over_nor_deleted() {
    // Of the name of one to be made ...
    let site = base().site();
    site.sim.world().block_volumes.push(by_hand("new"));
    let server = site.start();
    let why = fails(&server, block("new", 1, 0, false));
    assert!(why.contains("hosting/new already"), "{why}");
    assert_eq!(site.sim.world().block_volumes.pop(), Some(by_hand("new")));
    server.picture(None).unwrap();
    server.end();

    // ... and in the place of one that is to go.
    let site = base().site();
    site.sim.world().block_volumes.retain(|block| block.name != "goes");
    site.sim.world().block_volumes.push(by_hand("goes"));
    let server = site.start();
    server.perform(DeleteBlockVolume::new(base().block("goes")));
    assert_eq!(site.sim.world().block_volumes.pop(), Some(by_hand("goes")));
    server.picture(None).unwrap();
    server.end();
}

/// Nothing was begun, so nothing is left to be cleaned up by somebody who is not there.
#[test]
fn where_gluster_block_is_missing_nothing_is_left() {
    let delete = || DeleteBlockVolume::new(base().block("goes")).into();
    for (scenario, operation) in [
        ("create block volume", block("new", 1, 0, false)),
        ("create block volume and its host", block("new", 1, 2, false)),
        ("expand block volume", expand_block(base(), "grows", 3)),
        ("delete block volume", delete()),
    ] {
        for no_daemon in [false, true] {
            let site = named(scenario).base().site();
            let before = site.sim.world().clone();
            let server = site.start();
            if no_daemon {
                // Not of glusterd, which the volume beneath needs.
                site.sim.set_faults(Some(Arc::new(NoDaemon)));
            } else {
                site.sim.world().no_gluster_block.extend(nodes());
            }
            let why = fails(&server, operation.clone());
            let expected = if no_daemon { "daemon is operational" } else { "must be installed" };
            assert!(why.contains(expected) && !why.contains("tried again"), "{scenario}: {why}");
            server.picture(None).unwrap_or_else(|e| panic!("{scenario}: {e}"));
            assert_eq!(site.sim.world().volumes, before.volumes, "{scenario}");
            server.end();
        }
    }
}

struct NoDaemon;
#[async_trait]
impl Faults for NoDaemon {
    async fn before(&self, _: &Hostname, cmd: &Cmd, _: bool) -> Option<Fault> {
        let words = "Connection failed. Please check if gluster-block daemon is operational.";
        (cmd.argv[0] == "gluster-block").then(|| Fault::Fail(words.into()))
    }
    async fn after(&self, _: &Hostname, _: &Cmd, _: bool) -> Option<Fault> {
        None
    }
}

/// Any node of the pool will do.
#[test]
fn gluster_block_on_one_node_is_enough() {
    for there in nodes() {
        let site = base().site();
        let others = nodes().into_iter().filter(|node| *node != there);
        site.sim.world().no_gluster_block.extend(others);
        let server = site.start();
        done(&server, block("new", 1, 0, false));
        done(&server, DeleteBlockVolume::new(base().block("goes")).into());
        server.end();
    }
}

#[test]
fn hosts_are_those_whose_glusterd_answers() {
    let site = base().site();
    site.sim.world().no_glusterd.extend(["n0".into(), "n3".into()]);
    site.sim.world().down.insert("n4".into());
    let server = site.start();
    done(&server, block("two", 1, 2, true));
    let mut chosen = found(&site.sim.world(), "two").unwrap().hosts.clone();
    chosen.sort();
    assert_eq!(chosen, ["10.0.0.2", "10.0.0.3"]);
    let why = fails(&server, block("three", 1, 3, true));
    assert!(why.starts_with("insufficient block hosts online"), "{why}");
    assert!(why.contains("2 of 5 nodes") && found(&site.sim.world(), "three").is_none(), "{why}");
    // Of more than there are, all are meant, whether they answer or not: gluster-block judges.
    done(&server, block("all", 1, 9, false));
    assert_eq!(found(&site.sim.world(), "all").unwrap().hosts.len(), 5);
    server.end();
}

/// One host cannot export it: another takes its place, as long as there is another.
#[test]
fn a_block_volume_goes_elsewhere_when_a_host_fails() {
    for ill in hosts() {
        let site = base().site();
        site.sim.world().ill_targets.insert(ill.clone());
        let server = site.start();
        done(&server, block("four", 1, 4, false));
        assert!(!found(&site.sim.world(), "four").unwrap().hosts.contains(&ill));
        for all in [0, 5] {
            let why = fails(&server, block("five", 1, all, false));
            assert!(why.contains(&format!("failed to configure on {ill}")), "{why}");
            server.picture(None).unwrap();
        }
        server.end();
    }
}

/// What was begun is not taken back, but it is not called done either; and it can be finished.
#[test]
fn an_expansion_that_a_host_cannot_follow() {
    let site = base().site();
    site.sim.world().ill_targets.insert("10.0.0.1".into());
    site.sim.world().ill_targets.insert("10.0.0.2".into());
    let server = site.start();
    let why = fails(&server, expand_block(base(), "goes", 5));
    assert!(why.contains("has 5 GiB now, but only 2 GiB can be used"), "{why}");
    assert_eq!((sizes(&server, "goes"), free(&server)), ((5, 2), 0), "what it has is taken");
    server.picture(None).unwrap();
    // Again, in vain, and then when all are well: the same size is not refused.
    let why = fails(&server, expand_block(base(), "goes", 5));
    assert!(why.contains("only 2 GiB"), "{why}");
    site.sim.world().ill_targets.clear();
    done(&server, expand_block(base(), "goes", 5));
    assert_eq!(sizes(&server, "goes"), (5, 5));
    let same = server.must(server.operations.start(expand_block(base(), "goes", 5)));
    let same = same.unwrap_err().to_string();
    assert!(
        same.ends_with("is same as current block volume size 5, nothing to be done."),
        "{same}"
    );
    server.end();
}

/// A host that is behind since an earlier expansion does not prove a later one.
#[test]
fn an_expansion_that_fails_after_one_in_part() {
    let site = base().site();
    site.sim.world().ill_targets.insert("10.0.0.1".into());
    let server = site.start();
    fails(&server, expand_block(base(), "goes", 3));
    let before = (sizes(&server, "goes"), free(&server));
    assert_eq!(before.0, (3, 2));
    server.fuse.set_trouble(Trouble::Broken("modify hosting/goes"));
    let why = fails(&server, expand_block(base(), "goes", 5));
    assert!(why.contains("is broken"), "{why}");
    assert_eq!((sizes(&server, "goes"), free(&server)), before);
    server.picture(None).unwrap();
    server.end();
}

/// Initiators are not sent to a node that has left.
#[test]
fn a_node_that_leaves_exports_nothing() {
    let site = base().site();
    let server = site.start();
    let hosts = |server: &Server| {
        let info = brickyard::inventory::block_volume::info(&server.store, base().block("goes"));
        server.must(info).unwrap().blockvolume.hosts
    };
    let before = hosts(&server);
    let gone = "10.0.0.5".to_owned();
    assert!(before.contains(&gone), "{before:?}");
    server.perform(DeleteNode::new(base().node("n4")));
    let after: Vec<_> = before.into_iter().filter(|host| *host != gone).collect();
    assert_eq!(hosts(&server), after);
    server.end();
}

#[test]
fn an_expansion_that_is_refused_is_taken_back() {
    for words in ["modify hosting/grows", "gluster-block"] {
        let site = base().site();
        let server = site.start_with(None, Trouble::Broken(words), settings());
        let why = fails(&server, expand_block(base(), "grows", 5));
        assert!(why.contains(&format!("{words} is broken")), "{why}");
        let stuck = why.contains("tried again");
        assert_eq!(stuck, words == "gluster-block", "nobody could look: {why}");
        server.fuse.set_trouble(Trouble::None);
        server.end();
        if stuck {
            site.recover(OnRestart::Unwind, None).unwrap();
            continue;
        }
        let server = site.start();
        assert_eq!((sizes(&server, "grows"), free(&server)), ((2, 2), 3));
        server.picture(None).unwrap();
        server.end();
    }
}

/// The refusal of all hosts leaves it as it was; one that went in part can only go on.
#[test]
fn a_delete_that_hosts_refuse() {
    let site = base().site();
    site.sim.world().ill_targets.extend(hosts());
    let server = site.start();
    let why = fails(&server, DeleteBlockVolume::new(base().block("goes")).into());
    assert!(why.contains("failed on ") && !why.contains("tried again"), "{why}");
    assert_eq!(sizes(&server, "goes"), (2, 2), "it is shown again");
    server.picture(None).unwrap();

    site.sim.world().ill_targets = ["10.0.0.3".into()].into();
    let why = fails(&server, DeleteBlockVolume::new(base().block("goes")).into());
    assert!(why.contains("failed on 10.0.0.3") && why.contains("tried again"), "{why}");
    assert_eq!(free(&server), 3, "what it holds is not free before it is gone");
    site.sim.world().ill_targets.clear();
    server.end();
    site.recover(OnRestart::Unwind, None).unwrap();
    let server = site.start();
    assert_eq!(free(&server), 5);
    server.end();
}

/// gluster-block does not say how it ended, and does its work when it is asked for it again, or when
/// somebody looks for the second time.
struct Late {
    words: &'static str,
    sim: Arc<Sim>,
    pending: Mutex<Option<(Hostname, Cmd)>>,
    /// Times that somebody asked or looked, the first one included.
    times: AtomicUsize,
}
#[async_trait]
impl Faults for Late {
    async fn before(&self, host: &Hostname, cmd: &Cmd, _: bool) -> Option<Fault> {
        let text = cmd.to_string();
        let asks = text.contains(self.words);
        if !asks && (self.times.load(SeqCst) == 0 || !text.contains("gluster-block info")) {
            return None;
        }
        let before = self.times.fetch_add(1, SeqCst);
        if before == 0 {
            *self.pending.lock().unwrap() = Some((host.clone(), cmd.clone()));
            let words = "Did not receive any response from gluster-block daemon. Please check";
            return Some(Fault::Fail(words.into()));
        }
        if (asks || before == 2)
            && let Some((host, cmd)) = self.pending.lock().unwrap().take()
        {
            self.sim.execute(&host, &cmd).unwrap();
        }
        None
    }
    async fn after(&self, _: &Hostname, _: &Cmd, _: bool) -> Option<Fault> {
        None
    }
}

#[test]
fn what_comes_late_is_what_was_asked_for() {
    let delete = DeleteBlockVolume::new(base().block("goes"));
    for (words, operation) in [
        ("gluster-block create", block("new", 1, 2, true)),
        ("gluster-block modify", expand_block(base(), "grows", 4)),
        ("gluster-block delete", delete.into()),
    ] {
        let site = base().site();
        let server = site.start();
        let (pending, times) = (Mutex::default(), AtomicUsize::new(0));
        let late = Arc::new(Late { words, sim: site.sim.clone(), pending, times });
        site.sim.set_faults(Some(late.clone()));
        done(&server, operation);
        let over = late.pending.lock().unwrap().is_none();
        assert!(over && late.times.load(SeqCst) > 1, "{words}: it was never done");
        server.end();
    }
}

/// Many at once share out what is there, to the last GiB, and no more.
#[test]
fn space_is_given_away_once() {
    let site = base().site();
    let settings = Settings { create_block_hosting: false, ..once() };
    let server = site.start_with(None, Trouble::None, settings);
    let mut refused = 0;
    server.must(async {
        let starts = (0..5).map(|n| server.operations.start(block(&format!("b{n}"), 1, 0, false)));
        for started in futures_util::future::join_all(starts).await {
            match started {
                Ok(_) => {}
                Err(Error::Refused(why)) => {
                    assert!(why.contains("Hosting Volume Creation is disabled"), "{why}");
                    refused += 1;
                }
                Err(other) => panic!("{other}"),
            }
        }
    });
    server.rest();
    assert_eq!((refused, free(&server)), (2, 0));
    let full = server.must(server.operations.start(expand_block(base(), "grows", 3)));
    assert!(full.unwrap_err().to_string().ends_with(": No space"));
    server.picture(None).unwrap();
    server.end();
}

/// A second hosting volume is not begun while one is being made, and a volume with block volumes on
/// it, or coming to it, does not go.
#[test]
fn one_hosting_volume_at_a_time() {
    let site = named("create block volume and its host").base().site();
    let server = site.start_with(None, Trouble::Held("mkfs.xfs"), settings());
    let first = server.must(async {
        let id = server.operations.start(block("one", 2, 0, false)).await.unwrap();
        server.fuse.wait_held(3).await;
        let second = server.operations.start(block("two", 1, 0, false)).await;
        assert!(matches!(second, Err(Error::Busy)), "{second:?}");
        id
    });
    server.fuse.release();
    server.rest();
    assert!(matches!(server.queued(first), Queued::Done(_)));
    // Now there is room for it.
    done(&server, block("two", 1, 0, false));
    assert_eq!(site.sim.world().volumes.len(), 3);
    server.end();

    let site = base().site();
    let server = site.start_with(None, Trouble::Held("gluster-block delete"), settings());
    server.must(async {
        let delete = DeleteBlockVolume::new(base().block("goes"));
        server.operations.start(delete).await.unwrap();
        server.fuse.wait_held(1).await;
        let hosting = DeleteVolume::new(base().volume("hosting"));
        let refused = server.operations.start(hosting).await.unwrap_err();
        assert!(matches!(refused, Error::Conflict(_)), "{refused}");
    });
    server.fuse.release();
    server.rest();
    server.end();
}

/// What the lost answer would have told, gluster-block tells again.
#[test]
fn a_password_survives_a_lost_answer() {
    let site = base().site();
    let command = super::faults::commands(named("create block volume for two hosts"))
        .iter()
        .position(|(_, command)| command.contains("gluster-block create"));
    let server = site.start_with(None, Trouble::ReplyLost(command.unwrap()), once());
    server.perform(block("new", 3, 2, true));
    assert!(!found(&site.sim.world(), "new").unwrap().password.is_empty());
    server.picture(None).unwrap();
    server.end();
}
