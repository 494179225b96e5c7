//! What is not at rest, as the API shows it.
use super::{
    Any, Operation, Operations,
    drivers::Driving,
    journal::{Record, StepRecord},
    step::Place,
};
use crate::{
    api::operation::{
        Change, CommandInfo, OperationCounts, PendingOperation, PendingOperationInfo,
        PendingOperations, Progress, StepInfo,
    },
    domain::OperationId,
    error::{Error, Result},
    store::operations::{self, OpState, OperationRow, StepState},
};
use jiff::Timestamp;

/// What Heketi calls it: nothing for what runs or waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    New,
    Failed,
    Stale,
}

impl Status {
    fn word(self) -> &'static str {
        match self {
            Self::New => "",
            Self::Failed => "failed",
            Self::Stale => "stale",
        }
    }
}

/// An unfinished operation, readable by this version or not.
struct Unfinished {
    row: OperationRow,
    record: Option<Record>,
    driving: Driving,
}

impl Operations {
    /// How many operations are not at rest, by kind of trouble.
    ///
    /// # Errors
    /// The database fails.
    pub async fn counts(&self) -> Result<OperationCounts> {
        let mut counts = OperationCounts::default();
        for one in self.unfinished().await? {
            counts.total += 1;
            counts.in_flight += u64::from(one.driving == Driving::Working);
            match one.status() {
                Status::New => counts.new += 1,
                Status::Failed => counts.failed += 1,
                Status::Stale => counts.stale += 1,
            }
        }
        Ok(counts)
    }

    /// The operations that are not at rest, the oldest first.
    ///
    /// # Errors
    /// The database fails.
    pub async fn pending(&self) -> Result<PendingOperations> {
        let all = self.unfinished().await?;
        Ok(PendingOperations { pendingoperations: all.iter().map(Unfinished::line).collect() })
    }

    /// One operation that is not at rest, with its changes, its steps, and what nodes are doing
    /// for it at this moment.
    ///
    /// # Errors
    /// 404 when there is none of this id; the database fails.
    pub async fn pending_info(&self, id: OperationId) -> Result<PendingOperationInfo> {
        let row = operations::load(&mut *self.runner.store.read().await?, id).await?;
        let one = row.map(|row| self.seen(row)).filter(|one| !one.is_hidden());
        // The id stands in the text here, unlike elsewhere.
        let one = one.ok_or_else(|| Error::NotFound(format!("Id not found: {id}")))?;
        let mut operation = one.line();
        operation.sub_status.clear();
        let (changes, steps) = one.record.as_ref().map(|r| (changes(r), steps(r))).unzip();
        let commands = self.runner.nodes.working_for(id).into_iter().map(|running| CommandInfo {
            host: running.host.to_string(),
            since: running.since,
            commands: running.commands,
        });
        Ok(PendingOperationInfo {
            operation,
            changes: changes.unwrap_or_default(),
            steps: steps.unwrap_or_default(),
            commands: commands.collect(),
        })
    }

    async fn unfinished(&self) -> Result<Vec<Unfinished>> {
        let mut tx = self.runner.store.read().await?;
        let mut all = vec![];
        for id in operations::unfinished(&mut tx).await? {
            if let Some(row) = operations::load(&mut tx, id).await? {
                all.push(self.seen(row));
            }
        }
        all.retain(|one| !one.is_hidden());
        Ok(all)
    }

    fn seen(&self, row: OperationRow) -> Unfinished {
        let driving = self.runner.drivers.driving(row.id);
        let record = Record::of_row(row.clone()).ok();
        Unfinished { row, record, driving }
    }
}

impl Unfinished {
    /// Not an operation that a person would look for: at rest, not yet accepted, or itself only a
    /// request to clean others up.
    fn is_hidden(&self) -> bool {
        let at_rest = matches!(self.row.state, OpState::Done | OpState::Failed);
        let cleaning = self.record.as_ref().is_some_and(|r| matches!(r.operation, Any::CleanUp(_)));
        at_rest || self.row.state == OpState::Accepted || cleaning
    }

    fn status(&self) -> Status {
        match (self.row.state, self.driving) {
            (OpState::Stuck, Driving::Not) => Status::Failed,
            (_, Driving::Not) => Status::Stale,
            _ => Status::New,
        }
    }

    fn line(&self) -> PendingOperation {
        let in_flight = self.driving == Driving::Working;
        PendingOperation {
            id: self.row.id,
            type_name: self.row.kind.clone(),
            status: self.status().word().to_owned(),
            sub_status: if in_flight { "in-flight" } else { "" }.to_owned(),
            progress: self.record.as_ref().map(|record| self.progress(record)),
        }
    }

    fn progress(&self, record: &Record) -> Progress {
        let waiting = self.driving == Driving::Waiting;
        let is = |state: StepState| move |s: &&StepRecord| s.state == state;
        let count = |state| record.steps.iter().filter(is(state)).count();
        let (steps_done, steps) = match record.state {
            OpState::Unwinding => {
                let undone = count(StepState::Undone);
                (undone, undone + count(StepState::Running) + count(StepState::Done))
            }
            _ => (count(StepState::Done), record.steps.len()),
        };
        let running = record.steps.iter().filter(is(StepState::Running)).map(in_words);
        Progress {
            state: if waiting { "waiting" } else { record.state.as_str() }.to_owned(),
            since: time(record.created_at),
            steps_done,
            steps,
            running: running.collect(),
            cancellable: record.state == OpState::Running && !record.past_pivot(),
            // The largest number stands for "no further attempt".
            attempt: if (2..i64::MAX).contains(&record.attempt) { record.attempt } else { 0 },
            error: record.error.clone().unwrap_or_default(),
            tries: record.tries,
            retry_at: record.retry_at.filter(|_| record.state == OpState::Stuck).map(time),
        }
    }
}

/// `create-brick on node1 since 2026-01-01T00:00:00Z`
fn in_words(step: &StepRecord) -> String {
    let place = match step.step.place() {
        Place::Node(host) => host.to_string(),
        Place::Pool(pool) => format!("cluster {}", pool.cluster),
    };
    format!("{} on {place} since {}", step.step.name(), time(step.since))
}

/// Bricks first, as Heketi lists them, then what they belong to.
pub(super) fn changes(record: &Record) -> Vec<Change> {
    let brick = |step: &StepRecord| {
        let id = step.step.brick()?.to_string();
        let description = match step.step.name() {
            "destroy-brick" => "Delete brick",
            _ => "Add brick",
        };
        Some(Change { id, description: description.to_owned() })
    };
    let subject =
        |(description, id): (&str, String)| Change { id, description: description.into() };
    record.steps.iter().filter_map(brick).chain(record.operation.subject().map(subject)).collect()
}

fn steps(record: &Record) -> Vec<StepInfo> {
    let info = |step: &StepRecord| {
        let (host, cluster) = match step.step.place() {
            Place::Node(host) => (Some(host.to_string()), None),
            Place::Pool(pool) => (None, Some(pool.cluster)),
        };
        StepInfo {
            stage: step.stage,
            name: step.step.name().to_owned(),
            state: step.state.as_str().to_owned(),
            since: time(step.since),
            host,
            cluster,
        }
    };
    record.steps.iter().map(info).collect()
}

fn time(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap_or_default()
}
