//! Tries stuck operations again, clears what bricks left behind, and forgets old results.
//!
//! Each stuck operation has its own time, later and later; when a node comes back, all are tried at
//! once. They are tried side by side: one that waits for a dead node keeps no other from its rest.
use super::{
    ClearDebris, OnRestart, Operations,
    drivers::{Driving, Hold},
};
use crate::{
    domain::{DeviceId, OperationId},
    error::{Error, Result},
    store::{
        debris, now,
        operations::{self, OpState},
    },
};
use std::{collections::BTreeSet, time::Duration};
use tokio::time::Instant;

pub(super) struct Cleaner {
    pub(super) operations: Operations,
}

/// Why the cleaner woke up.
enum Woken {
    /// An operation's time has come, or it is time to look.
    Time,
    /// An operation got stuck: its time may be the next.
    Stuck,
    /// A node is well again.
    Recovered,
}

impl Cleaner {
    /// Results are looked through so often, and stuck operations at the latest after this time.
    const ROUND: Duration = Duration::from_hours(1);

    /// Runs until the server ends.
    pub(super) async fn run(self) {
        let mut next_round = Instant::now() + Self::ROUND;
        self.sweep().await;
        loop {
            let Some(woken) = self.sleep(next_round).await else { return };
            let round = Instant::now() >= next_round;
            if round {
                next_round = Instant::now() + Self::ROUND;
            }
            if let Err(error) = self.clean(woken, round).await {
                tracing::error!(%error, "cleaning up failed");
                // Not at once: what the database cannot do now it can hardly do in a moment.
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }

    /// Until there is something to do; none when the server ends.
    async fn sleep(&self, next_round: Instant) -> Option<Woken> {
        let runner = &self.operations.runner;
        let recovered = &runner.nodes.health().recovered;
        let by_itself = runner.settings.cleaner.is_some();
        let time = next_round.min(Instant::now() + self.until_next().await);
        tokio::select! {
            () = runner.ending.cancelled() => None,
            () = tokio::time::sleep_until(time) => Some(Woken::Time),
            () = runner.stuck.notified() => Some(Woken::Stuck),
            () = recovered.notified(), if by_itself => Some(Woken::Recovered),
        }
    }

    async fn until_next(&self) -> Duration {
        let runner = &self.operations.runner;
        let Some((first, _)) = runner.settings.cleaner else { return Self::ROUND };
        let next = async {
            let mut tx = runner.store.read().await?;
            operations::next_retry(&mut tx).await
        };
        match next.await {
            Ok(None) => Self::ROUND,
            Ok(Some(time)) => {
                let wait = u64::try_from(time.saturating_sub(now())).unwrap_or(0);
                // Never without a pause, whatever stands in the record.
                Duration::from_secs(wait).max(first.min(Duration::from_secs(1))).min(Self::ROUND)
            }
            Err(error) => {
                tracing::error!(%error, "the cleaner cannot read what there is to do");
                Duration::from_secs(10)
            }
        }
    }

    async fn clean(&self, woken: Woken, round: bool) -> Result<()> {
        let due = match woken {
            // Its time is known now, and waited for.
            Woken::Stuck => None,
            Woken::Time => Some(now()),
            // Also those that nobody would try by himself.
            Woken::Recovered => Some(operations::HELD - 1),
        };
        let runner = &self.operations.runner;
        if let Some(due) = due.filter(|_| runner.settings.cleaner.is_some()) {
            let stuck = operations::stuck_until(&mut *runner.store.read().await?, due).await?;
            for id in stuck {
                self.operations.again(id).await?;
            }
        }
        if round || matches!(woken, Woken::Recovered) {
            self.sweep().await;
        }
        if round { self.round().await } else { Ok(()) }
    }

    /// What bricks left on nodes that did not answer goes, where the nodes answer again. Nothing
    /// depends on it, so what goes wrong is told and tried again at the next occasion.
    async fn sweep(&self) {
        if self.operations.runner.settings.cleaner.is_none() {
            return;
        }
        let devices = match self.littered().await {
            Ok(devices) => devices,
            Err(error) => return tracing::error!(%error, "what bricks left cannot be looked for"),
        };
        for device in devices {
            if let Err(error) = self.operations.start(ClearDebris::new(device)).await {
                tracing::info!(%device, %error, "what bricks left on it stays for now");
            }
        }
    }

    /// Devices with remains of bricks, on hosts that are not known to be unwell.
    async fn littered(&self) -> Result<BTreeSet<DeviceId>> {
        let runner = &self.operations.runner;
        let unwell = runner.nodes.health().unwell();
        let all = debris::all(&mut *runner.store.read().await?).await?;
        Ok(all.iter().filter(|d| !unwell.contains(&d.host)).map(|d| d.device).collect())
    }

    /// Once an hour: what nobody drives any more is taken up again, and old results are forgotten.
    async fn round(&self) -> Result<()> {
        let runner = &self.operations.runner;
        let unfinished = operations::unfinished(&mut *runner.store.read().await?).await?;
        for id in unfinished {
            let state = operations::state(&mut *runner.store.read().await?, id).await?;
            let moves = matches!(state, Some(OpState::Running | OpState::Unwinding));
            if moves && runner.drivers.driving(id) == Driving::Not {
                self.operations.again(id).await?;
            }
        }
        let age = i64::try_from(runner.settings.keep_results.as_secs()).unwrap_or(i64::MAX);
        let mut tx = runner.store.write().await?;
        operations::forget_finished(&mut tx, now().saturating_sub(age)).await?;
        tx.commit().await
    }
}

impl Operations {
    /// Turns an operation that nobody drives into its direction, and takes the right to drive it;
    /// none when somebody else has it, or when this version cannot read the operation.
    ///
    /// # Errors
    /// The database fails.
    pub(super) async fn take_up(&self, id: OperationId) -> Result<Option<Hold>> {
        let Some(hold) = self.runner.drivers.hold(id) else { return Ok(None) };
        tracing::info!(operation = %id, "trying the operation again");
        match self.runner.direct(&hold, OnRestart::Unwind).await {
            Ok(()) => Ok(Some(hold)),
            // One that this version cannot read must not keep the others from their rest.
            Err(error @ Error::Record(_)) => {
                tracing::error!(operation = %id, %error, "left as it is");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Lets an operation go on in its direction, in the background.
    ///
    /// # Errors
    /// The database fails.
    pub(super) async fn again(&self, id: OperationId) -> Result<()> {
        if let Some(hold) = self.take_up(id).await? {
            self.drive_held(hold);
        }
        Ok(())
    }
}
