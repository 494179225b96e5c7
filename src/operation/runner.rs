//! Drives one operation to rest. The same loop serves the first run and every recovery.
//!
//! ```text
//! intent (tx) -> node -> result (tx)      no transaction is open while a node works
//! ```
use super::{
    Operation, Planning, Settings,
    journal::{Next, Record},
    step::{Output, Way},
};
use crate::{
    domain::OperationId,
    error::{Error, Result},
    node::{NodeError, Nodes},
    store::{
        Store, WriteTx,
        operations::{self, OpState, StepState},
    },
};
use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::task::JoinSet;
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
    /// Operations that somebody drives at present: nobody else does.
    pub(super) driven: Arc<Mutex<HashSet<OperationId>>>,
}

/// The right to drive an operation, until it is dropped.
pub(super) struct Hold {
    id: OperationId,
    driven: Arc<Mutex<HashSet<OperationId>>>,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.driven.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

impl Runner {
    /// Brings the operation to rest, or to the end of its present stage when the server ends.
    ///
    /// # Errors
    /// The database failed; the operation is where its record says.
    ///
    /// # Cancel safety
    /// Dropping the future is like a crash: the next drive goes on from the record.
    pub(super) async fn drive(&self, id: OperationId) -> Result<Option<Record>> {
        loop {
            let Some(record) = self.load(id).await? else { return Ok(None) };
            let next = record.next();
            if next == Next::Rest || self.ending.is_cancelled() {
                return Ok(Some(record));
            }
            match next {
                Next::Rest => {}
                Next::Abandon => self.finish(&record, OpState::Failed, Some(ABANDONED)).await?,
                Next::Run(steps) => self.run(&record, &steps).await?,
                Next::Undo(steps) => self.undo(&record, &steps).await?,
                Next::Commit => self.commit(&record).await?,
                Next::Release => self.release(&record).await?,
            }
        }
    }

    /// Takes the right to drive the operation; none while somebody else has it.
    pub(super) fn hold(&self, id: OperationId) -> Option<Hold> {
        let mut driven = self.driven.lock().unwrap_or_else(PoisonError::into_inner);
        driven.insert(id).then(|| Hold { id, driven: self.driven.clone() })
    }

    /// Drives until the operation rests or the server ends. When the database fails, the operation
    /// waits for better times: its record says where it is.
    pub(super) async fn drive_to_rest(&self, hold: Hold) {
        let id = hold.id;
        let mut pause = Duration::from_millis(500);
        while let Err(error) = self.drive(id).await {
            tracing::error!(operation = %id, %error, "the operation cannot go on");
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.ending.cancelled() => return,
            }
            pause = (pause * 2).min(Duration::from_mins(1));
        }
    }

    pub(super) async fn load(&self, id: OperationId) -> Result<Option<Record>> {
        let row = operations::load(&mut *self.store.read().await?, id).await?;
        row.map(Record::of_row).transpose()
    }

    /// Steps of one stage, side by side. All of them are waited for, also when one fails: nobody
    /// could say how far the others got.
    async fn run(&self, record: &Record, steps: &[usize]) -> Result<()> {
        self.mark(record, steps, StepState::Running).await?;
        let mut work = JoinSet::new();
        for &seq in steps {
            let (step, nodes) = (record.steps[seq].step.clone(), self.nodes.clone());
            // A step that can be taken back is only repeated when its end is unknown; one that
            // cannot is tried with patience.
            let waits = self.patience(step.way() == Way::Reversible);
            work.spawn(async move { (seq, attempts(&waits, || step.run(&nodes)).await) });
        }
        let mut first_error = None;
        let mut untouched = vec![];
        while let Some(joined) = work.join_next().await {
            match joined {
                Ok((seq, Ok(output))) => {
                    self.step_ended(record, seq, StepState::Done, &output).await?;
                }
                Ok((seq, Err(Failure { error, started }))) => {
                    let step = record.steps[seq].step.name();
                    tracing::warn!(operation = %record.id, step, %error, "step failed");
                    let fresh = record.steps[seq].state == StepState::Planned;
                    if error.is_without_effect() || (!started && fresh) {
                        untouched.push(seq);
                    }
                    first_error.get_or_insert((Some(seq), error.to_string()));
                }
                Err(error) => {
                    tracing::error!(operation = %record.id, %error, "step panicked");
                    first_error
                        .get_or_insert((None, "internal error, see the server's log".into()));
                }
            }
        }
        match first_error {
            None => Ok(()),
            Some((seq, error)) => {
                let begun: Vec<_> =
                    steps.iter().copied().filter(|seq| !untouched.contains(seq)).collect();
                self.turn_back(record, &begun, &untouched, (seq, &error)).await
            }
        }
    }

    /// Before the point of no return everything is taken back; after it, it is tried again later.
    ///
    /// Steps that had no effect, or never reached their node, need no undoing, which would need
    /// that node as well; and they are no point of no return.
    async fn turn_back(
        &self,
        record: &Record,
        begun: &[usize],
        untouched: &[usize],
        (failed, error): (Option<usize>, &str),
    ) -> Result<()> {
        let mut after = record.clone();
        for &seq in begun {
            after.steps[seq].state = StepState::Running;
        }
        let state = if after.past_pivot() { OpState::Stuck } else { OpState::Unwinding };
        let mut tx = self.store.write().await?;
        for &seq in untouched {
            operations::set_step(&mut tx, record.id, seq, StepState::Planned, None).await?;
        }
        operations::set_state(&mut tx, record.id, state, Some(error)).await?;
        if let Some(node) = failed.and_then(|seq| record.steps[seq].step.node()) {
            let mut avoid = record.avoid.clone();
            avoid.insert(node);
            operations::set_avoid(&mut tx, record.id, &avoid).await?;
        }
        tx.commit().await
    }

