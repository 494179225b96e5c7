//! The only door to the storage nodes.
//!
//! A step asks a tool (`lvm`, `xfs`, `gluster` ...) for commands, puts them into one [`Script`],
//! and sends it through a [`Remote`]: real nodes over SSH, or simulated ones.
pub mod activity;
pub mod clone;
pub mod fstab;
pub mod gluster;
pub mod gluster_block;
pub mod health;
mod hear;
pub mod kube;
mod lanes;
pub mod laps;
mod link;
pub mod lvm;
pub mod mount;
pub mod names;
mod render;
pub mod script;
pub mod sim;
pub mod ssh;
pub mod stock;
pub mod survey;
pub mod xfs;

use crate::{
    domain::{ClusterId, Hostname, OperationId},
    metrics::CommandTimes,
};
use activity::{Activity, Running};
use async_trait::async_trait;
use health::Health;
pub use laps::{Lap, Laps};
pub use script::{Cmd, Lane, Ran, Script, When};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// Why a script on a node did not end well.
#[derive(Clone, Debug, Serialize, Deserialize, thiserror::Error)]
pub enum NodeError {
    /// A command ran and failed: nothing after it was started.
    #[error("{stderr} (`{command}` on {host} ended with exit status {status})")]
    Failed {
        /// The node.
        host: Hostname,
        /// The command, quoted as a shell would take it.
        command: String,
        /// Its exit status.
        status: i32,
        /// What it said, trimmed.
        stderr: String,
    },
    /// Sent, but the end is unknown: it may have happened, or may still be happening.
    #[error("{host}: {why}; the command may have taken effect: {command}")]
    InDoubt {
        /// The node.
        host: Hostname,
        /// What was being run.
        command: String,
        /// What went wrong.
        why: String,
    },
    /// Nothing was started: an earlier script of the same lock is still at work there.
    #[error("{host}: an earlier command for the same object is still at work; not done: {command}")]
    StillAtWork {
        /// The node.
        host: Hostname,
        /// What was to be run.
        command: String,
    },
    /// The node could not be reached: nothing was started.
    #[error("{host} cannot be reached: {why}")]
    Unreachable {
        /// The node.
        host: Hostname,
        /// What went wrong.
        why: String,
    },
    /// A command ended well but its answer makes no sense to us.
    #[error("{host}: unexpected answer of `{command}`: {why}")]
    Nonsense {
        /// The node.
        host: Hostname,
        /// The command.
        command: String,
        /// What was expected and what came.
        why: String,
    },
    /// What is on the node forbids going on.
    #[error("{0}")]
    Refused(String),
    /// It failed, and the node was asked afterwards: nothing of it has happened.
    #[error("{0}")]
    WithoutEffect(Box<NodeError>),
}

impl NodeError {
    /// Whether the command's own words contain the text, in any case.
    #[must_use]
    pub fn says(&self, text: &str) -> bool {
        matches!(self, Self::Failed { stderr, .. }
            if stderr.to_ascii_lowercase().contains(&text.to_ascii_lowercase()))
    }
    /// Nothing of it has happened, however often it was tried.
    #[must_use]
    pub fn is_without_effect(&self) -> bool {
        matches!(self, Self::WithoutEffect(_))
    }
    /// It was not done because of what is there: trying again at once is in vain.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Refused(_) | Self::StillAtWork { .. } => true,
            Self::WithoutEffect(error) => error.is_refusal(),
            _ => false,
        }
    }
    /// Nothing was started on the node.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }
}

/// A result of work on a node.
pub type Result<T, E = NodeError> = std::result::Result<T, E>;

/// One way to reach nodes. Implementations are interchangeable: what holds on simulated nodes is
/// expected to hold on real ones.
#[async_trait]
pub trait Remote: Send + Sync {
    /// Runs the script on the node `host` (its first management name) as root.
    ///
    /// Returns one [`Ran`] for each command, in order.
    ///
    /// # Errors
    /// [`NodeError`]; the first command that fails and is not allowed to ends the script.
    ///
    /// # Cancel safety
    /// Dropping the future does not stop what was started on the node.
    async fn run(&self, host: &Hostname, script: &Script) -> Result<Vec<Ran>>;

    /// The same, and tells when each command has ended, where that can be known.
    ///
    /// # Errors
    /// As [`Remote::run`].
    ///
    /// # Cancel safety
    /// As [`Remote::run`].
    async fn run_timed(&self, host: &Hostname, script: &Script, _laps: &Laps) -> Result<Vec<Ran>> {
        self.run(host, script).await
    }

    /// Makes sure that the node can be reached, without asking it for anything.
    ///
    /// # Errors
    /// [`NodeError::Unreachable`].
    async fn reach(&self, _host: &Hostname) -> Result<()> {
        Ok(())
    }
}

