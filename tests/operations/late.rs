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
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

/// The first `volume create` times out, and is done when somebody waits for it, or at the latest
/// when its bricks are being taken away.
struct Late {
    sim: Arc<Sim>,
    pending: Mutex<Option<(Hostname, Cmd)>>,
    timed_out: Notify,
}

#[async_trait]
impl Faults for Late {
    async fn before(&self, host: &Hostname, cmd: &Cmd, _: bool) -> Option<Fault> {
        let text = cmd.to_string();
        if text.contains("volume create") {
            *self.pending.lock().unwrap() = Some((host.clone(), cmd.clone()));
            self.timed_out.notify_one();
            return Some(Fault::Fail("Error : Request timed out".into()));
        }
        let waits = text.contains("volume status");
        if waits || text.starts_with("umount") {
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
    let (pending, timed_out) = (Mutex::default(), Notify::new());
    let late = Arc::new(Late { sim: site.sim.clone(), pending, timed_out });
    site.sim.set_faults(Some(late.clone()));
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
