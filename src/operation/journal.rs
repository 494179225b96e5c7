//! What was intended and how far it got. `Record::next` is pure; the runner only obeys it.
use super::{
    Any, Operation,
    step::{Output, Step, Way},
};
use crate::{
    domain::{NodeId, OperationId},
    error::{Error, Result},
    store::operations::{OpState, OperationRow, StepState},
};
use std::collections::BTreeSet;

/// An operation as the journal knows it.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) id: OperationId,
    pub(crate) operation: Any,
    pub(crate) state: OpState,
    pub(crate) attempt: i64,
    /// When it was accepted, seconds since 1970.
    pub(crate) created_at: i64,
    /// When it is tried again, if it is stuck.
    pub(crate) retry_at: Option<i64>,
    /// Tries in vain since it got stuck first.
    pub(crate) tries: u32,
    pub(crate) avoid: BTreeSet<NodeId>,
    pub(crate) steps: Vec<StepRecord>,
    pub(crate) error: Option<String>,
}

/// A step as the journal knows it.
#[derive(Clone, Debug)]
pub(crate) struct StepRecord {
    pub(crate) stage: i64,
    pub(crate) step: Step,
    pub(crate) state: StepState,
    pub(crate) output: Output,
    /// Since when it is in that state, seconds since 1970.
    pub(crate) since: i64,
}

/// What is to happen now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing was planned, and whoever asked for it has gone: forget it.
    Abandon,
    /// Run these steps, side by side.
    Run(Vec<usize>),
    /// Undo these steps, side by side.
    Undo(Vec<usize>),
    /// All steps are done: make the pending rows true.
    Commit,
    /// All steps are undone: take the pending rows back.
    Release,
    /// Nothing.
    Rest,
}

impl Record {
    /// The single place where it is decided what happens next, for fresh runs, for unwinding and
    /// for recovery alike.
    pub(crate) fn next(&self) -> Next {
        match self.state {
            OpState::Accepted => Next::Abandon,
            OpState::Running => {
                let open = |s: &&StepRecord| s.state != StepState::Done;
                match self.steps.iter().find(open) {
                    None => Next::Commit,
                    Some(first) => Next::Run(self.of_stage(first.stage, |s| s != StepState::Done)),
                }
            }
            OpState::Unwinding => {
                let begun = |s| matches!(s, StepState::Running | StepState::Done);
                match self.steps.iter().rfind(|s| begun(s.state)) {
                    None => Next::Release,
                    Some(last) => Next::Undo(self.of_stage(last.stage, begun)),
                }
            }
            OpState::Done | OpState::Failed | OpState::Stuck => Next::Rest,
        }
    }

    fn of_stage(&self, stage: i64, which: impl Fn(StepState) -> bool) -> Vec<usize> {
        let in_stage = |(_, s): &(usize, &StepRecord)| s.stage == stage && which(s.state);
        self.steps.iter().enumerate().filter(in_stage).map(|(seq, _)| seq).collect()
    }

    /// A step that cannot be taken back was begun, or nothing can: the only way is on.
    pub(crate) fn past_pivot(&self) -> bool {
        let begun = |s: &StepRecord| s.state != StepState::Planned;
        self.steps.iter().any(|s| s.step.way() == Way::ForwardOnly && begun(s))
            || self.operation.settles()
    }

    /// Reads a row.
    ///
    /// # Errors
    /// It was written by a version that knows more than this one.
    pub(crate) fn of_row(row: OperationRow) -> Result<Self> {
        let unknown = |what: &str, e: serde_json::Error| {
            Error::Record(format!("operation {}: {what}: {e}", row.id))
        };
        let operation = serde_json::from_str(&row.params).map_err(|e| unknown("parameters", e))?;
        let mut steps = vec![];
        for step in &row.steps {
            steps.push(StepRecord {
                stage: step.stage,
                step: serde_json::from_str(&step.step).map_err(|e| unknown("step", e))?,
                state: step.state,
                output: match &step.output {
                    None => Output::Nothing,
                    Some(text) => serde_json::from_str(text).map_err(|e| unknown("output", e))?,
                },
                since: step.changed_at,
            });
        }
        let OperationRow { id, state, attempt, created_at, retry_at, tries, avoid, error, .. } =
            row;
        Ok(Self { id, operation, state, attempt, created_at, retry_at, tries, avoid, steps, error })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{ClusterId, DeviceId},
        operation::{DeleteVolume, step},
    };
    use proptest::prelude::*;

