//! Simulated storage nodes behind the same door as real ones: a fake, not a mock.
//!
//! It keeps a small model of disks, LVM, mounts and gluster for each host and answers the very
//! commands that real nodes get, with their words. Tests put faults in its way; `--executor=sim`
//! serves people who want to try the product.
mod files;
mod gluster;
mod gluster_block;
mod locks;
mod lvm;
mod snapshot;
mod moves;
pub mod socket;
pub mod world;

use super::{
    Lap, Laps, NodeError, Pace, Ran, Remote, Result, Script, When,
    script::{Cmd, Line},
};
use crate::domain::{Hostname, Kib};
use async_trait::async_trait;
use locks::Locks;
use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use world::{Outcome, World};

/// How long simulated glusterds are waited for: they answer at once or never, so real patience
/// would only keep people waiting.
pub const PACE: Pace = Pace {
    busy_tries: 300,
    busy_pause: Duration::from_millis(100),
    looks: 24,
    look_pause: Duration::from_millis(100),
    heal_pause: Duration::from_secs(1),
    heal_looks: 360,
};

/// What can go wrong with a command on purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The command fails with these words and has no effect.
    Fail(String),
    /// The node cannot be reached.
    Unreachable,
    /// The command had its effect, but the answer got lost.
    ReplyLost,
    /// The command never arrived, but nobody can tell.
    RequestLost,
}

/// Decides before each command, and each line of a gluster session, whether something goes wrong,
/// and may keep it waiting for ever.
#[async_trait]
pub trait Faults: Send + Sync {
    /// Called before the effect; `changes` tells whether the script may change anything.
    async fn before(&self, host: &Hostname, cmd: &Cmd, changes: bool) -> Option<Fault>;
    /// Called after the effect, before the answer.
    async fn after(&self, host: &Hostname, cmd: &Cmd, changes: bool) -> Option<Fault>;
}

/// Simulated nodes: any host name is a node, any `/dev/...` path an empty disk.
pub struct Sim {
    world: Mutex<World>,
    faults: Mutex<Option<Arc<dyn Faults>>>,
    locks: Locks,
    file: Option<PathBuf>,
}

impl Sim {
    /// Nodes that live as long as this value, with disks of this size.
    #[must_use]
    pub fn new(disk: Kib) -> Self {
        Self::of(World::new(disk), None)
    }
    /// Nodes that are kept in a file, and survive the server as real ones do.
    ///
    /// # Errors
    /// The file exists and cannot be read.
    pub fn open(file: &Path, disk: Kib) -> io::Result<Self> {
        let world = match std::fs::read(file) {
            Ok(text) => serde_json::from_slice(&text)?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => World::new(disk),
            Err(e) => return Err(e),
        };
        Ok(Self::of(world, Some(file.into())))
    }
    fn of(world: World, file: Option<PathBuf>) -> Self {
        let (faults, locks) = (Mutex::default(), Locks::default());
        Self { world: Mutex::new(world), faults, locks, file }
    }
    /// The state of all nodes, to look at and to tamper with.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Lets something go wrong from now on, or nothing any more.
    pub fn set_faults(&self, faults: Option<Arc<dyn Faults>>) {
        *self.faults.lock().unwrap_or_else(PoisonError::into_inner) = faults;
    }

    /// Does what the command does on a real node, at once, and with no fault in its way: glusterd
    /// may still do what its command line has given up waiting for.
    ///
    /// # Errors
    /// The command's words of failure.
    pub fn execute(&self, host: &Hostname, cmd: &Cmd) -> Result<String, String> {
        let done = execute(&mut self.world(), host.as_str(), cmd);
        self.save();
        done
    }

    fn save(&self) {
        let Some(file) = &self.file else { return };
        // Held until the file is in place: two savers must not take turns on it.
        let world = self.world();
        let text = serde_json::to_vec(&*world).unwrap_or_default();
        let fresh = file.with_extension("new");
        let saved = std::fs::write(&fresh, text).and_then(|()| std::fs::rename(&fresh, file));
        if let Err(error) = saved {
            tracing::warn!(file = %file.display(), %error, "the simulated nodes could not be saved");
        }
    }
}

