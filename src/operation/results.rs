//! What steps have done that the journal does not know yet.
//!
//! It is written with the next intent, so that a stage costs one commit and not one for each step. A
//! crash loses it, just as it loses what a node did a moment before it: the journal still says that the
//! step was begun, so it is done again or taken back, and every step is made for that.
use super::{journal::Record, step::Output};
use crate::{
    domain::OperationId,
    error::Result,
    store::{
        WriteTx,
        operations::{self, StepEnd, StepState},
    },
};

/// Ends of steps that are still to be written down.
#[derive(Default)]
pub(super) struct Results(Vec<(usize, StepState, Output)>);

impl Results {
    /// The step is done.
    pub(super) fn done(&mut self, seq: usize, output: Output) {
        self.0.push((seq, StepState::Done, output));
    }
    /// It is taken back.
    pub(super) fn undone(&mut self, seq: usize, output: Output) {
        self.0.push((seq, StepState::Undone, output));
    }
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// They have been written: the transaction is committed.
    pub(super) fn written(&mut self) {
        self.0.clear();
    }
    /// The record as it will be when they are written.
    pub(super) fn show_in(&self, record: &mut Record) {
        for (seq, state, output) in &self.0 {
            let Some(step) = record.steps.get_mut(*seq) else { continue };
            step.state = *state;
            // What running it has found out stays known: a brick that was gone is gone.
            if *state == StepState::Done || *output != Output::Nothing {
                step.output = output.clone();
            }
        }
    }
    /// Adds them to a transaction; they stay until that is committed.
    ///
    /// # Errors
    /// The database fails.
    pub(super) async fn write(&self, tx: &mut WriteTx, id: OperationId) -> Result<()> {
        let mut ends = vec![];
        for (seq, state, output) in &self.0 {
            let told = *state == StepState::Done || *output != Output::Nothing;
            let output = told.then(|| serde_json::to_string(output)).transpose()?;
            ends.push(StepEnd { seq: *seq, state: *state, output });
        }
        operations::end_steps(tx, id, &ends).await
    }
}