/// How commands on nodes are built: the settings of `sshexec` that concern all executors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tools {
    /// File that holds the mounts of bricks.
    pub fstab: String,
    /// Mount options of bricks.
    pub mount_options: String,
    /// Put before `/usr/sbin/lvm`, for nodes whose LVM lives outside of the container.
    pub lvm_wrapper: Option<String>,
    /// `pvcreate --dataalignment`.
    pub data_alignment: String,
    /// `vgcreate --physicalextentsize`.
    pub extent_size: String,
    /// `lvcreate --chunksize` of data bricks.
    pub chunk_size: String,
    /// Stripe unit and width of XFS, when both are set.
    pub xfs_stripe: Option<(u32, u32)>,
    /// Whether LVM keeps backups of its metadata in files.
    pub backup_lvm_metadata: bool,
    /// `gluster --timeout`, seconds.
    pub gluster_timeout: u32,
    /// `snap-max-hard-limit`, set on each peer probe when above 0.
    pub snapshot_limit: u32,
    /// `gluster-block create ... prealloc`: `full`, or `no` for files that grow as they are used.
    pub block_prealloc: String,
    /// After this time a node ends a command that has no limit of its own.
    pub command_timeout: Duration,
}

impl Default for Tools {
    /// The defaults of config.md 1.3.
    fn default() -> Self {
        Self {
            fstab: "/etc/fstab".into(),
            mount_options: "rw,inode64,noatime,nouuid".into(),
            lvm_wrapper: None,
            data_alignment: "256K".into(),
            extent_size: "4M".into(),
            chunk_size: "256K".into(),
            xfs_stripe: None,
            backup_lvm_metadata: false,
            gluster_timeout: 600,
            snapshot_limit: 0,
            block_prealloc: "full".into(),
            command_timeout: script::USUAL_LIMIT,
        }
    }
}

/// How long gluster is waited for when it cannot answer yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Another administrator's command may hold glusterd's lock: ask again so often (gluster's own
    /// transactions end after 600 s at the most) ...
    pub busy_tries: u32,
    /// ... after this pause.
    pub busy_pause: Duration,
    /// A command whose end gluster does not know may still make the volume: look so often ...
    pub looks: u32,
    /// ... after this pause.
    pub look_pause: Duration,
    /// Files that wait to be healed are counted again after this pause ...
    pub heal_pause: Duration,
    /// ... and are not waited for any longer when there have been no fewer for so many looks.
    pub heal_looks: u32,
}

impl Default for Pace {
    fn default() -> Self {
        let (busy_pause, look_pause) = (Duration::from_secs(2), Duration::from_secs(5));
        // An hour without a single file healed: a person has to look.
        let (heal_pause, heal_looks) = (Duration::from_secs(10), 360);
        Self { busy_tries: 300, busy_pause, looks: 24, look_pause, heal_pause, heal_looks }
    }
}

/// The nodes as steps see them: a way to run scripts, and the rules for using it.
#[derive(Clone)]
pub struct Nodes {
    remote: Arc<dyn Remote>,
    tools: Arc<Tools>,
    pace: Pace,
    queues: Arc<Mutex<HashMap<ClusterId, Arc<tokio::sync::Mutex<()>>>>>,
    activity: Activity,
    health: Arc<Health>,
    times: CommandTimes,
    /// Of the last script that changes anything.
    number: Arc<AtomicU64>,
    /// Whose work goes through this handle.
    caller: Option<OperationId>,
    /// Hosts that nobody waits for any more.
    given_up: Arc<BTreeSet<Hostname>>,
    /// All hosts of the pool that is worked on, where somebody may have to ask all of them.
    members: Arc<[Hostname]>,
    /// Cancelled when nobody is to wait for better times any more.
    ending: CancellationToken,
}