    fn record(state: OpState, steps: &[(i64, bool, StepState)]) -> Record {
        let step = |(stage, forward, state): &(i64, bool, StepState)| StepRecord {
            stage: *stage,
            step: if *forward {
                let pool = step::Pool { cluster: ClusterId::random(), via: vec![] };
                Step::Detach(step::Detach {
                    pool,
                    peer: "x".parse().unwrap(),
                    host: None,
                    others: vec![],
                })
            } else {
                let host = "x".parse().unwrap();
                let name = "/dev/x".parse().unwrap();
                Step::ReadDevice(step::ReadDevice {
                    host,
                    device: DeviceId::random(),
                    name,
                    accounted: None,
                })
            },
            state: *state,
            output: Output::Nothing,
            since: 0,
        };
        Record {
            id: OperationId::random(),
            operation: Any::DeleteVolume(DeleteVolume::new(crate::domain::VolumeId::random())),
            state,
            attempt: 1,
            created_at: 0,
            retry_at: None,
            tries: 0,
            avoid: BTreeSet::new(),
            steps: steps.iter().map(step).collect(),
            error: None,
        }
    }

    #[test]
    fn stages_run_in_order_and_unwind_in_reverse() {
        use StepState::{Done, Planned, Running, Undone};
        let at = |state, steps: [StepState; 3]| {
            let [a, b, c] = steps;
            record(state, &[(0, false, a), (0, false, b), (1, false, c)]).next()
        };
        assert_eq!(at(OpState::Running, [Planned; 3]), Next::Run(vec![0, 1]));
        assert_eq!(at(OpState::Running, [Done, Running, Planned]), Next::Run(vec![1]));
        assert_eq!(at(OpState::Running, [Done, Done, Planned]), Next::Run(vec![2]));
        assert_eq!(at(OpState::Running, [Done; 3]), Next::Commit);
        assert_eq!(at(OpState::Unwinding, [Done, Done, Running]), Next::Undo(vec![2]));
        assert_eq!(at(OpState::Unwinding, [Done, Running, Undone]), Next::Undo(vec![0, 1]));
        assert_eq!(at(OpState::Unwinding, [Undone, Planned, Planned]), Next::Release);
        assert_eq!(at(OpState::Accepted, [Planned; 3]), Next::Abandon);
        assert_eq!(at(OpState::Stuck, [Running; 3]), Next::Rest);
    }
    #[test]
    fn the_pivot_is_the_first_forward_step_that_was_begun() {
        let planned = [(0, false, StepState::Done), (1, true, StepState::Planned)];
        assert!(!record(OpState::Running, &planned).past_pivot());
        let begun = [(0, false, StepState::Done), (1, true, StepState::Running)];
        assert!(record(OpState::Running, &begun).past_pivot());
    }

    fn any_state() -> impl Strategy<Value = StepState> {
        prop_oneof![
            Just(StepState::Planned),
            Just(StepState::Running),
            Just(StepState::Done),
            Just(StepState::Undone)
        ]
    }
    proptest! {
        /// Obeying `next` always ends, and leaves no step half way.
        #[test]
        fn obeying_comes_to_rest(
            states in prop::collection::vec((0_i64..4, any_state()), 0..8),
            unwinding in any::<bool>(),
        ) {
            let mut steps: Vec<_> = states.into_iter().map(|(g, s)| (g, false, s)).collect();
            steps.sort_by_key(|(stage, _, _)| *stage);
            let state = if unwinding { OpState::Unwinding } else { OpState::Running };
            let mut r = record(state, &steps);
            for _ in 0..=steps.len() {
                match r.next() {
                    Next::Run(which) => {
                        prop_assert!(!which.is_empty());
                        for i in which {
                            r.steps[i].state = StepState::Done;
                        }
                    }
                    Next::Undo(which) => {
                        prop_assert!(!which.is_empty());
                        for i in which {
                            r.steps[i].state = StepState::Undone;
                        }
                    }
                    Next::Commit => {
                        prop_assert!(!unwinding);
                        prop_assert!(r.steps.iter().all(|s| s.state == StepState::Done));
                        return Ok(());
                    }
                    Next::Release => {
                        prop_assert!(unwinding);
                        let begun = [StepState::Running, StepState::Done];
                        prop_assert!(r.steps.iter().all(|s| !begun.contains(&s.state)));
                        return Ok(());
                    }
                    other => prop_assert!(false, "{other:?}"),
                }
            }
            prop_assert!(false, "did not come to rest");
        }
    }
}
