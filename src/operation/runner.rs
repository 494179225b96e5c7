//! Drives one operation to rest. The same loop serves the first run and every recovery.
//!
//! ```text
//! intent (tx) -> node -> result, written with the next intent (tx)
//! ```
//! No transaction is open while a node works. The first intent may be in the commit that accepts the
//! operation ([`write_plan`]); `stage.rs` has one stage, and what is written down before it;
//! `results.rs` why results may wait, and what a crash takes of them.
use super::{
    Operation, Plan, Planning, Settings,
    drivers::{Drivers, Hold},
    journal::{Next, Record},
    step::{Step, Way},
};
use crate::{
    domain::{NodeId, OperationId},
    error::{Error, Result},
    metrics::{Ending, OperationTimes},
    node::{NodeError, Nodes},
    store::{
        Store, WriteTx, now,
        operations::{self, OpState, StepState},
    },
};
use std::{sync::Arc, time::Duration};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// What to do with an operation that a restart found before its point of no return.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnRestart {
    /// Take it back, as Heketi does: its client has long asked again.
    #[default]
    Unwind,
    /// Finish it.
    Resume,
}

/// What an operation needs to be driven.
#[derive(Clone)]
pub(super) struct Runner {
    pub(super) store: Store,
    pub(super) nodes: Nodes,
    pub(super) settings: Arc<Settings>,
    /// Cancelled when the server is to end: steps that run are waited for, no more are begun.
    pub(super) ending: CancellationToken,
    /// Who drives what.
    pub(super) drivers: Drivers,
    /// An operation got stuck: the cleaner has something to look forward to.
    pub(super) stuck: Arc<Notify>,
    /// How operations end, and after which time.
    pub(super) times: OperationTimes,
}

impl Runner {
    /// Brings the operation to rest, or to the end of its present stage when the server ends.
    ///
    /// # Errors
    /// The database failed; the operation is where its record says.
    ///
    /// # Cancel safety
    /// Dropping the future is like a crash: the next drive goes on from the record.
    async fn drive(&self, hold: &mut Hold) -> Result<()> {
        loop {
            let Some(mut record) = self.load(hold.id).await? else { return Ok(()) };
            hold.results.show_in(&mut record);
            let next = record.next();
            let ending = self.ending.is_cancelled();
            if ending || !matches!(next, Next::Run(_) | Next::Commit) {
                // No intent that would take it along follows.
                self.write_results(hold).await?;
                hold.begun = false;
            }
            if next == Next::Rest && hold.moved {
                self.rested(hold, &record);
            }
            if next == Next::Rest || ending {
                return Ok(());
            }
            hold.moved = true;
            match next {
                Next::Rest => {}
                Next::Abandon => self.finish(&record, OpState::Failed, Some(ABANDONED)).await?,
                Next::Run(steps) => self.run(hold, &record, &steps).await?,
                Next::Undo(steps) => {
                    // Taking back may have to wait for a node that is away.
                    hold.lend();
                    self.undo(hold, &record, &steps).await?;
                }
                Next::Commit => self.commit(hold, &record).await?,
                Next::Release => self.release(&record).await?,
            }
        }
    }

    /// Counts how the operation ended, and how long it took since it was accepted: to the second
    /// when that was long ago, and exactly when it has been held since then.
    fn rested(&self, hold: &mut Hold, record: &Record) {
        let ending = match record.state {
            OpState::Done => Ending::Done,
            OpState::Stuck => Ending::Stuck,
            _ => Ending::Failed,
        };
        let whole = u64::try_from(now().saturating_sub(record.created_at)).unwrap_or(0);
        let after = hold.since.elapsed().max(Duration::from_secs(whole.saturating_sub(1)));
        self.times.ended(record.operation.kind(), ending, after);
        hold.moved = false;
    }