impl Nodes {
    /// Nodes behind this door, commanded with these settings.
    #[must_use]
    pub fn new(remote: Arc<dyn Remote>, tools: Tools) -> Self {
        Self {
            remote,
            tools: Arc::new(tools),
            pace: Pace::default(),
            queues: Arc::default(),
            activity: Activity::default(),
            health: Arc::default(),
            times: CommandTimes::default(),
            number: Arc::default(),
            caller: None,
            given_up: Arc::default(),
            members: Arc::default(),
            ending: CancellationToken::new(),
        }
    }
    /// The same, waiting for gluster in another way.
    #[must_use]
    pub fn paced(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }
    /// The same for a server of this epoch, see [`Script::number`]. A million scripts a second
    /// would have to be sent to run into the numbers of the next epoch.
    #[must_use]
    pub fn since(self, epoch: u64) -> Self {
        self.number.store(epoch << 20, Ordering::SeqCst);
        self
    }
    /// The same for the work of an operation, which waits for better times until `ending`.
    #[must_use]
    pub fn of(&self, operation: OperationId, ending: &CancellationToken) -> Self {
        Self { caller: Some(operation), ending: ending.clone(), ..self.clone() }
    }
    /// The same, when these hosts are given up.
    #[must_use]
    pub fn giving_up(mut self, hosts: BTreeSet<Hostname>) -> Self {
        self.given_up = Arc::new(hosts);
        self
    }
    /// The same, where these are all hosts of the pool that is worked on.
    #[must_use]
    pub fn pooled(mut self, members: Vec<Hostname>) -> Self {
        self.members = members.into();
        self
    }
    /// All hosts of the pool that is worked on; none where nobody has to ask all of them.
    #[must_use]
    pub fn members(&self) -> &[Hostname] {
        &self.members
    }
    /// Whether this host does not answer, and need not: what is on it counts as lost.
    #[must_use]
    pub fn is_lost(&self, host: &Hostname, error: &NodeError) -> bool {
        error.is_unreachable() && self.given_up.contains(host)
    }
    /// How long gluster is waited for.
    #[must_use]
    pub fn pace(&self) -> Pace {
        self.pace
    }
    /// How commands are built.
    #[must_use]
    pub fn tools(&self) -> &Tools {
        &self.tools
    }
    /// Which nodes are unwell.
    #[must_use]
    pub fn health(&self) -> &Health {
        &self.health
    }
    /// How long commands take.
    #[must_use]
    pub fn times(&self) -> &CommandTimes {
        &self.times
    }
    /// The scripts that nodes are working on for this operation.
    #[must_use]
    pub fn working_for(&self, operation: OperationId) -> Vec<Running> {
        self.activity.of(operation)
    }
    /// Tells people how many files the operation waits for to be healed; none when it does not.
    pub fn note_healing(&self, files: Option<u64>) {
        if let Some(operation) = self.caller {
            self.activity.note_healing(operation, files);
        }
    }
    /// How many files this operation waits for to be healed, if it does.
    #[must_use]
    pub fn healing_for(&self, operation: OperationId) -> Option<u64> {
        self.activity.healing(operation)
    }
    /// Waits before something is tried again; false when it is not to be tried again, since the
    /// server ends.
    pub async fn pause(&self, time: Duration) -> bool {
        tokio::select! {
            () = tokio::time::sleep(time) => !self.ending.is_cancelled(),
            () = self.ending.cancelled() => false,
        }
    }
    /// Runs a script on one node.
    ///
    /// # Errors
    /// As [`Remote::run`].
    pub async fn run(&self, host: &Hostname, script: &Script) -> Result<Vec<Ran>> {
        let started = Instant::now();
        let mut script = script.clone().limited(self.tools.command_timeout);
        script.number = self.number.fetch_add(1, Ordering::SeqCst) + 1;
        let entry = self.activity.begin(self.caller, host, script.brief());
        let laps = Laps::default();
        let result = self.remote.run_timed(host, &script, &laps).await;
        drop(entry);
        laps.count(&script, result.as_ref().err(), &self.times);
        self.health.learn(host, result.as_ref().err());
        let elapsed_ms = started.elapsed().as_millis();
        match &result {
            Ok(_) => tracing::debug!(%host, script = %script, elapsed_ms, "ran on node"),
            Err(error) => {
                tracing::info!(%host, script = %script, elapsed_ms, %error, "failed on node");
            }
        }
        result
    }
    /// These hosts, those that are well first.
    #[must_use]
    pub fn well_first<'a>(&self, hosts: &'a [Hostname]) -> Vec<&'a Hostname> {
        let unwell = self.health.unwell();
        let mut sorted: Vec<_> = hosts.iter().collect();
        sorted.sort_by_key(|host| unwell.contains(*host));
        sorted
    }
    /// Runs a script on the first of these nodes that can be reached, those that are well first.
    ///
    /// Only a node where nothing was started is passed over: gluster's answer is the same on every
    /// node of a pool, so a command that failed is not tried elsewhere.
    ///
    /// # Errors
    /// As [`Remote::run`]; the last node's error when none can be reached.
    pub async fn run_on_any(
        &self,
        hosts: &[Hostname],
        script: &Script,
    ) -> Result<(Hostname, Vec<Ran>)> {
        let mut last = no_hosts();
        for host in self.well_first(hosts) {
            match self.run(host, script).await {
                Err(error) if error.is_unreachable() => last = error,
                other => return other.map(|ran| (host.clone(), ran)),
            }
        }
        Err(last)
    }
    /// Connects to the first of these nodes that can be reached, those that are well first: before
    /// a turn is taken, so that nobody waits behind a dial.
    ///
    /// # Errors
    /// The last node's error when none can be reached.
    pub async fn reach_any(&self, hosts: &[Hostname]) -> Result<()> {
        let mut last = no_hosts();
        for host in self.well_first(hosts) {
            match self.remote.reach(host).await {
                Ok(()) => return Ok(()),
                Err(error) => {
                    self.health.learn(host, Some(&error));
                    last = error;
                }
            }
        }
        Err(last)
    }
    /// Waits for the turn to change a gluster pool: glusterd takes one transaction at a time.
    ///
    /// The turn ends when the returned guard is dropped.
    pub async fn turn(&self, cluster: ClusterId) -> tokio::sync::OwnedMutexGuard<()> {
        let queue = {
            let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
            queues.entry(cluster).or_default().clone()
        };
        queue.lock_owned().await
    }
}

fn no_hosts() -> NodeError {
    NodeError::Refused("no hosts available (0 total)".into())
}
