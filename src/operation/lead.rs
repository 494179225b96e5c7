//! Operations that are done by others: a device is removed by moving one brick after another.
//!
//! There is nothing to journal: what is left to do is seen from the rows. So a removal goes on after
//! any crash, each move has its own point of no return, and what has been moved stays moved.
//!
//! ```text
//! needs? -> begin as many as may run side by side -> wait for one of them -> needs? ... -> commit
//! ```
use super::{
    Any, Operation, Operations,
    drivers::{Driving, Hold},
    journal::Record,
};
use crate::{
    domain::OperationId,
    error::{Error, Result},
    store::operations::{self, OpState},
};
use futures_util::future::select_all;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// What a leading operation still needs.
#[derive(Default)]
pub(crate) struct Needs {
    /// What can be begun.
    pub(crate) next: Vec<Need>,
    /// What others have at present, and who.
    pub(crate) held: Vec<(OperationId, String)>,
    /// So many may run side by side.
    pub(crate) at_once: usize,
}

/// One operation that is to be done by the way.
pub(crate) struct Need {
    /// What it is about, in words.
    pub(crate) what: String,
    /// Of those that have this in common only one can run.
    pub(crate) claim: String,
    pub(crate) operation: Any,
}

/// What happens next.
enum Turn {
    /// Something runs: it is waited for.
    Wait,
    /// Nothing can be begun now, but perhaps in a moment.
    Pause,
    /// Nothing is left to be done.
    Done,
    /// Something cannot be done at all.
    Fail(String),
    /// Something cannot be brought to an end now.
    Stick(String),
}

/// Words about each thing that did not go well.
pub(crate) type Failures = BTreeMap<String, String>;

/// One operation while it leads others. Nothing of it need survive a crash.
struct Lead<'a> {
    all: &'a Operations,
    id: OperationId,
    /// What is waited for, and what it is about.
    running: BTreeMap<OperationId, String>,
    /// Those of them that this one began; others have what it needs.
    ours: BTreeSet<OperationId>,
    /// Those that were stuck, and have been tried again.
    tried: BTreeSet<OperationId>,
    failed: Failures,
    stuck: Failures,
    /// How often in a row nothing could be begun.
    in_vain: u32,
}

impl Operations {
    /// Drives an operation until it rests or the server ends; one that leads others, with them.
    pub(super) async fn bring_to_rest(&self, mut hold: Hold) {
        let mut pause = Duration::from_millis(500);
        while let Err(error) = self.lead(&mut hold).await {
            tracing::error!(operation = %hold.id, %error, "the operation cannot go on");
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.runner.ending.cancelled() => return,
            }
            pause = (pause * 2).min(Duration::from_mins(1));
        }
        self.runner.drive_to_rest(hold).await;
    }

    /// Returns when nothing is left to be done by others, when that is in vain, or when the server
    /// ends.
    async fn lead(&self, hold: &mut Hold) -> Result<()> {
        let Some(record) = self.runner.load(hold.id).await? else { return Ok(()) };
        if !record.operation.leads() || record.state != OpState::Running {
            return Ok(());
        }
        // It only waits: others can go ahead meanwhile.
        hold.lend();
        let mut lead = Lead::new(self, hold.id);
        loop {
            if self.runner.ending.is_cancelled() {
                return Ok(());
            }
            if hold.called_off.is_cancelled() {
                lead.call_off().await;
                return Ok(());
            }
            match lead.turn(&record).await? {
                Turn::Wait => lead.wait(hold).await,
                Turn::Pause => {
                    self.nodes().pause(self.nodes().pace().busy_pause).await;
                }
                Turn::Done => return Ok(()),
                Turn::Fail(why) => {
                    return self.runner.turn_back(&record, &[], &[], (None, &why)).await;
                }
                Turn::Stick(why) => return self.runner.stick_leading(&record, &why).await,
            }
        }
    }
}

impl<'a> Lead<'a> {
    /// What it began before the server was restarted is to it like the work of others: taken back by
    /// the restart, it proves nothing, and is begun again.
    fn new(all: &'a Operations, id: OperationId) -> Self {
        Self {
            all,
            id,
            running: BTreeMap::new(),
            ours: BTreeSet::new(),
            tried: BTreeSet::new(),
            failed: Failures::new(),
            stuck: Failures::new(),
            in_vain: 0,
        }
    }

