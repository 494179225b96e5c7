//! glusterd goes on with what its command line has given up waiting for.
use super::scenario::named;
use async_trait::async_trait;
use brickyard::{
    domain::Hostname,
    node::{
        Cmd,
        sim::{Fault, Faults, Sim},
    },
    operation::OnRestart,
};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering::SeqCst},
};
use tokio::sync::Notify;

/// A command of gluster times out, and is done when somebody waits for it or asks for it again, or at
/// the latest when bricks are being taken away.
struct Late {
    words: &'static str,
    sim: Arc<Sim>,
    times_out: AtomicBool,
    pending: Mutex<Option<(Hostname, Cmd)>>,
    timed_out: Notify,
}

impl Late {
    /// The first command with these words times out.
    fn new(words: &'static str, sim: &Arc<Sim>) -> Arc<Self> {
        let (times_out, pending, timed_out) =
            (AtomicBool::new(true), Mutex::default(), Notify::new());
        let late = Arc::new(Self { words, sim: sim.clone(), times_out, pending, timed_out });
        sim.set_faults(Some(late.clone()));
        late
    }
}

#[async_trait]
impl Faults for Late {
    async fn before(&self, host: &Hostname, cmd: &Cmd, _: bool) -> Option<Fault> {
        let text = cmd.to_string();
        if text.contains(self.words) && self.times_out.swap(false, SeqCst) {
            *self.pending.lock().unwrap() = Some((host.clone(), cmd.clone()));
            self.timed_out.notify_one();
            return Some(Fault::Fail("Error : Request timed out".into()));
        }
        let waits = text.contains("volume status");
        if waits || text.contains(self.words) || text.starts_with("umount") {
            let late = self.pending.lock().unwrap().take();
            if let Some((host, cmd)) = late {
                self.sim.execute(&host, &cmd).unwrap();
                let busy = "Another transaction is in progress for new. Please try again.";
                return waits.then(|| Fault::Fail(busy.into()));
            }
        }
        None
    }
    async fn after(&self, _: &Hostname, _: &Cmd, _: bool) -> Option<Fault> {
        None
    }
}

/// Without waiting for glusterd the volume came after it was said not to exist, and stayed.
#[test]
fn a_create_that_ends_after_the_server_died_is_taken_back() {
    let scenario = named("create replica 3");
    let site = scenario.base().site();
    let server = site.start();
    let late = Late::new("volume create", &site.sim);
    server.must(server.operations.start(scenario.operation())).unwrap();
    server.must(late.timed_out.notified());
    server.kill();
    let server = site.start();
    site.sim.set_faults(Some(late.clone()));
    server.recover(OnRestart::Unwind);
    server.rest();
    assert!(late.pending.lock().unwrap().is_none(), "it was never done");
    server.picture(None).map(drop).unwrap();
    server.end();
}

/// The volume is as it was asked for, whoever started it.
#[test]
fn a_volume_that_was_started_late_is_a_volume() {
    let scenario = named("create replica 3");
    let site = scenario.base().site();
    let server = site.start();
    let late = Late::new("volume start", &site.sim);
    server.perform(scenario.operation());
    assert!(late.pending.lock().unwrap().is_none(), "it was never done");
    server.picture(None).map(drop).unwrap();
    server.end();
}
