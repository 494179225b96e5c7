//! Which nodes are unwell, as far as the work on them and the probes beside it have seen.
//!
//! This never decides whether a command is sent: it puts the hosts that answer first, and keeps new
//! bricks away from those that do not (docs/RELIABILITY.md).
use super::NodeError;
use crate::domain::Hostname;
use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::Notify;

/// What was seen of hosts. Only those that are unwell are remembered.
#[derive(Debug, Default)]
pub struct Health {
    unwell: Mutex<HashMap<Hostname, Illness>>,
    /// Somebody fell ill: a probe should look soon.
    pub fell_ill: Notify,
    /// Somebody is well again: what waits for a node can go on.
    pub recovered: Notify,
}

#[derive(Debug)]
struct Illness {
    /// When it was seen last.
    seen: Instant,
    why: String,
}

impl Health {
    /// Nobody is kept away from work by what was true long ago: without a new failure or a probe
    /// that confirms it, a host counts as well again after this time.
    const REMEMBERED: Duration = Duration::from_mins(5);

    /// Learns from the end of a script. A command that fails has an answer: the node is well.
    pub fn learn(&self, host: &Hostname, error: Option<&NodeError>) {
        match error {
            Some(NodeError::Unreachable { why, .. }) => self.ill(host, why),
            // A command that took too long tells nothing of the node: whether it can be reached,
            // the next one will find out.
            Some(
                NodeError::InDoubt { .. } | NodeError::WithoutEffect(_) | NodeError::Refused(_),
            ) => {}
            None
            | Some(
                NodeError::Failed { .. }
                | NodeError::Nonsense { .. }
                | NodeError::StillAtWork { .. },
            ) => self.well(host),
        }
    }
    /// The host does not answer, or its glusterd does not.
    pub fn ill(&self, host: &Hostname, why: &str) {
        let illness = Illness { seen: Instant::now(), why: why.to_owned() };
        if self.all().insert(host.clone(), illness).is_none() {
            tracing::warn!(%host, why, "node is unwell: new bricks go elsewhere");
            self.fell_ill.notify_one();
        }
    }
    /// The host answers.
    pub fn well(&self, host: &Hostname) {
        if self.all().remove(host).is_some() {
            tracing::info!(%host, "node is well again");
            self.recovered.notify_one();
        }
    }
    /// Forgets hosts that are none of these.
    pub fn retain(&self, known: &BTreeSet<Hostname>) {
        self.all().retain(|host, _| known.contains(host));
    }
    /// The hosts that are unwell.
    #[must_use]
    pub fn unwell(&self) -> BTreeSet<Hostname> {
        let all = self.all();
        let fresh = all.iter().filter(|(_, illness)| illness.seen.elapsed() < Self::REMEMBERED);
        fresh.map(|(host, _)| host.clone()).collect()
    }
    /// Why the host is unwell, if it is.
    #[must_use]
    pub fn complaint(&self, host: &Hostname) -> Option<String> {
        self.all().get(host).map(|illness| illness.why.clone())
    }
    fn all(&self) -> std::sync::MutexGuard<'_, HashMap<Hostname, Illness>> {
        self.unwell.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
