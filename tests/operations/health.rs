//! Nodes that fail, hang or come late: who is kept waiting, who is asked next, and what is left.
use super::{
    fuse::Trouble,
    scenario::{Base, create, named, named_volume, replica_3},
    site::{Server, settings},
};
use brickyard::{
    domain::Hostname,
    node::{
        Cmd,
        health::Part,
        sim::{Fault, Faults, Sim, world::Volume},
    },
    operation::{DeleteVolume, Queued, ResyncDevice, Settings},
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

fn estate() -> &'static Base {
    named("delete volume").base()
}
fn host(n: usize) -> Hostname {
    format!("n{n}").parse().unwrap()
}
fn asked(server: &Server, host: &Hostname) -> bool {
    server.fuse.log.lock().unwrap().iter().any(|(asked, _)| asked == host.as_str())
}

/// The first operation finds out that a node is dead; those after it do not even try it.
#[test]
fn a_node_that_failed_a_moment_ago_is_left_alone() {
    for dead in 0..4 {
        let site = estate().site();
        site.sim.world().down.insert(host(dead).to_string());
        let server = site.start();
        let health = server.operations.nodes().health();
        for round in 0..8 {
            let known = health.unwell().contains(&host(dead));
            server.fuse.log.lock().unwrap().clear();
            server.perform(named_volume(&format!("v{round}"), 1, &replica_3(), ""));
            assert!(!known || !asked(&server, &host(dead)), "n{dead} was tried again");
        }
        server.end();
    }
}

/// What was true a moment ago need not be true now: rather a try than a refusal.
#[test]
fn an_unwell_node_is_better_than_none() {
    let site = estate().site();
    let server = site.start();
    for n in 0..4 {
        server.operations.nodes().health().ill(&host(n), Part::Way, "test");
    }
    server.perform(create(2, &replica_3(), ""));
    assert_eq!(server.operations.nodes().health().unwell().len(), 1, "three have answered");
    server.picture(None).unwrap();
    server.end();
}

/// gluster says which host it cannot work with: the volume is made without it.
#[test]
fn a_host_that_gluster_cannot_reach_is_avoided() {
    for words in ["not connected", "is not in 'Peer in Cluster' state"] {
        let site = estate().site();
        let server = site.start();
        let blame = Arc::new(Blame { words, blamed: Mutex::default() });
        site.sim.set_faults(Some(blame.clone()));
        let id = server.must(server.operations.start(create(2, &replica_3(), ""))).unwrap();
        server.finish();
        assert!(matches!(server.queued(id), Queued::Done(_)), "{:?}", server.queued(id));
        let blamed = blame.blamed.lock().unwrap().clone().expect("nothing failed");
        let world = site.sim.world();
        let made = world.volumes.iter().find(|v| v.name == "new").unwrap();
        assert!(made.bricks.iter().all(|brick| !brick.starts_with(&format!("{blamed}:"))));
        drop(world);
        server.picture(None).unwrap();
        server.end();
    }
}

/// gluster refuses to work with the first host of the first create it sees.
struct Blame {
    words: &'static str,
    blamed: Mutex<Option<String>>,
}
#[async_trait::async_trait]
impl Faults for Blame {
    async fn before(&self, _: &Hostname, cmd: &Cmd, _: bool) -> Option<Fault> {
        let line = cmd.stdin.iter().find(|line| line.starts_with("volume create"))?;
        let mut blamed = self.blamed.lock().unwrap();
        let brick = line.split(' ').find(|word| word.contains(":/"))?;
        let first = brick.split(':').next()?.to_owned();
        let host = blamed.get_or_insert(first);
        let text = format!("volume create: new: failed: Host {host} {}", self.words);
        line.contains(&format!("{host}:")).then_some(Fault::Fail(text))
    }
    async fn after(&self, _: &Hostname, _: &Cmd, _: bool) -> Option<Fault> {
        None
    }
}

