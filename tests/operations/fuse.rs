//! Counts every effect that a server has, and ends the server at one of them.
use super::faults::can_hurt;
use async_trait::async_trait;
use brickyard::{
    domain::Hostname,
    node::{
        Cmd,
        sim::{Fault, Faults},
    },
    store::Witness,
};
use std::{
    future::pending,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::sync::{Notify, Semaphore};

/// What goes wrong with commands. They are counted from 0, probes and the lines of a gluster
/// session each for themselves.
#[derive(Clone, Debug)]
pub enum Trouble {
    None,
    /// This one fails and has no effect.
    Fails(usize),
    /// This one has its effect, but nobody hears of it.
    ReplyLost(usize),
    /// This one never arrives, but nobody can tell.
    RequestLost(usize),
    /// This node is gone from this command on.
    Gone(String, usize),
    /// All nodes are.
    AllGone(usize),
    /// Commands with these words fail.
    Broken(&'static str),
    /// Commands with these words fail on this node.
    BrokenOn(String, &'static str),
    /// Commands with these words wait for [`Fuse::release`].
    Held(&'static str),
    /// This one does, before its effect or after it.
    HeldAt {
        number: usize,
        after: bool,
    },
    /// After so many commits, the next one waits for [`Fuse::release`]: everybody can see it, and
    /// whoever made it does not know yet.
    CommitHeld(usize),
}

/// Sees the effects of one server: each can be its last.
pub struct Fuse {
    dies_at: usize,
    trouble: Mutex<Trouble>,
    effects: AtomicUsize,
    commands: AtomicUsize,
    /// Hosts and commands in their order, to tell which one hurts.
    pub log: Mutex<Vec<(String, String)>>,
    /// What the server was about to do, or had just done, when it died.
    pub last: Mutex<Option<String>>,
    pub died: Notify,
    /// One permit for each command that is being held.
    held: Semaphore,
    gate: Semaphore,
    pub committed: Notify,
}

impl Fuse {
    pub fn new(dies_at: Option<usize>, trouble: Trouble) -> Self {
        Self {
            dies_at: dies_at.unwrap_or(usize::MAX),
            trouble: Mutex::new(trouble),
            effects: AtomicUsize::new(0),
            commands: AtomicUsize::new(0),
            log: Mutex::default(),
            last: Mutex::default(),
            died: Notify::new(),
            held: Semaphore::new(0),
            gate: Semaphore::new(0),
            committed: Notify::new(),
        }
    }
    /// How many effects there were so far: as many crash points.
    pub fn effects(&self) -> usize {
        self.effects.load(Ordering::SeqCst)
    }
    pub fn is_blown(&self) -> bool {
        self.effects() > self.dies_at
    }
    pub fn set_trouble(&self, trouble: Trouble) {
        *self.trouble.lock().unwrap() = trouble;
    }

    /// Returns when so many commands are being held.
    pub async fn wait_held(&self, commands: u32) {
        self.held.acquire_many(commands).await.unwrap().forget();
    }
    /// Lets go of all commands that are being held, and holds no more.
    pub fn release(&self) {
        self.gate.close();
    }
    async fn hold_commit(&self) {
        let held = match &mut *self.trouble.lock().unwrap() {
            trouble @ Trouble::CommitHeld(0) => {
                *trouble = Trouble::None;
                true
            }
            Trouble::CommitHeld(others) => {
                *others -= 1;
                false
            }
            _ => false,
        };
        if held {
            self.held.add_permits(1);
            drop(self.gate.acquire().await);
        }
    }
    async fn hold(&self, cmd: &Cmd, is_after: bool) {
        let held = match *self.trouble.lock().unwrap() {
            Trouble::Held(words) => !is_after && cmd.to_string().contains(words),
            // Counted when it was begun.
            Trouble::HeldAt { number, after } => {
                is_after == after
                    && self.commands.load(Ordering::SeqCst) == number + usize::from(after)
            }
            _ => false,
        };
        if held {
            self.held.add_permits(1);
            // Never a permit: it ends when the gate is closed.
            drop(self.gate.acquire().await);
        }
    }

    /// Goes on, or never returns: neither here nor anywhere else in this server.
    async fn effect(&self, what: impl FnOnce() -> String) {
        let number = self.effects.fetch_add(1, Ordering::SeqCst);
        if number < self.dies_at {
            return;
        }
        if number == self.dies_at {
            *self.last.lock().unwrap() = Some(what());
            self.died.notify_one();
        }
        pending::<()>().await;
    }

    fn trouble(&self, host: &Hostname, cmd: &Cmd) -> Option<Fault> {
        let number = self.commands.fetch_add(1, Ordering::SeqCst);
        self.log.lock().unwrap().push((host.to_string(), cmd.to_string()));
        match &*self.trouble.lock().unwrap() {
            // What runs side by side does not come in the same order each time.
            Trouble::Fails(at) if number == *at && can_hurt(&cmd.to_string()) => {
                Some(Fault::Fail("injected failure".into()))
            }
            Trouble::ReplyLost(at) if number == *at => Some(Fault::ReplyLost),
            Trouble::RequestLost(at) if number == *at => Some(Fault::RequestLost),
            Trouble::AllGone(from) if number >= *from => Some(Fault::Unreachable),
            Trouble::Gone(gone, from) if number >= *from && gone == host.as_str() => {
                Some(Fault::Unreachable)
            }
            Trouble::Broken(words) if cmd.to_string().contains(words) => {
                Some(Fault::Fail(format!("{words} is broken")))
            }
            Trouble::BrokenOn(node, words)
                if node == host.as_str() && cmd.to_string().contains(words) =>
            {
                Some(Fault::Fail(format!("{words} is broken")))
            }
            _ => None,
        }
    }
}

#[async_trait]
impl Witness for Fuse {
    async fn before_commit(&self) {
        self.effect(|| "before a commit".into()).await;
    }
    async fn after_commit(&self) {
        self.effect(|| "after a commit".into()).await;
        self.hold_commit().await;
        self.committed.notify_one();
    }
}

#[async_trait]
impl Faults for Fuse {
    async fn before(&self, host: &Hostname, cmd: &Cmd, _: bool) -> Option<Fault> {
        self.effect(|| format!("before `{cmd}` on {host}")).await;
        self.hold(cmd, false).await;
        self.trouble(host, cmd)
    }
    async fn after(&self, host: &Hostname, cmd: &Cmd, _: bool) -> Option<Fault> {
        self.effect(|| format!("after `{cmd}` on {host}")).await;
        self.hold(cmd, true).await;
        None
    }
}
