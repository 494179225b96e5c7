//! Keeps commands waiting at the nodes' door, to look at the server while an operation runs.
use crate::harness::TestApp;
use async_trait::async_trait;
use brickyard::{
    domain::Hostname,
    node::{
        Cmd,
        sim::{Fault, Faults},
    },
};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Holds every command that has these words, until it is told to let go.
pub struct Hold {
    words: &'static str,
    gate: Semaphore,
    arrived: Semaphore,
}

impl Hold {
    /// Commands with these words wait from now on.
    pub fn at(app: &TestApp, words: &'static str) -> Arc<Self> {
        let hold = Arc::new(Self { words, gate: Semaphore::new(0), arrived: Semaphore::new(0) });
        app.sim.set_faults(Some(hold.clone()));
        hold
    }
    /// Returns when one more command waits.
    pub async fn wait(&self) {
        self.arrived.acquire().await.unwrap().forget();
    }
    /// Lets all of them go on, and all that come.
    pub fn release(&self) {
        self.gate.close();
    }
}

#[async_trait]
impl Faults for Hold {
    async fn before(&self, _: &Hostname, cmd: &Cmd, _: bool) -> Option<Fault> {
        if cmd.to_string().contains(self.words) {
            self.arrived.add_permits(1);
            // Never a permit: it ends when the gate is closed.
            drop(self.gate.acquire().await);
        }
        None
    }
    async fn after(&self, _: &Hostname, _: &Cmd, _: bool) -> Option<Fault> {
        None
    }
}

/// Commands with these words fail, with other words.
pub struct Broken(pub &'static str, pub &'static str);

#[async_trait]
impl Faults for Broken {
    async fn before(&self, _: &Hostname, cmd: &Cmd, _: bool) -> Option<Fault> {
        cmd.to_string().contains(self.0).then(|| Fault::Fail(self.1.to_owned()))
    }
    async fn after(&self, _: &Hostname, _: &Cmd, _: bool) -> Option<Fault> {
        None
    }
}