/// A session that nobody heard of again makes the volume at the worst moment: after it was looked
/// for in vain, while the bricks are being removed.
#[test]
fn a_volume_that_comes_late_does_not_stay() {
    let site = estate().site();
    let server = site.start();
    site.sim.set_faults(Some(Arc::new(Late { sim: site.sim.clone(), sent: Mutex::default() })));
    let id = server.must(server.operations.start(create(2, &replica_3(), ""))).unwrap();
    server.finish();
    assert!(matches!(server.queued(id), Queued::Failed(_)), "{:?}", server.queued(id));
    server.picture(Some(id)).unwrap_or_else(|e| panic!("{e}"));
    server.end();
}

struct Late {
    sim: Arc<Sim>,
    sent: Mutex<Option<Vec<String>>>,
}
#[async_trait::async_trait]
impl Faults for Late {
    async fn before(&self, _: &Hostname, cmd: &Cmd, _: bool) -> Option<Fault> {
        if let Some(line) = cmd.stdin.iter().find(|line| line.starts_with("volume create")) {
            let bricks = line.split(' ').filter(|word| word.contains(":/")).map(str::to_owned);
            *self.sent.lock().unwrap() = Some(bricks.collect());
            return Some(Fault::RequestLost);
        }
        if cmd.argv[0] == "umount"
            && let Some(bricks) = self.sent.lock().unwrap().take()
        {
            let (kind, options) = (vec!["replica".into(), "3".into()], BTreeMap::new());
            let name = "new".into();
            let late = Volume {
                name,
                kind,
                bricks,
                started: false,
                options,
                snapshots: 0,
                uuid: String::new(),
            };
            self.sim.world().volumes.push(late);
        }
        None
    }
    async fn after(&self, _: &Hostname, _: &Cmd, _: bool) -> Option<Fault> {
        None
    }
}

/// Ever longer pauses, but not a moment longer than the node is away.
#[test]
fn what_is_stuck_waits_for_its_node_and_no_longer() {
    let hour = Duration::from_hours(1);
    let settings = Settings { cleaner: Some((hour, hour * 4)), ..settings() };
    let site = estate().site();
    let server = site.start_with(None, Trouble::Broken("umount"), settings);
    server.recover(brickyard::operation::OnRestart::Unwind);
    let delete = DeleteVolume::new(estate().volume("two"));
    let id = server.must(server.operations.start(delete)).unwrap();
    server.newest_is("stuck");
    let waits = |tries: u32| {
        let progress = server.must(server.operations.pending_info(id)).unwrap().operation.progress;
        let progress = progress.unwrap();
        assert_eq!(progress.tries, tries);
        let wait = progress.retry_at.unwrap().as_second() - jiff::Timestamp::now().as_second();
        Duration::from_secs(u64::try_from(wait).unwrap())
    };
    for (tries, hours) in [(1, 1), (2, 2), (3, 4), (4, 4)] {
        let wait = waits(tries);
        assert!(wait <= hour * hours && wait + Duration::from_mins(1) > hour * hours, "{wait:?}");
        // Tried again by hand, in vain.
        let again = brickyard::operation::CleanUp::all();
        server.must(server.operations.start(again)).unwrap();
        server.rest();
    }
    // The node goes and comes: that is reason enough to try again.
    server.fuse.set_trouble(Trouble::None);
    let health = server.operations.nodes().health();
    health.ill(&host(1), Part::Way, "away");
    server.perform_quietly(ResyncDevice::new(estate().device("n1 /dev/sdc")));
    server.finish();
    server.picture(Some(id)).unwrap();
    server.end();
}

