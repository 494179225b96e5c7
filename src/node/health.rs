//! Which nodes are well, as far as the work on them and the probes beside it have seen.
//!
//! This never decides whether a command is sent: it puts the hosts that answer first, and keeps new
//! bricks away from those that do not (docs/RELIABILITY.md).
use super::NodeError;
use crate::domain::Hostname;
use jiff::Timestamp;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::Notify;

/// What was seen of hosts since the server started.
#[derive(Debug, Default)]
pub struct Health {
    hosts: Mutex<HashMap<Hostname, Entry>>,
    /// Somebody fell ill: a probe should look soon.
    pub fell_ill: Notify,
    /// Somebody is well again: what waits for a node can go on.
    pub recovered: Notify,
}

/// How a host is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Why it is unwell, if it is.
    pub complaint: Option<String>,
    /// Since when it is as it is: when this was first seen.
    pub since: Timestamp,
    /// When it was seen last.
    pub seen: Timestamp,
}

/// What can be wrong with a host: each is only known to be over when it was looked at itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// The way to it: whether it answers at all.
    Way,
    /// Its glusterd.
    Glusterd,
}

#[derive(Debug)]
struct Entry {
    /// Of each part that has one; the first is told.
    complaints: BTreeMap<Part, String>,
    since: Timestamp,
    told: Timestamp,
    /// As `told`, by a clock that nobody sets.
    seen: Instant,
}

impl Entry {
    fn is_unwell(&self) -> bool {
        !self.complaints.is_empty()
    }
    /// An illness that nobody has seen for long is none any more.
    fn is_forgotten(&self) -> bool {
        self.is_unwell() && self.seen.elapsed() >= Health::REMEMBERED
    }
    fn condition(&self) -> Condition {
        let complaint = self.complaints.values().next().cloned();
        Condition { complaint, since: self.since, seen: self.told }
    }
}

impl Health {
    /// Nobody is kept away from work by what was true long ago: without a new failure or a probe
    /// that confirms it, a host counts as well again after this time.
    const REMEMBERED: Duration = Duration::from_mins(5);