#[async_trait]
impl Remote for Sim {
    /// # Cancel safety
    /// Unlike on a real node the script ends where it is, and its lock is free: for tests in which
    /// node and server are one process. Behind [`socket`] it goes on.
    async fn run(&self, host: &Hostname, script: &Script) -> Result<Vec<Ran>> {
        self.run_timed(host, script, &Laps::default()).await
    }

    async fn run_timed(&self, host: &Hostname, script: &Script, laps: &Laps) -> Result<Vec<Ran>> {
        let changes = script.lock.is_some();
        let _held = match &script.lock {
            // Nobody gets as far as the lock of a node that is down.
            Some(name) if !self.world().down.contains(host.as_str()) => {
                let held = self.locks.take(host, name, script.number).await;
                if held.is_none() {
                    let why = "a later command for the same object came before".into();
                    let (host, command) = (host.clone(), script.brief());
                    return Err(NodeError::InDoubt { host, command, why });
                }
                held
            }
            _ => None,
        };
        let mut channel = Channel { sim: self, host, changes, begun: false };
        let mut all = vec![];
        laps.begin();
        for line in &script.lines {
            let (cmd, ran) = match channel.wanted(line).await? {
                Ok(false) => {
                    laps.lap(Lap::Skipped);
                    all.push(Ran::default());
                    continue;
                }
                Ok(true) => {
                    let ran = channel.command(&line.cmd).await?;
                    laps.lap(Lap::Ended(ran.status.unwrap_or(1)));
                    (line.cmd.clone(), ran)
                }
                Err((probe, ran)) => {
                    laps.lap(Lap::NoAnswer(ran.status.unwrap_or(1)));
                    (probe, ran)
                }
            };
            if changes {
                self.save();
            }
            if !ran.ok() && !line.may_fail {
                let (host, command) = (host.clone(), cmd.brief());
                let status = ran.status.unwrap_or(1);
                return Err(NodeError::Failed { host, command, status, stderr: ran.stderr });
            }
            all.push(ran);
        }
        Ok(all)
    }
}

/// One script on its way through one connection.
struct Channel<'a> {
    sim: &'a Sim,
    host: &'a Hostname,
    changes: bool,
    /// A connection that breaks after this leaves everybody in doubt.
    begun: bool,
}

impl Channel<'_> {
    /// Whether the line is to run; a probe that must not fail and does is the line's own failure.
    async fn wanted(&mut self, line: &Line) -> Result<Result<bool, (Cmd, Ran)>> {
        let Some(probe) = line.when.probe() else {
            return Ok(Ok(true));
        };
        let changes = std::mem::replace(&mut self.changes, false);
        let ran = self.command(probe).await;
        self.changes = changes;
        let ran = ran?;
        let printed = !ran.stdout.trim().is_empty();
        Ok(match line.when {
            When::Always => Ok(true),
            When::Succeeds(_) => Ok(ran.ok()),
            When::Fails(_) => Ok(!ran.ok()),
            When::Prints(_) if ran.ok() => Ok(printed),
            When::PrintsNothing(_) if ran.ok() => Ok(!printed),
            When::Prints(_) | When::PrintsNothing(_) => Err((probe.clone(), ran)),
        })
    }

    /// The lines of a session are effects of their own: it can be cut off between any two.
    async fn command(&mut self, cmd: &Cmd) -> Result<Ran> {
        if cmd.stdin.len() < 2 {
            return self.effect(cmd).await;
        }
        let mut printed = String::new();
        for line in &cmd.stdin {
            let one = Cmd { stdin: vec![line.clone()], ..cmd.clone() };
            let ran = self.effect(&one).await?;
            printed += &ran.stdout;
            if !ran.ok() {
                return Ok(Ran { stdout: printed, ..ran });
            }
        }
        Ok(Ran { status: Some(0), stdout: printed, stderr: String::new() })
    }

    async fn effect(&mut self, cmd: &Cmd) -> Result<Ran> {
        let (sim, host, changes) = (self.sim, self.host, self.changes);
        let faults = sim.faults.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if sim.world().down.contains(host.as_str()) {
            return Err(self.unreachable(cmd));
        }
        if let Some(faults) = &faults {
            match faults.before(host, cmd, changes).await {
                None => {}
                Some(Fault::Fail(stderr)) => {
                    self.begun = true;
                    return Ok(failed(&stderr));
                }
                Some(Fault::Unreachable) => return Err(self.unreachable(cmd)),
                Some(Fault::RequestLost) => return Err(lost(host, cmd)),
                Some(Fault::ReplyLost) => {
                    drop(execute(&mut sim.world(), host.as_str(), cmd));
                    return Err(lost(host, cmd));
                }
            }
        }
        self.begun = true;
        let ran = match execute(&mut sim.world(), host.as_str(), cmd) {
            Ok(stdout) => Ran { status: Some(0), stdout, stderr: String::new() },
            // gluster-block tells its failures where it tells everything else.
            Err(stdout) if stdout.starts_with('{') => {
                Ran { status: Some(2), stdout, stderr: String::new() }
            }
            Err(stderr) => failed(&stderr),
        };
        if let Some(faults) = &faults
            && let Some(fault) = faults.after(host, cmd, changes).await
        {
            return match fault {
                Fault::Fail(stderr) => Ok(failed(&stderr)),
                Fault::Unreachable | Fault::ReplyLost | Fault::RequestLost => Err(lost(host, cmd)),
            };
        }
        Ok(ran)
    }

    /// A node that is gone in the middle of a script may have done any part of it.
    fn unreachable(&self, cmd: &Cmd) -> NodeError {
        if self.begun {
            return lost(self.host, cmd);
        }
        let why = "simulated: the node is down".into();
        NodeError::Unreachable { host: self.host.clone(), why }
    }
}