/// gluster does not know how an `add-brick` ended, and refuses all that follow for another reason:
/// the first one may still land, so the bricks must not be taken away.
#[test]
fn bricks_that_may_still_be_added_are_not_taken_away() {
    let site = estate().site();
    let server = site.start();
    site.sim.set_faults(Some(Arc::new(Unsure(AtomicUsize::new(0)))));
    let expansion = super::scenario::expand(estate().volume("two"));
    let id = server.must(server.operations.start(expansion)).unwrap();
    server.newest_is("stuck");
    let progress = server.must(server.operations.pending_info(id)).unwrap().operation.progress;
    assert!(!progress.unwrap().cancellable);
    server.end();
    let picture = site.recover(brickyard::operation::OnRestart::Unwind, Some(id)).unwrap();
    assert!(matches!(picture.queued, Some(Queued::Done(_))), "{:?}", picture.queued);
}

/// Found on real nodes: the power of a node is cut while gluster adds bricks. They are marked as
/// part of the volume then, but are not in it, and gluster refuses them for that from then on.
#[test]
fn bricks_that_were_marked_and_forgotten_are_added() {
    let site = estate().site();
    let server = site.start();
    site.sim.set_faults(Some(Arc::new(Marking(site.sim.clone(), AtomicUsize::new(0)))));
    let expansion = super::scenario::expand(estate().volume("two"));
    let id = server.must(server.operations.start(expansion)).unwrap();
    server.rest();
    assert!(matches!(server.queued(id), Queued::Done(_)), "{:?}", server.queued(id));
    server.picture(Some(id)).unwrap();
    server.end();
}

/// The first `add-brick` leaves its marks and nothing else.
struct Marking(Arc<Sim>, AtomicUsize);
#[async_trait::async_trait]
impl Faults for Marking {
    async fn before(&self, _: &Hostname, cmd: &Cmd, _: bool) -> Option<Fault> {
        let text = cmd.to_string();
        if !text.contains("add-brick") || self.1.fetch_add(1, Ordering::SeqCst) > 0 {
            return None;
        }
        let line = cmd.stdin.join(" ");
        let bricks = line.split_whitespace().filter_map(|word| word.split_once(":/"));
        self.0.world().marked.extend(bricks.map(|(_, path)| format!("/{path}")));
        Some(Fault::RequestLost)
    }
    async fn after(&self, _: &Hostname, _: &Cmd, _: bool) -> Option<Fault> {
        None
    }
}

/// The first `add-brick` times out, the others are refused.
struct Unsure(AtomicUsize);
#[async_trait::async_trait]
impl Faults for Unsure {
    async fn before(&self, _: &Hostname, cmd: &Cmd, _: bool) -> Option<Fault> {
        if !cmd.to_string().contains("add-brick") {
            return None;
        }
        let first = self.0.fetch_add(1, Ordering::SeqCst) == 0;
        let words = if first { "Error : Request timed out" } else { "Host n9 not connected" };
        Some(Fault::Fail(words.into()))
    }
    async fn after(&self, _: &Hostname, _: &Cmd, _: bool) -> Option<Fault> {
        None
    }
}

/// gluster's marks on new bricks are gone after a power cut: the bricks are started anew.
#[test]
fn a_brick_that_lost_its_marks_is_started_again() {
    let site = estate().site();
    let server = site.start();
    site.sim.set_faults(Some(Arc::new(Unmarked(AtomicUsize::new(0)))));
    server.perform_quietly(create(2, &replica_3(), ""));
    server.picture(None).unwrap();
    server.end();
}

/// The first brick that is looked at has no marks.
struct Unmarked(AtomicUsize);
#[async_trait::async_trait]
impl Faults for Unmarked {
    async fn before(&self, _: &Hostname, cmd: &Cmd, _: bool) -> Option<Fault> {
        let asked = cmd.to_string().ends_with("/.glusterfs/00");
        let first = asked && self.0.fetch_add(1, Ordering::SeqCst) == 0;
        first.then(|| Fault::Fail(String::new()))
    }
    async fn after(&self, _: &Hostname, cmd: &Cmd, _: bool) -> Option<Fault> {
        if cmd.to_string().contains("volume start new force") {
            assert!(self.0.fetch_add(1, Ordering::SeqCst) > 0, "nobody asked");
        }
        None
    }
}