    /// Learns from the end of a script. A command that fails has an answer: the node can be reached.
    pub fn learn(&self, host: &Hostname, error: Option<&NodeError>) {
        match error {
            Some(NodeError::Unreachable { why, .. }) => self.ill(host, Part::Way, why),
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
            ) => self.well(host, Part::Way),
        }
    }
    /// The host does not answer, or its glusterd does not.
    pub fn ill(&self, host: &Hostname, part: Part, why: &str) {
        if !self.saw(host, part, Some(why.to_owned())).0 {
            tracing::warn!(%host, why, "node is unwell: new bricks go elsewhere");
            self.fell_ill.notify_one();
        }
    }
    /// This of the host is as it should be.
    pub fn well(&self, host: &Hostname, part: Part) {
        if self.saw(host, part, None) == (true, false) {
            tracing::info!(%host, "node is well again");
            self.recovered.notify_one();
        }
    }
    /// Notes how a part of the host is; whether it was known to be unwell before, and is so now.
    fn saw(&self, host: &Hostname, part: Part, complaint: Option<String>) -> (bool, bool) {
        let now = Timestamp::now();
        let mut all = self.all();
        let before = all.get(host);
        let was_unwell = before.is_some_and(Entry::is_unwell);
        let before = before.filter(|before| !before.is_forgotten());
        let mut complaints = before.map(|entry| entry.complaints.clone()).unwrap_or_default();
        match complaint {
            Some(why) => drop(complaints.insert(part, why)),
            None => drop(complaints.remove(&part)),
        }
        let is_unwell = !complaints.is_empty();
        let since = before
            .filter(|before| before.is_unwell() == is_unwell)
            .map_or(now, |before| before.since);
        all.insert(host.clone(), Entry { complaints, since, told: now, seen: Instant::now() });
        (was_unwell, is_unwell)
    }
    /// Forgets hosts that are none of these.
    pub fn retain(&self, known: &BTreeSet<Hostname>) {
        self.all().retain(|host, _| known.contains(host));
    }
    /// The hosts that are unwell.
    #[must_use]
    pub fn unwell(&self) -> BTreeSet<Hostname> {
        let all = self.all();
        let unwell = all.iter().filter(|(_, entry)| entry.is_unwell() && !entry.is_forgotten());
        unwell.map(|(host, _)| host.clone()).collect()
    }
    /// How the host is; none when that is not known: nothing was asked of it since the server
    /// started, or what was wrong was so long ago that it does not count any more.
    #[must_use]
    pub fn of(&self, host: &Hostname) -> Option<Condition> {
        self.all().get(host).filter(|entry| !entry.is_forgotten()).map(Entry::condition)
    }
    fn all(&self) -> std::sync::MutexGuard<'_, HashMap<Hostname, Entry>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> Hostname {
        "n1".parse().unwrap()
    }
    fn unreachable() -> NodeError {
        NodeError::Unreachable { host: host(), why: "no route".into() }
    }

    #[test]
    fn since_is_the_first_time_and_why_the_last() {
        let health = Health::default();
        assert_eq!(health.of(&host()), None);
        health.learn(&host(), None);
        let well = health.of(&host()).unwrap();
        assert_eq!(well.complaint, None);
        health.learn(&host(), None);
        assert_eq!(health.of(&host()).unwrap().since, well.since);
        health.learn(&host(), Some(&unreachable()));
        let first = health.of(&host()).unwrap();
        assert!(first.since > well.since);
        health.ill(&host(), Part::Way, "no answer");
        let later = health.of(&host()).unwrap();
        assert_eq!((later.since, later.complaint.as_deref()), (first.since, Some("no answer")));
        assert!(later.seen > first.seen);
        assert_eq!(health.unwell(), BTreeSet::from([host()]));
        health.well(&host(), Part::Way);
        let again = health.of(&host()).unwrap();
        assert!(again.complaint.is_none() && again.since > later.since);
        assert!(health.unwell().is_empty());
        health.retain(&BTreeSet::new());
        assert_eq!(health.of(&host()), None);
    }

    /// A host that answers may have a glusterd that does not: it is not well again each time that
    /// any command comes back.
    #[test]
    fn a_host_that_answers_is_not_well_without_its_glusterd() {
        let health = Health::default();
        health.learn(&host(), None);
        health.ill(&host(), Part::Glusterd, "glusterd does not run");
        let first = health.of(&host()).unwrap();
        health.learn(&host(), None);
        health.ill(&host(), Part::Glusterd, "glusterd does not run");
        let later = health.of(&host()).unwrap();
        assert_eq!((later.since, later.complaint), (first.since, first.complaint));
        assert_eq!(health.unwell(), BTreeSet::from([host()]));
        // Both are wrong, and then one after the other is not.
        health.learn(&host(), Some(&unreachable()));
        assert_eq!(health.of(&host()).unwrap().complaint.as_deref(), Some("no route"));
        health.learn(&host(), None);
        assert_eq!(health.of(&host()).unwrap().since, first.since);
        health.well(&host(), Part::Glusterd);
        assert!(health.unwell().is_empty());
    }

    #[test]
    fn what_was_wrong_long_ago_is_not_known_any_more() {
        let health = Health::default();
        health.ill(&host(), Part::Way, "no route");
        let first = health.of(&host()).unwrap();
        let long_ago = Instant::now().checked_sub(Health::REMEMBERED).unwrap();
        health.all().get_mut(&host()).unwrap().seen = long_ago;
        assert!(health.unwell().is_empty());
        assert_eq!(health.of(&host()), None);
        health.ill(&host(), Part::Way, "no route");
        assert!(health.of(&host()).unwrap().since > first.since, "that is another illness");
    }
}