/// Does what the command does on a real node.
fn execute(world: &mut World, host: &str, cmd: &Cmd) -> Outcome {
    let argv: Vec<&str> = cmd.argv.iter().map(String::as_str).collect();
    let disk = world.disk;
    match argv.as_slice() {
        ["gluster", rest @ ..] => gluster::execute(world, host, rest, &cmd.stdin),
        ["gluster-block", rest @ ..] => gluster_block::execute(world, host, rest),
        ["test", "-d", path] if path.ends_with("/.glusterfs/00") => {
            let started = world.in_use(path.trim_end_matches("/brick/.glusterfs/00"));
            if started { Ok(String::new()) } else { Err(String::new()) }
        }
        ["test", "-d", path] if path.ends_with("/block-meta") => {
            let of = format!(":{}", path.trim_end_matches("/block-meta"));
            let has = |v: &world::Volume| v.bricks.iter().any(|brick| brick.ends_with(&of));
            let hosts = |v: &world::Volume| world.block_volumes.iter().any(|b| b.hosting == v.name);
            let found = world.volumes.iter().any(|volume| has(volume) && hosts(volume));
            if found { Ok(String::new()) } else { Err(String::new()) }
        }
        ["mkdir", .., path] if path.ends_with("/.glusterfs") => Ok(String::new()),
        ["sync", "-f", crate::node::gluster::STATE] => {
            world.flush_glusterd(host);
            Ok(String::new())
        }
        ["mv", "-T", _, path] => {
            world.marked.remove(*path);
            files::execute(world.nodes.entry(host.to_owned()).or_default(), &argv)
        }
        ["umount", path] if world.in_use(path) => Err(format!("umount: {path}: target is busy.")),
        other => {
            let node = world.nodes.entry(host.to_owned()).or_default();
            match other {
                ["/usr/sbin/lvm", rest @ ..] => lvm::execute(node, disk, rest),
                other => files::execute(node, other),
            }
        }
    }
}

fn failed(stderr: &str) -> Ran {
    let status = if stderr.ends_with(": command not found") { 127 } else { 1 };
    Ran { status: Some(status), stdout: String::new(), stderr: stderr.to_owned() }
}
fn lost(host: &Hostname, cmd: &Cmd) -> NodeError {
    let why = "simulated: the answer was lost".into();
    NodeError::InDoubt { host: host.clone(), command: cmd.to_string(), why }
}
