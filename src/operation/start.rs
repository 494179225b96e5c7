//! The life of operations from request to rest: accepted, driven in the background, polled.
use super::{
    Any, OnRestart, Operation, Planning, Settings,
    cleaner::Cleaner,
    drivers::{AtWork, Drivers, Hold},
    queue::Queue,
    runner::{self, Runner},
};
use crate::{
    domain::OperationId,
    error::{Error, Result},
    metrics::OperationTimes,
    node::Nodes,
    store::{
        Store, children, claims,
        operations::{self, OpState},
    },
};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Everything that can be started, and what is running.
#[derive(Clone)]
pub struct Operations {
    pub(super) runner: Runner,
    tasks: TaskTracker,
    queue: Queue,
}

/// What `/queue/{id}` answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Queued {
    /// Ask again.
    Pending,
    /// Done, with or without a place where the result is.
    Done(Option<String>),
    /// Not done, and why.
    Failed(String),
}

impl Operations {
    /// Nothing runs yet.
    #[must_use]
    pub fn new(store: Store, nodes: Nodes, settings: Settings) -> Self {
        let queue = Queue::new(settings.max_in_flight, settings.max_waiting);
        let runner = Runner {
            store,
            nodes,
            settings: Arc::new(settings),
            ending: CancellationToken::new(),
            drivers: Drivers::default(),
            stuck: Arc::default(),
            times: OperationTimes::default(),
        };
        Self { runner, tasks: TaskTracker::new(), queue }
    }

    /// The nodes that operations work on.
    #[must_use]
    pub fn nodes(&self) -> &Nodes {
        &self.runner.nodes
    }

    /// How operations end, and after which time.
    #[must_use]
    pub fn times(&self) -> &OperationTimes {
        &self.runner.times
    }

    /// How many operations are driven at this moment.
    #[must_use]
    pub fn at_work(&self) -> AtWork {
        self.runner.drivers.at_work()
    }

    /// Accepts an operation and starts to work on it; the id names its queue entry.
    ///
    /// What can be known at once is known at once: a refusal by the rules, a name in use or no
    /// space is an error here and leaves nothing behind.
    ///
    /// # Errors
    /// Every refusal, with the texts and statuses of api.md.
    pub async fn start(&self, operation: impl Into<Any>) -> Result<OperationId> {
        let operation = operation.into();
        let kind = operation.kind();
        let started = self.admit(operation).await;
        if started.is_err() {
            self.runner.times.refused(kind);
        }
        started
    }

    async fn admit(&self, mut operation: Any) -> Result<OperationId> {
        if self.runner.ending.is_cancelled() {
            return Err(Error::ShuttingDown);
        }
        let ticket = match operation.throttled().then(|| self.queue.enter()).transpose() {
            Ok(ticket) => ticket,
            Err(busy) => return Err(self.fault_of(&operation).await?.unwrap_or(busy)),
        };
        // Held before it can be seen: a removal that finds it must not take it for left behind.
        let mut hold = self.runner.drivers.hold_new(ticket);
        let id = hold.id;
        // A request whose client hangs up must not stop between two transactions.
        let this = self.clone();
        let accepted = self.tasks.spawn(async move {
            let attempt = operation.attempt();
            if let Err(error) = this.accept(&mut hold, &mut operation, None).await {
                // If it could not even be forgotten, its driver sees to that.
                hold.ticket = None;
                this.drive_held(hold);
                return Err(explained(error, attempt, id));
            }
            tracing::info!(operation = %id, kind = operation.kind(), "operation started");
            match operation {
                Any::CleanUp(request) => this.clean_up_as(hold, request),
                _ => this.drive_held(hold),
            }
            Ok(())
        });
        match accepted.await {
            Ok(result) => result.map(|()| id),
            Err(error) => Err(Error::Refused(format!("internal error: {error}"))),
        }
    }

    /// Claims, looks and plans, or leaves nothing behind; `parent` has begun it as a part of itself.
    ///
    /// Where its turn is there at once, its first steps are written down as begun by the same commit,
    /// if they can be taken back; `hold.begun` says so. While it looks around it keeps no place in
    /// flight from others, since it could not lend it.
    pub(super) async fn accept(
        &self,
        hold: &mut Hold,
        operation: &mut Any,
        parent: Option<OperationId>,
    ) -> Result<()> {
        let id = hold.id;
        let Runner { store, nodes, settings, .. } = &self.runner;
        let unwell = nodes.health().unwell();
        let mut tx = store.write().await?;
        let params = serde_json::to_string(operation)?;
        operations::insert(&mut tx, id, operation.kind(), &params).await?;
        if let Some(parent) = parent {
            children::adopt(&mut tx, id, parent).await?;
        }
        for resource in operation.claims() {
            claims::take(&mut tx, &resource, id).await?;
        }
        let planning = Planning { id, settings, avoid: &BTreeSet::new(), unwell: &unwell };
        if !operation.looks() {
            let begun = runner::plan(&mut tx, operation, &planning, hold.turn_now()).await?;
            tx.commit().await?;
            hold.begun = begun;
            return Ok(());
        }
        tx.commit().await?;
        let planned = async {
            operation.look(store, nodes).await?;
            let mut tx = store.write().await?;
            if operations::state(&mut tx, id).await? != Some(OpState::Accepted) {
                // Its claims may be gone, and with them what it has seen.
                return Err(Error::Refused(format!(
                    "operation {id} was put to rest while it asked the nodes; please try again"
                )));
            }
            operations::set_params(&mut tx, id, &serde_json::to_string(operation)?).await?;
            let begun = runner::plan(&mut tx, operation, &planning, hold.turn_now()).await?;
            tx.commit().await?;
            hold.begun = begun;
            Ok(())
        };
        let planned = planned.await;
        if planned.is_err() {
            let mut tx = store.write().await?;
            // Anything else is the word of somebody else.
            if operations::state(&mut tx, id).await? == Some(OpState::Accepted) {
                operations::forget(&mut tx, id).await?;
                tx.commit().await?;
            }
        }
        planned
    }

