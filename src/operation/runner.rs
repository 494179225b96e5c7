//! Drives one operation to rest. The same loop serves the first run and every recovery.
//!
//! ```text
//! intent (tx) -> node -> result (tx)      no transaction is open while a node works
//! ```
use super::{
    Operation, Plan, Planning, Settings,
    drivers::{Drivers, Hold},
    journal::{Next, Record, StepRecord},
    step::{Output, Way},
};
use crate::{
    domain::{NodeId, OperationId},
    error::{Error, Result},
    metrics::{Ending, OperationTimes},
    node::{NodeError, Nodes},
    store::{
        Store, WriteTx, nodes, now,
        operations::{self, OpState, StepState},
    },
};
use std::{sync::Arc, time::Duration};
use tokio::{sync::Notify, task::JoinSet};
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
            let Some(record) = self.load(hold.id).await? else { return Ok(()) };
            let next = record.next();
            if next == Next::Rest && hold.moved {
                self.rested(hold, &record);
            }
            if next == Next::Rest || self.ending.is_cancelled() {
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
                    self.undo(&record, &steps).await?;
                }
                Next::Commit => self.commit(&record).await?,
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
        let row = operations::load(&mut *self.store.read().await?, id).await?;
        row.map(Record::of_row).transpose()
    }

    /// Steps of one stage, side by side. All of them are waited for, also when one fails: nobody
    /// could say how far the others got.
    async fn run(&self, hold: &mut Hold, record: &Record, steps: &[usize]) -> Result<()> {
        if !self.begin(record, steps).await? || !self.kept().await {
            return Ok(());
        }
        let nodes = self.nodes_of(record).await?;
        let mut work = JoinSet::new();
        for &seq in steps {
            let (step, nodes) = (record.steps[seq].step.clone(), nodes.clone());
            // A step that can be taken back is only repeated when its end is unknown; one that
            // cannot is tried with patience.
            let waits = self.patience(step.way() == Way::Reversible);
            work.spawn(async move { (seq, attempts(&nodes, &waits, || step.run(&nodes)).await) });
        }
        let mut first_error = None;
        let mut untouched = vec![];
        let slow = tokio::time::sleep(self.settings.lends_after);
        tokio::pin!(slow);
        let mut lent = false;
        loop {
            let joined = tokio::select! {
                joined = work.join_next() => joined,
                // What runs is left alone, as in a crash; undoing waits for it on its node.
                () = hold.called_off.cancelled() => {
                    work.shutdown().await;
                    return Ok(());
                }
                // Who waits for a node does not keep others from theirs.
                () = &mut slow, if !lent => {
                    lent = true;
                    hold.lend();
                    continue;
                }
            };
            let Some(joined) = joined else { break };
            match joined {
                Ok((seq, Ok(output))) => {
                    self.step_ended(record, seq, StepState::Done, Some(&output)).await?;
                }
                Ok((seq, Err(Failure { error, started, doubted }))) => {
                    let StepRecord { step, state, .. } = &record.steps[seq];
                    let name = step.name();
                    tracing::warn!(operation = %record.id, step = name, %error, "step failed");
                    // A command of an earlier try, or of an earlier server, may still land.
                    let fresh = *state == StepState::Planned;
                    let final_word = (fresh && !doubted) || !step.lands_late();
                    if (error.is_without_effect() && final_word) || (!started && fresh) {
                        untouched.push(seq);
                    }
                    let blamed = record.steps[seq].step.blames(&error);
                    first_error.get_or_insert((blamed, error.to_string()));
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
            Some((blamed, error)) => {
                let begun: Vec<_> =
                    steps.iter().copied().filter(|seq| !untouched.contains(seq)).collect();
                self.turn_back(record, &begun, &untouched, (blamed, &error)).await
            }
        }
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

    async fn undo(&self, record: &Record, steps: &[usize]) -> Result<()> {
        if !self.kept().await {
            return Ok(());
        }
        let nodes = self.nodes_of(record).await?;
        let mut work = JoinSet::new();
        for &seq in steps {
            let (step, nodes) = (record.steps[seq].step.clone(), nodes.clone());
            let waits = self.patience(false);
            work.spawn(async move { (seq, attempts(&nodes, &waits, || step.undo(&nodes)).await) });
        }
        let mut failed = None;
        while let Some(joined) = work.join_next().await {
            match joined {
                Ok((seq, Ok(output))) => {
                    // What running it has found out stays known: a brick that was gone is gone.
                    let output = Some(output).filter(|output| *output != Output::Nothing);
                    self.step_ended(record, seq, StepState::Undone, output.as_ref()).await?;
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
        match failed {
            None => Ok(()),
            Some(error) => self.stick_unwinding(record, &error).await,
        }
    }

    /// Both causes are kept: why it was taken back, and why that did not work.
    async fn stick_unwinding(&self, record: &Record, error: &str) -> Result<()> {
        let cause = record.error.as_deref().unwrap_or("unknown");
        let cause = cause.split(BOTH).next().unwrap_or_default();
        let mut tx = self.store.write().await?;
        self.stick(&mut tx, record, &format!("{cause}{BOTH}{error}")).await?;
        tx.commit().await?;
        self.stuck.notify_one();
        Ok(())
    }

    /// All steps are done: on to what could not be planned before, or to the end.
    async fn commit(&self, record: &Record) -> Result<()> {
        let unwell = self.nodes.health().unwell();
        let mut tx = self.store.write().await?;
        if operations::state(&mut tx, record.id).await? != Some(OpState::Running) {
            return Ok(());
        }
        let planning = Planning {
            id: record.id,
            settings: &self.settings,
            avoid: &record.avoid,
            unwell: &unwell,
        };
        let end = match record.operation.further(&mut tx, &planning).await {
            Ok(Some(plan)) => {
                write_plan(&mut tx, record.id, &plan).await?;
                return tx.commit().await;
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
                return self.turn_back(record, &[], &[], (None, &error.to_string())).await;
            }
        }
        let kind = record.operation.kind();
        if let Some(flaw) = record.operation.flaw(record) {
            operations::set_state(&mut tx, record.id, OpState::Failed, Some(&flaw)).await?;
            operations::finish(&mut tx, record.id, OpState::Failed, None).await?;
            tx.commit().await?;
            tracing::warn!(operation = %record.id, kind, flaw, "operation done in part");
            return Ok(());
        }
        let location = record.operation.location();
        operations::finish(&mut tx, record.id, OpState::Done, location.as_deref()).await?;
        tx.commit().await?;
        tracing::info!(operation = %record.id, kind, "operation done");
        Ok(())
    }

    /// Takes the pending rows back, and begins anew elsewhere if the operation may.
    async fn release(&self, record: &Record) -> Result<()> {
        let nodes = self.nodes_of(record).await?;
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

    /// Writes down that these steps are about to run; false when the operation was turned
    /// meanwhile, so that they must not.
    async fn begin(&self, record: &Record, steps: &[usize]) -> Result<bool> {
        let mut tx = self.store.write().await?;
        if operations::state(&mut tx, record.id).await? != Some(OpState::Running) {
            return Ok(false);
        }
        for &seq in steps {
            operations::set_step(&mut tx, record.id, seq, StepState::Running, None).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Waits until whoever took over now would know what is about to be done on nodes. False when
    /// the server ends meanwhile.
    async fn kept(&self) -> bool {
        tokio::select! {
            () = self.store.until_kept() => true,
            () = self.ending.cancelled() => false,
        }
    }

    /// The nodes as steps of this operation see them.
    async fn nodes_of(&self, record: &Record) -> Result<Nodes> {
        let given_up = nodes::given_up(&mut *self.store.read().await?).await?;
        Ok(self.nodes.of(record.id, &self.ending).giving_up(given_up))
    }

    async fn step_ended(
        &self,
        record: &Record,
        seq: usize,
        state: StepState,
        output: Option<&Output>,
    ) -> Result<()> {
        let output = output.map(serde_json::to_string).transpose()?;
        let mut tx = self.store.write().await?;
        operations::set_step(&mut tx, record.id, seq, state, output.as_deref()).await?;
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

/// Plans an operation, and writes the plan into the transaction.
///
/// # Errors
/// The operation is refused, or the database fails.
pub(super) async fn plan(
    tx: &mut WriteTx,
    operation: &super::Any,
    planning: &Planning<'_>,
) -> Result<()> {
    let stages = operation.reserve(tx, planning).await?;
    write_plan(tx, planning.id, &stages).await
}

/// Writes a plan into the transaction: none of its steps was begun.
///
/// # Errors
/// The database fails.
pub(super) async fn write_plan(tx: &mut WriteTx, id: OperationId, stages: &Plan) -> Result<()> {
    let mut steps = vec![];
    for (stage, of_stage) in (0_i64..).zip(stages) {
        for step in of_stage {
            steps.push((stage, serde_json::to_string(step).map_err(Error::from)?));
        }
    }
    operations::plan(tx, id, &steps).await
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
    /// One of the tries may still change something.
    doubted: bool,
}

/// Tries once, and once more after each wait, unless the server is to end meanwhile. What the state
/// of a node forbids is not repeated.
async fn attempts<F>(
    nodes: &Nodes,
    waits: &[Wait],
    mut work: impl FnMut() -> F,
) -> Result<Output, Failure>
where
    F: Future<Output = Result<Output, NodeError>>,
{
    let mut waits = waits.iter();
    let (mut started, mut doubted) = (false, false);
    loop {
        let error = match work().await {
            Ok(output) => return Ok(output),
            Err(error) => error,
        };
        started |= !error.is_unreachable();
        let in_doubt = matches!(error, NodeError::InDoubt { .. });
        doubted |= in_doubt;
        // Who has waited for a lock in vain would wait as long again.
        let refused = error.is_refusal();
        match waits.next() {
            Some(wait)
                if !refused
                    && (in_doubt || !wait.only_in_doubt)
                    && nodes.pause(wait.time).await => {}
            _ => return Err(Failure { error, started, doubted }),
        }
    }
}