    async fn turn(&mut self, record: &Record) -> Result<Turn> {
        self.collect().await?;
        let needs = {
            let mut tx = self.all.runner.store.read().await?;
            match record.operation.needs(&mut tx, self.id).await {
                Ok(needs) => needs,
                Err(error @ Error::Store(_)) => return Err(error),
                Err(error) => return Ok(Turn::Fail(error.to_string())),
            }
        };
        let done = needs.next.is_empty() && needs.held.is_empty();
        for (holder, what) in needs.held {
            self.wait_for(holder, what).await?;
        }
        let refused = self.begin(needs.next, needs.at_once).await?;
        Ok(if !self.running.is_empty() {
            Turn::Wait
        } else if refused {
            Turn::Pause
        } else if !self.stuck.is_empty() {
            Turn::Stick(lines(&self.stuck))
        } else if !self.failed.is_empty() {
            Turn::Fail(record.operation.failed(&self.failed))
        } else if done {
            Turn::Done
        } else if self.in_vain > self.all.nodes().pace().busy_tries {
            Turn::Stick("other operations have what is left and do not go on".into())
        } else {
            Turn::Pause
        })
    }

    /// Learns what became of those that do not run any more.
    async fn collect(&mut self) -> Result<()> {
        let at_rest = |id: &&OperationId| self.all.runner.drivers.driving(**id) == Driving::Not;
        let ended: Vec<_> = self.running.keys().filter(at_rest).copied().collect();
        for id in ended {
            let mut tx = self.all.runner.store.read().await?;
            let progress = operations::progress(&mut tx, id).await?;
            drop(tx);
            let Some(what) = self.running.remove(&id) else { continue };
            let Some(progress) = progress else { continue };
            let why = progress.error.unwrap_or_default();
            match progress.state {
                OpState::Failed if self.ours.contains(&id) => {
                    self.failed.insert(what, why);
                }
                OpState::Stuck => {
                    self.stuck.insert(what, why);
                }
                // The others: at rest, or to be taken up by whoever needs them.
                _ => {}
            }
        }
        Ok(())
    }

    /// Waits for an operation that has what is needed; one that is stuck is tried again, once.
    async fn wait_for(&mut self, holder: OperationId, what: String) -> Result<()> {
        let driven = self.all.runner.drivers.driving(holder) != Driving::Not;
        if driven || self.tried.insert(holder) {
            if !driven {
                self.all.again(holder).await?;
            }
            // One may have several things: it is named after the one that it was begun for.
            self.running.entry(holder).or_insert(what);
        }
        Ok(())
    }

    /// Begins what can be begun; whether something that was wanted could not.
    async fn begin(&mut self, wanted: Vec<Need>, at_once: usize) -> Result<bool> {
        let mut begun = BTreeSet::new();
        let (mut refused, mut some) = (None, false);
        for need in wanted {
            let Need { what, claim, mut operation } = need;
            let known = self.failed.contains_key(&what) || self.stuck.contains_key(&what);
            if known || self.running.len() >= at_once || begun.contains(&claim) {
                continue;
            }
            // Held before it can be seen, like any other: another removal may need the same volume.
            let mut hold = self.all.runner.drivers.hold_new(None);
            let id = hold.id;
            match self.all.accept(&mut hold, &mut operation, Some(self.id)).await {
                Ok(()) => {
                    self.all.drive_held(hold);
                    self.running.insert(id, what);
                    self.ours.insert(id);
                    begun.insert(claim);
                    some = true;
                }
                Err(error @ Error::Store(_)) => return Err(error),
                Err(error) => refused = Some((what, error.to_string())),
            }
        }
        self.in_vain = if some { 0 } else { self.in_vain + 1 };
        let Some((what, why)) = refused else { return Ok(false) };
        // Somebody was faster; but not for ever.
        if self.in_vain > self.all.nodes().pace().busy_tries {
            self.failed.insert(what, why);
        }
        Ok(true)
    }

    /// Until one of them is at rest, or there is a reason not to wait.
    async fn wait(&self, hold: &Hold) {
        let drivers = &self.all.runner.drivers;
        let gone = select_all(self.running.keys().map(|id| Box::pin(drivers.gone(*id))));
        tokio::select! {
            _ = gone => {}
            () = hold.called_off.cancelled() => {}
            () = self.all.runner.ending.cancelled() => {}
        }
    }

    /// What it began is called off as well, as far as that is possible; the rest comes to its end
    /// by itself.
    async fn call_off(&self) {
        for id in self.running.keys().filter(|id| self.ours.contains(id)) {
            if let Err(error) = self.all.cancel(*id).await {
                tracing::info!(operation = %id, %error, "goes on by itself");
            }
        }
    }
}

/// Each failure in a line of its own.
pub(super) fn lines(failures: &Failures) -> String {
    let lines: Vec<_> = failures.iter().map(|(what, why)| format!("{what}: {why}")).collect();
    lines.join("\n")
}