    /// What is wrong with the request itself, whether or not there is room for it now: clients are
    /// told that first (api.md 5.2). The plan that comes of looking is thrown away.
    async fn fault_of(&self, operation: &Any) -> Result<Option<Error>> {
        let Runner { store, settings, .. } = &self.runner;
        let (id, none) = (OperationId::random(), BTreeSet::new());
        let planning = Planning { id, settings, avoid: &BTreeSet::new(), unwell: &none };
        let mut tx = store.write().await?;
        let planned = operation.reserve(&mut tx, &planning).await;
        Ok(planned.err().filter(|error| error.status() < 500))
    }

    /// Sees to it that somebody drives the operation.
    pub(super) fn drive(&self, id: OperationId) {
        if let Some(hold) = self.runner.drivers.hold(id) {
            self.drive_held(hold);
        }
    }

    /// Runs until the server ends, and is waited for then.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(work);
    }

    /// Drives it in the background: when it is its turn, if it has a ticket.
    pub(super) fn drive_held(&self, mut hold: Hold) {
        let this = self.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = hold.turn() => this.bring_to_rest(hold).await,
                () = this.runner.ending.cancelled() => {}
            }
        });
    }

    /// Brings everything to rest that an earlier server left, and starts the cleaner.
    ///
    /// Returns when all directions are set; the work itself goes on in the background. Claims in
    /// the database protect what is unfinished meanwhile. Nothing is begun when nothing can be
    /// written down.
    ///
    /// # Errors
    /// The database fails.
    pub async fn recover(&self, policy: OnRestart) -> Result<()> {
        if self.runner.store.barred().is_some() {
            return Ok(());
        }
        let mut tx = self.runner.store.read().await?;
        let mut left = operations::unfinished(&mut tx).await?;
        let held = operations::held(&mut tx).await?;
        drop(tx);
        if !held.is_empty() {
            left.retain(|id| !held.contains(id));
            tracing::warn!(
                count = held.len(),
                "operations of a restored backup wait: compare with `server state examine gluster`, \
                 then `server operations cleanup`"
            );
        }
        if !left.is_empty() {
            tracing::warn!(count = left.len(), "operations of an earlier run are brought to rest");
        }
        for id in left {
            // One that was accepted since, or was taken up already, is not left behind.
            let Some(hold) = self.runner.drivers.hold(id) else { continue };
            match self.runner.direct(&hold, policy).await {
                Ok(()) => self.drive_held(hold),
                // One that this version cannot read must not keep the others from their rest.
                Err(error @ Error::Record(_)) => {
                    tracing::error!(operation = %id, %error, "left as it is");
                }
                // The database cannot be written at the moment; reads are served meanwhile.
                Err(error) => {
                    tracing::error!(operation = %id, %error, "not taken up yet");
                    let this = self.clone();
                    self.spawn(async move { this.recover_later(hold, policy).await });
                }
            }
        }
        self.tasks.spawn(Cleaner { operations: self.clone() }.run());
        Ok(())
    }

    async fn recover_later(&self, hold: Hold, policy: OnRestart) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(Duration::from_secs(10)) => {}
                () = self.runner.ending.cancelled() => return,
            }
            match self.runner.direct(&hold, policy).await {
                Ok(()) => return self.drive_held(hold),
                Err(error) => tracing::error!(operation = %hold.id, %error, "not taken up yet"),
            }
        }
    }

    /// What a client that polls is to be told.
    ///
    /// # Errors
    /// 404 when the operation never was or has been forgotten; the database fails.
    pub async fn queued(&self, id: OperationId) -> Result<Queued> {
        let mut db = self.runner.store.ask().await?;
        let progress = operations::progress(&mut db, id).await?.ok_or_else(Error::id_not_found)?;
        let why = progress.error.unwrap_or_default();
        Ok(match progress.state {
            OpState::Accepted | OpState::Running | OpState::Unwinding => Queued::Pending,
            OpState::Done => Queued::Done(progress.location),
            OpState::Failed => Queued::Failed(why),
            OpState::Stuck if progress.held => Queued::Failed(why),
            OpState::Stuck => Queued::Failed(format!("{why} (it will be tried again)")),
        })
    }

    /// Ends: no new operations, each running one reaches the end of its step.
    pub async fn end(&self) {
        self.runner.ending.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Adds what was attempted, and puts the reasons of a full cluster into the log.
fn explained(error: Error, attempt: &str, id: OperationId) -> Error {
    if let Error::Placement(refusal) = &error
        && let Some(report) = refusal.report()
    {
        tracing::warn!(operation = %id, "no place for the bricks: {report}");
    }
    error.during(attempt)
}
