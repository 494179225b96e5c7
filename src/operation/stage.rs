//! One stage of an operation: what is written down before it, and what its steps do side by side.
use super::{
    drivers::Hold,
    journal::{Record, StepRecord},
    runner::Runner,
    step::{Output, Place, Way},
};
use crate::{
    error::Result,
    node::{NodeError, Nodes},
    store::{
        nodes,
        operations::{self, OpState, StepState},
    },
};
use std::time::Duration;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

/// A result waits so long for those of the other steps of its stage, to be written with them. What a
/// crash loses meanwhile is done once more.
const TOGETHER: Duration = Duration::from_millis(50);

impl Runner {
    /// Steps of one stage, side by side. All of them are waited for, also when one fails: nobody
    /// could say how far the others got.
    pub(super) async fn run(
        &self,
        hold: &mut Hold,
        record: &Record,
        steps: &[usize],
    ) -> Result<()> {
        // Accepted with its first steps begun: none of them was sent yet.
        let is_begun = |seq: &usize| record.steps[*seq].state == StepState::Running;
        let unsent = std::mem::take(&mut hold.begun) && steps.iter().all(is_begun);
        let Some(nodes) = self.begin(hold, record, steps, unsent).await? else { return Ok(()) };
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
        let (slow, together) = (sleep(self.settings.lends_after), sleep(TOGETHER));
        tokio::pin!(slow, together);
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
                // The others of its stage take their time.
                () = &mut together, if !hold.results.is_empty() => {
                    self.write_results(hold).await?;
                    continue;
                }
            };
            let Some(joined) = joined else { break };
            match joined {
                Ok((seq, Ok(output))) => {
                    if hold.results.is_empty() {
                        together.as_mut().reset(Instant::now() + TOGETHER);
                    }
                    hold.results.done(seq, output);
                }
                Ok((seq, Err(Failure { error, started, doubted }))) => {
                    let StepRecord { step, state, .. } = &record.steps[seq];
                    let name = step.name();
                    tracing::warn!(operation = %record.id, step = name, %error, "step failed");
                    // A command of an earlier try, or of an earlier server, may still land.
                    let fresh = unsent || *state == StepState::Planned;
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
                self.write_results(hold).await?;
                let begun: Vec<_> =
                    steps.iter().copied().filter(|seq| !untouched.contains(seq)).collect();
                self.turn_back(record, &begun, &untouched, (blamed, &error)).await
            }
        }
    }

    /// Takes steps of one stage back, side by side.
    pub(super) async fn undo(
        &self,
        hold: &mut Hold,
        record: &Record,
        steps: &[usize],
    ) -> Result<()> {
        if !self.kept().await {
            return Ok(());
        }
        let nodes = self.nodes_to_take_back(record).await?;
        let mut work = JoinSet::new();
        for &seq in steps {
            let (step, nodes) = (record.steps[seq].step.clone(), nodes.clone());
            let waits = self.patience(false);
            work.spawn(async move { (seq, attempts(&nodes, &waits, || step.undo(&nodes)).await) });
        }
        let mut failed = None;
        let together = sleep(TOGETHER);
        tokio::pin!(together);
        loop {
            let joined = tokio::select! {
                joined = work.join_next() => joined,
                () = &mut together, if !hold.results.is_empty() => {
                    self.write_results(hold).await?;
                    continue;
                }
            };
            let Some(joined) = joined else { break };
            match joined {
                Ok((seq, Ok(output))) => {
                    if hold.results.is_empty() {
                        together.as_mut().reset(Instant::now() + TOGETHER);
                    }
                    hold.results.undone(seq, output);
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
        self.write_results(hold).await?;
        match failed {
            None => Ok(()),
            Some(error) => self.stick_unwinding(record, &error).await,
        }
    }

    /// Writes down that these steps are about to run, unless they are `begun` in the journal since the
    /// operation was accepted, and what those before them have done. Returns the nodes to run them on,
    /// or none when they must not run: the operation was turned meanwhile, or the server ends.
    async fn begin(
        &self,
        hold: &mut Hold,
        record: &Record,
        steps: &[usize],
        begun: bool,
    ) -> Result<Option<Nodes>> {
        let traceless = steps.iter().all(|seq| record.steps[*seq].step.leaves_nothing());
        let given_up = if begun {
            nodes::given_up(&mut *self.store.ask().await?).await?
        } else {
            let mut tx = self.store.write().await?;
            if operations::state(&mut tx, record.id).await? != Some(OpState::Running) {
                return Ok(None);
            }
            hold.results.write(&mut tx, record.id).await?;
            operations::begin_steps(&mut tx, record.id, steps).await?;
            let given_up = nodes::given_up(&mut tx).await?;
            if traceless {
                tx.commit_lazily().await?;
            } else {
                tx.commit().await?;
            }
            hold.results.written();
            given_up
        };
        let nodes = self.nodes_of(record).giving_up(given_up);
        Ok((traceless || self.kept().await).then_some(nodes))
    }

    /// Writes down what steps have done, where no intent follows at once that would take it along.
    pub(super) async fn write_results(&self, hold: &mut Hold) -> Result<()> {
        if hold.results.is_empty() {
            return Ok(());
        }
        let mut tx = self.store.write().await?;
        hold.results.write(&mut tx, hold.id).await?;
        tx.commit().await?;
        hold.results.written();
        Ok(())
    }

    /// Waits until whoever took over now would know what is about to be done on nodes. False when
    /// the server ends meanwhile.
    async fn kept(&self) -> bool {
        tokio::select! {
            () = self.store.until_kept() => true,
            () = self.ending.cancelled() => false,
        }
    }

    /// The nodes as steps of this operation see them that are taken back: whether something is gone
    /// for good, all nodes of a pool are asked, those included that have come to it since.
    pub(super) async fn nodes_to_take_back(&self, record: &Record) -> Result<Nodes> {
        let mut tx = self.store.read().await?;
        let nodes = self.nodes_of(record).giving_up(nodes::given_up(&mut tx).await?);
        let pool = record.steps.iter().find_map(|step| match step.step.place() {
            Place::Pool(pool) => Some(pool.cluster),
            Place::Node(_) => None,
        });
        let Some(cluster) = pool else { return Ok(nodes) };
        Ok(nodes.pooled(nodes::hosts_of_cluster(&mut tx, cluster).await?))
    }

    /// The nodes as steps of this operation see them.
    fn nodes_of(&self, record: &Record) -> Nodes {
        self.nodes.of(record.id, &self.ending)
    }

    fn patience(&self, only_in_doubt: bool) -> Vec<Wait> {
        self.settings.patience.iter().map(|&time| Wait { time, only_in_doubt }).collect()
    }
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
