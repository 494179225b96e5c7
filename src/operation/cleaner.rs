//! Tries stuck operations again from time to time, and forgets old results.
use super::{OnRestart, runner::Runner};
use crate::{
    domain::OperationId,
    error::{Error, Result},
    store::{now, operations},
};
use std::time::Duration;

pub(super) struct Cleaner {
    pub(super) runner: Runner,
    pub(super) first: Duration,
    pub(super) then: Duration,
}

impl Cleaner {
    /// Runs until the server ends.
    pub(super) async fn run(self) {
        let mut pause = self.first;
        loop {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.runner.ending.cancelled() => return,
            }
            pause = self.then;
            if let Err(error) = self.clean().await {
                tracing::error!(%error, "cleaning up failed");
            }
        }
    }

    /// One after another: what is stuck is often stuck for the same reason.
    async fn clean(&self) -> Result<()> {
        let stuck = operations::stuck(&mut *self.runner.store.read().await?).await?;
        for id in stuck {
            tracing::info!(operation = %id, "trying a stuck operation again");
            match self.again(id).await {
                // One that this version cannot read must not keep the others from their rest.
                Err(error @ Error::Record(_)) => {
                    tracing::error!(operation = %id, %error, "left as it is");
                }
                other => other?,
            }
        }
        let age = i64::try_from(self.runner.settings.keep_results.as_secs()).unwrap_or(i64::MAX);
        let mut tx = self.runner.store.write().await?;
        operations::forget_finished(&mut tx, now().saturating_sub(age)).await?;
        tx.commit().await
    }

    async fn again(&self, id: OperationId) -> Result<()> {
        let Some(hold) = self.runner.hold(id) else { return Ok(()) };
        self.runner.direct(id, OnRestart::Unwind).await?;
        self.runner.drive_to_rest(hold).await;
        Ok(())
    }
}
