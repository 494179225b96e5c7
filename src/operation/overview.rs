//! What is not at rest, as the API shows it.
use super::{
    Any, CleanUp, Operation, Operations,
    drivers::Driving,
    journal::{Record, StepRecord},
    step::{Place, Step},
};
use crate::{
    api::operation::{
        Change, CommandInfo, Moves, OperationCounts, PendingOperation, PendingOperationInfo,
        PendingOperations, Progress, StepInfo,
    },
    domain::OperationId,
    error::{Error, Result},
    store::{
        children::{self, Relative},
        operations::{self, OpState, OperationRow, StepState},
    },
};
use jiff::Timestamp;
use sqlx::SqliteConnection;

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
    /// What it has begun and is not at rest.
    children: Vec<OperationId>,
    bricks: Option<Moves>,
    to_heal: Option<u64>,
}

impl Operations {
    /// How many operations are not at rest, by kind of trouble.
    ///
    /// # Errors
    /// The database fails.
    pub async fn counts(&self) -> Result<OperationCounts> {
        let mut counts = OperationCounts::default();
        // What they do and how far they are is of no interest here: scrapes ask for this often.
        let brief = operations::unfinished_briefly(&mut *self.runner.store.read().await?).await?;
        for one in brief.iter().filter(|one| !is_hidden(one.state, &one.kind)) {
            let driving = self.runner.drivers.driving(one.id);
            counts.total += 1;
            counts.in_flight += u64::from(driving == Driving::Working);
            match status(one.state, driving) {
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
        let mut tx = self.runner.store.read().await?;
        let row = operations::load(&mut tx, id).await?;
        let one = match row.filter(|row| !is_hidden(row.state, &row.kind)) {
            Some(row) => Some(self.seen(&mut tx, row).await?),
            None => None,
        };
        drop(tx);
        // The id stands in the text here, unlike elsewhere.
        let one = one.ok_or_else(|| Error::NotFound(format!("Id not found: {id}")))?;
        let mut operation = one.line();
        operation.sub_status.clear();
        let (changes, steps) = one.record.as_ref().map(|r| (one.changes(r), steps(r))).unzip();
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
        for one in operations::unfinished_briefly(&mut tx).await? {
            if is_hidden(one.state, &one.kind) {
                continue;
            }
            if let Some(row) = operations::load(&mut tx, one.id).await? {
                all.push(self.seen(&mut tx, row).await?);
            }
        }
        Ok(all)
    }

    async fn seen(&self, db: &mut SqliteConnection, row: OperationRow) -> Result<Unfinished> {
        let driving = self.runner.drivers.driving(row.id);
        let record = Record::of_row(row.clone()).ok();
        let healing = |id| self.nodes().healing_for(id);
        let (mut children, mut bricks, mut to_heal) = (vec![], None, healing(row.id));
        if let Some(record) = record.as_ref().filter(|r| r.operation.leads()) {
            let family = children::family(db, row.id).await?;
            let moved = |r: &&Relative| r.kind == "evict-brick" && r.state == OpState::Done;
            let moved = family.iter().filter(moved).count();
            bricks = Some(Moves { moved, left: record.operation.left(db).await? });
            let at_rest = |state| matches!(state, OpState::Done | OpState::Failed);
            children = family.iter().filter(|r| !at_rest(r.state)).map(|r| r.id).collect();
            to_heal = children.iter().filter_map(|id| healing(*id)).reduce(u64::saturating_add);
        }
        Ok(Unfinished { row, record, driving, children, bricks, to_heal })
    }
}

/// Not an operation that a person would look for: at rest, not yet accepted, or itself only a
/// request to clean others up.
fn is_hidden(state: OpState, kind: &str) -> bool {
    let idle = matches!(state, OpState::Done | OpState::Failed | OpState::Accepted);
    idle || kind == Any::CleanUp(CleanUp::all()).kind()
}

fn status(state: OpState, driving: Driving) -> Status {
    match (state, driving) {
        (OpState::Stuck, Driving::Not) => Status::Failed,
        (_, Driving::Not) => Status::Stale,
        _ => Status::New,
    }
}

impl Unfinished {
    fn line(&self) -> PendingOperation {
        let in_flight = self.driving == Driving::Working;
        PendingOperation {
            id: self.row.id,
            type_name: self.row.kind.clone(),
            status: status(self.row.state, self.driving).word().to_owned(),
            sub_status: if in_flight { "in-flight" } else { "" }.to_owned(),
            progress: self.record.as_ref().map(|record| self.progress(record)),
        }
    }

    /// What the record changes, and what it has begun.
    fn changes(&self, record: &Record) -> Vec<Change> {
        let child = |id: &OperationId| Change {
            id: id.to_string(),
            description: "Performing child operation".to_owned(),
        };
        changes(record).into_iter().chain(self.children.iter().map(child)).collect()
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
            bricks: self.bricks,
            to_heal: self.to_heal,
            cancellable: match record.state {
                OpState::Running => !record.past_pivot(),
                OpState::Stuck => record.operation.leads(),
                _ => false,
            },
            // The largest number stands for "no further attempt".
            attempt: if (2..i64::MAX).contains(&record.attempt) { record.attempt } else { 0 },
            error: record.error.clone().unwrap_or_default(),
            tries: record.tries,
            retry_at: record
                .retry_at
                .filter(|&at| record.state == OpState::Stuck && at != operations::HELD)
                .map(time),
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
            "destroy-brick" | "retire-brick" | "check-heal" => "Delete brick",
            _ => "Add brick",
        };
        Some(Change { id, description: description.to_owned() })
    };
    // Made together with what it is for.
    let hosting = |step: &StepRecord| match (&record.operation, &step.step) {
        (Any::CreateBlockVolume(_), Step::CreateVolume(step)) => {
            Some(Change { id: step.volume.id.to_string(), description: "Add volume".into() })
        }
        _ => None,
    };
    let subject =
        |(description, id): (&str, String)| Change { id, description: description.into() };
    if let Some(own) = record.operation.changes() {
        return own.into_iter().map(subject).collect();
    }
    let bricks = record.steps.iter().filter_map(brick);
    let hosting = record.steps.iter().filter_map(hosting);
    bricks.chain(hosting).chain(record.operation.subject().map(subject)).collect()
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