    /// Drives until the operation rests or the server ends. When the database fails, the operation
    /// waits for better times: its record says where it is.
    pub(super) async fn drive_to_rest(&self, mut hold: Hold) {
        let id = hold.id;
        let mut pause = Duration::from_millis(500);
        while let Err(error) = self.drive(&mut hold).await {
            tracing::error!(operation = %id, %error, "the operation cannot go on");
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.ending.cancelled() => return,
            }
            pause = (pause * 2).min(Duration::from_mins(1));
        }
    }

    pub(super) async fn load(&self, id: OperationId) -> Result<Option<Record>> {
        let row = operations::load(&mut *self.store.ask().await?, id).await?;
        row.map(Record::of_row).transpose()
    }

    /// Before the point of no return everything is taken back; after it, it is tried again later.
    ///
    /// Steps that had no effect, or never reached their node, need no undoing, which would need
    /// that node as well; and they are no point of no return.
    pub(super) async fn turn_back(
        &self,
        record: &Record,
        begun: &[usize],
        untouched: &[usize],
        (blamed, error): (Option<NodeId>, &str),
    ) -> Result<()> {
        let mut after = record.clone();
        for &seq in begun {
            after.steps[seq].state = StepState::Running;
        }
        for &seq in untouched {
            after.steps[seq].state = StepState::Planned;
        }
        let stuck = after.past_pivot();
        let mut tx = self.store.write().await?;
        for &seq in untouched {
            operations::set_step(&mut tx, record.id, seq, StepState::Planned, None).await?;
        }
        if stuck {
            self.stick(&mut tx, record, error).await?;
        } else {
            operations::set_state(&mut tx, record.id, OpState::Unwinding, Some(error)).await?;
        }
        if let Some(node) = blamed {
            let mut avoid = record.avoid.clone();
            avoid.insert(node);
            operations::set_avoid(&mut tx, record.id, &avoid).await?;
        }
        tx.commit().await?;
        if stuck {
            self.stuck.notify_one();
        }
        Ok(())
    }

    /// It can go neither way now, and will be tried again: ever more seldom, but at once when a
    /// node comes back.
    async fn stick(&self, tx: &mut WriteTx, record: &Record, error: &str) -> Result<()> {
        let again = self.settings.cleaner.map(|(first, longest)| {
            let doubled = 2_u32.saturating_pow(record.tries);
            let pause = first.saturating_mul(doubled).min(longest.max(first));
            now().saturating_add(i64::try_from(pause.as_secs()).unwrap_or(i64::MAX))
        });
        operations::stick(tx, record.id, error, again).await
    }

    /// What it needs from others cannot be brought to an end now.
    pub(super) async fn stick_leading(&self, record: &Record, error: &str) -> Result<()> {
        let mut tx = self.store.write().await?;
        if operations::state(&mut tx, record.id).await? != Some(OpState::Running) {
            return Ok(());
        }
        self.stick(&mut tx, record, error).await?;
        tx.commit().await?;
        self.stuck.notify_one();
        Ok(())
    }

    /// Both causes are kept: why it was taken back, and why that did not work.
    pub(super) async fn stick_unwinding(&self, record: &Record, error: &str) -> Result<()> {
        let cause = record.error.as_deref().unwrap_or("unknown");
        let cause = cause.split(BOTH).next().unwrap_or_default();
        let mut tx = self.store.write().await?;
        self.stick(&mut tx, record, &format!("{cause}{BOTH}{error}")).await?;
        tx.commit().await?;
        self.stuck.notify_one();
        Ok(())
    }

    /// All steps are done: on to what could not be planned before, or to the end.
    async fn commit(&self, hold: &mut Hold, record: &Record) -> Result<()> {
        let unwell = self.nodes.health().unwell();
        let mut tx = self.store.write().await?;
        if operations::state(&mut tx, record.id).await? != Some(OpState::Running) {
            return Ok(());
        }
        hold.results.write(&mut tx, record.id).await?;
        let planning = Planning {
            id: record.id,
            settings: &self.settings,
            avoid: &record.avoid,
            unwell: &unwell,
        };
        let end = match record.operation.further(&mut tx, &planning, record).await {
            Ok(Some(plan)) => {
                write_plan(&mut tx, record.id, &plan, false).await?;
                tx.commit().await?;
                hold.results.written();
                return Ok(());
            }
            Ok(None) => record.operation.commit(&mut tx, record).await,
            Err(error) => Err(error),
        };
        match end {
            Ok(()) => {}
            Err(error @ Error::Store(_)) => return Err(error),
            // Judged only now, as for changes of state: taken back like any other failure.
            Err(error) => {
                drop(tx);
                self.write_results(hold).await?;
                return self.turn_back(record, &[], &[], (None, &error.to_string())).await;
            }
        }
        let kind = record.operation.kind();
        if let Some(flaw) = record.operation.flaw(record) {
            operations::set_state(&mut tx, record.id, OpState::Failed, Some(&flaw)).await?;
            operations::finish(&mut tx, record.id, OpState::Failed, None).await?;
            tx.commit().await?;
            hold.results.written();
            tracing::warn!(operation = %record.id, kind, flaw, "operation done in part");
            return Ok(());
        }
        let location = record.operation.location();
        operations::finish(&mut tx, record.id, OpState::Done, location.as_deref()).await?;
        tx.commit().await?;
        hold.results.written();
        tracing::info!(operation = %record.id, kind, "operation done");
        Ok(())
    }

    /// Takes the pending rows back, and begins anew elsewhere if the operation may.
    async fn release(&self, record: &Record) -> Result<()> {
        let nodes = self.nodes_to_take_back(record).await?;
        if let Err(error) = certify(&nodes, record).await {
            tracing::warn!(operation = %record.id, %error, "not certain to be taken back");
            return self.stick_unwinding(record, &error.to_string()).await;
        }
        let unwell = self.nodes.health().unwell();
        let mut tx = self.store.write().await?;
        // Somebody may have called it off while it was taken back.
        let Some(row) = operations::load(&mut tx, record.id).await? else { return Ok(()) };
        let record = &Record::of_row(row)?;
        record.operation.release(&mut tx, record).await?;
        if record.deserves_another_attempt(&self.settings) {
            let planning = Planning {
                id: record.id,
                settings: &self.settings,
                avoid: &record.avoid,
                unwell: &unwell,
            };
            match plan(&mut tx, &record.operation, &planning, false).await {
                Ok(_) => {
                    operations::next_attempt(&mut tx, record.id).await?;
                    tx.commit().await?;
                    let attempt = record.attempt + 1;
                    tracing::info!(operation = %record.id, attempt, "trying again elsewhere");
                    return Ok(());
                }
                Err(error) => {
                    tracing::info!(operation = %record.id, %error, "there is no second place");
                    drop(tx);
                    tx = self.store.write().await?;
                    record.operation.release(&mut tx, record).await?;
                }
            }
        }
        operations::finish(&mut tx, record.id, OpState::Failed, None).await?;
        tx.commit().await?;
        let error = record.error.as_deref().unwrap_or_default();
        tracing::warn!(operation = %record.id, kind = record.operation.kind(), error, "operation failed");
        Ok(())
    }

    async fn finish(&self, record: &Record, state: OpState, error: Option<&str>) -> Result<()> {
        let mut tx = self.store.write().await?;
        operations::set_state(&mut tx, record.id, state, error).await?;
        operations::finish(&mut tx, record.id, state, None).await?;
        tx.commit().await
    }

    /// Turns operations that a restart found, or that are stuck, into the direction they are to go.
    ///
    /// One that is taken back is not begun anew: whoever asked for it has been told that it failed,
    /// or has long asked again. Only whoever holds it may turn it so: what somebody else drives is
    /// neither left behind nor stuck.
    pub(super) async fn direct(&self, hold: &Hold, policy: OnRestart) -> Result<()> {
        let id = hold.id;
        let mut tx = self.store.write().await?;
        let Some(row) = operations::load(&mut tx, id).await? else { return Ok(()) };
        let record = Record::of_row(row)?;
        // One that leads others has done nothing itself that could be taken back.
        let unwind = !record.past_pivot() && !record.operation.leads();
        match record.state {
            OpState::Unwinding if policy == OnRestart::Unwind => {
                operations::end_attempts(&mut tx, id).await?;
            }
            OpState::Running if unwind && policy == OnRestart::Unwind => {
                operations::end_attempts(&mut tx, id).await?;
                operations::set_state(&mut tx, id, OpState::Unwinding, Some(INTERRUPTED)).await?;
            }
            OpState::Stuck if unwind => {
                operations::end_attempts(&mut tx, id).await?;
                operations::set_state(&mut tx, id, OpState::Unwinding, None).await?;
            }
            OpState::Stuck => {
                operations::set_state(&mut tx, id, OpState::Running, None).await?;
            }
            _ => return Ok(()),
        }
        tx.commit().await
    }
}