    async fn undo(&self, record: &Record, steps: &[usize]) -> Result<()> {
        let mut work = JoinSet::new();
        for &seq in steps {
            let (step, nodes) = (record.steps[seq].step.clone(), self.nodes.clone());
            let waits = self.patience(false);
            work.spawn(async move { (seq, attempts(&waits, || step.undo(&nodes)).await) });
        }
        let mut failed = None;
        while let Some(joined) = work.join_next().await {
            match joined {
                Ok((seq, Ok(output))) => {
                    self.step_ended(record, seq, StepState::Undone, &output).await?;
                }
                Ok((seq, Err(Failure { error, .. }))) => {
                    let step = record.steps[seq].step.name();
                    tracing::warn!(operation = %record.id, step, %error, "undo failed");
                    failed.get_or_insert(error.to_string());
                }
                Err(error) => {
                    tracing::error!(operation = %record.id, %error, "undo panicked");
                    failed.get_or_insert("internal error, see the server's log".into());
                }
            }
        }
        let Some(undo_error) = failed else { return Ok(()) };
        // Both causes are kept: why it was taken back, and why that did not work.
        let cause = record.error.as_deref().unwrap_or("unknown");
        let both = format!("{cause}; taking it back failed as well: {undo_error}");
        let mut tx = self.store.write().await?;
        operations::set_state(&mut tx, record.id, OpState::Stuck, Some(&both)).await?;
        tx.commit().await
    }

    async fn commit(&self, record: &Record) -> Result<()> {
        let mut tx = self.store.write().await?;
        match record.operation.commit(&mut tx, record).await {
            Ok(()) => {}
            Err(error @ Error::Store(_)) => return Err(error),
            // Judged only now, as for changes of state: taken back like any other failure.
            Err(error) => {
                drop(tx);
                return self.turn_back(record, &[], &[], (None, &error.to_string())).await;
            }
        }
        let location = record.operation.location();
        operations::finish(&mut tx, record.id, OpState::Done, location.as_deref()).await?;
        tx.commit().await?;
        tracing::info!(operation = %record.id, kind = record.operation.kind(), "operation done");
        Ok(())
    }

    /// Takes the pending rows back, and begins anew elsewhere if the operation may.
    async fn release(&self, record: &Record) -> Result<()> {
        let mut tx = self.store.write().await?;
        record.operation.release(&mut tx, record).await?;
        if record.deserves_another_attempt(&self.settings) {
            let planning =
                Planning { id: record.id, settings: &self.settings, avoid: &record.avoid };
            match plan(&mut tx, &record.operation, &planning).await {
                Ok(()) => {
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

    async fn mark(&self, record: &Record, steps: &[usize], state: StepState) -> Result<()> {
        let mut tx = self.store.write().await?;
        for &seq in steps {
            operations::set_step(&mut tx, record.id, seq, state, None).await?;
        }
        tx.commit().await
    }

    async fn step_ended(
        &self,
        record: &Record,
        seq: usize,
        state: StepState,
        output: &Output,
    ) -> Result<()> {
        let output = serde_json::to_string(output)?;
        let mut tx = self.store.write().await?;
        operations::set_step(&mut tx, record.id, seq, state, Some(&output)).await?;
        tx.commit().await
    }

    fn patience(&self, only_in_doubt: bool) -> Vec<Wait> {
        self.settings.patience.iter().map(|&time| Wait { time, only_in_doubt }).collect()
    }

    /// Turns operations that a restart found, or that are stuck, into the direction they are to go.
    ///
    /// One that is taken back is not begun anew: whoever asked for it has been told that it failed,
    /// or has long asked again.
    pub(super) async fn direct(&self, id: OperationId, policy: OnRestart) -> Result<()> {
        let Some(record) = self.load(id).await? else { return Ok(()) };
        let mut tx = self.store.write().await?;
        let unwind = !record.past_pivot();
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
const INTERRUPTED: &str = "The server was restarted while this operation was running. \
     What it had done was taken back; please try again.";
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

/// Writes the plan of an operation into the transaction.
///
/// # Errors
/// The operation is refused, or the database fails.
pub(super) async fn plan(
    tx: &mut WriteTx,
    operation: &super::Any,
    planning: &Planning<'_>,
) -> Result<()> {
    let stages = operation.reserve(tx, planning).await?;
    let mut steps = vec![];
    for (stage, of_stage) in (0_i64..).zip(&stages) {
        for step in of_stage {
            steps.push((stage, serde_json::to_string(step).map_err(Error::from)?));
        }
    }
    operations::plan(tx, planning.id, &steps).await
}

/// A pause before the next try.
#[derive(Clone, Copy)]
struct Wait {
    time: Duration,
    only_in_doubt: bool,
}

/// Why the last try failed.
struct Failure {
    error: NodeError,
    /// One of the tries may have changed something.
    started: bool,
}

/// Tries once, and once more after each wait. What the state of a node forbids is not repeated.
async fn attempts<F>(waits: &[Wait], mut work: impl FnMut() -> F) -> Result<Output, Failure>
where
    F: Future<Output = Result<Output, NodeError>>,
{
    let mut waits = waits.iter();
    let mut started = false;
    loop {
        let error = match work().await {
            Ok(output) => return Ok(output),
            Err(error) => error,
        };
        started |= !error.is_unreachable();
        let in_doubt = matches!(error, NodeError::InDoubt { .. });
        let refused = matches!(error, NodeError::Refused(_));
        match waits.next() {
            Some(wait) if !refused && (in_doubt || !wait.only_in_doubt) => {
                tokio::time::sleep(wait.time).await;
            }
            _ => return Err(Failure { error, started }),
        }
    }
}