/// Why an operation was taken back that had done nothing wrong.
const INTERRUPTED: &str = "The server was restarted before this operation was done. \
     What it had done is taken back; please try again";
/// Between the two causes of an operation that could not be taken back.
const BOTH: &str = "; it could not be taken back yet: ";
/// Why an accepted operation never began.
const ABANDONED: &str =
    "The server was restarted before this operation began. Nothing was done; please try again.";

impl Record {
    /// Another place helps only when a node was at fault: each attempt that ends for that reason
    /// adds one to those that are avoided. What gluster refuses, an option that does not exist,
    /// it refuses everywhere.
    fn deserves_another_attempt(&self, settings: &Settings) -> bool {
        let node_at_fault = i64::try_from(self.avoid.len()).is_ok_and(|n| n >= self.attempt);
        node_at_fault && self.attempt <= self.operation.retries(settings)
    }
}

/// Asks once more whether everything that was begun is gone for good, now that nothing is left
/// that a late command could build upon.
async fn certify(nodes: &Nodes, record: &Record) -> Result<(), NodeError> {
    for undone in record.steps.iter().filter(|s| s.state == StepState::Undone) {
        undone.step.certify(nodes).await?;
    }
    Ok(())
}

/// Plans an operation, and writes the plan into the transaction: with its first stage begun, if that
/// is to run at once; see [`write_plan`].
///
/// # Errors
/// The operation is refused, or the database fails.
pub(super) async fn plan(
    tx: &mut WriteTx,
    operation: &super::Any,
    planning: &Planning<'_>,
    at_once: bool,
) -> Result<bool> {
    let stages = operation.reserve(tx, planning).await?;
    write_plan(tx, planning.id, &stages, at_once).await
}

/// Writes a plan into the transaction: none of its steps was begun, or just those of the first stage, if
/// that is to run `at_once`. Returns which.
///
/// A first stage that cannot be taken back gets an intent of its own, right before it is sent: by the word
/// that it was begun the operation is past its point of no return, and a crash before, or an acceptance
/// that nobody was told of, would be finished instead of taken back.
///
/// # Errors
/// The database fails.
pub(super) async fn write_plan(
    tx: &mut WriteTx,
    id: OperationId,
    stages: &Plan,
    at_once: bool,
) -> Result<bool> {
    let reversible = |stage: &Vec<Step>| stage.iter().all(|step| step.way() == Way::Reversible);
    let begun = at_once && stages.first().is_some_and(reversible);
    let mut steps = vec![];
    for (stage, of_stage) in (0_i64..).zip(stages) {
        for step in of_stage {
            steps.push((stage, serde_json::to_string(step).map_err(Error::from)?));
        }
    }
    operations::plan(tx, id, &steps, begun).await?;
    Ok(begun)
}
