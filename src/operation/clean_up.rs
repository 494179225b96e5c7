//! Stuck operations are tried again on demand.
use super::{Operation, Operations, Plan, Planning, drivers::Hold, journal::Record};
use crate::{
    api::operation::CleanUpRequest,
    domain::OperationId,
    error::{Error, Result},
    store::{WriteTx, operations},
    validate::{self, Problems},
};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio::time::timeout;

/// `POST /operations/pending/cleanup`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CleanUp {
    /// All that are stuck when none.
    which: Option<Vec<OperationId>>,
}

/// Nobody names more at once (api.md 13).
const MOST: usize = 32;
/// Enough to let go of an operation after its last record is written.
const MOMENT: Duration = Duration::from_secs(1);

impl CleanUp {
    /// Everything that is stuck is to be tried again.
    #[must_use]
    pub fn all() -> Self {
        Self { which: None }
    }
}

impl TryFrom<CleanUpRequest> for CleanUp {
    type Error = Error;
    fn try_from(request: CleanUpRequest) -> Result<Self> {
        let named = request.operations;
        let problem = if named.len() > MOST {
            Some(format!("too many ids specified ({}), up to {MOST} supported", named.len()))
        } else {
            named.iter().find_map(|id| validate::id(id))
        };
        Problems::default().field("operations", problem).check()?;
        // An id that nothing can have must not be left out: nothing would stand for everything.
        let ids = named.iter().filter_map(|id| id.to_ascii_lowercase().parse().ok()).collect();
        Ok(Self { which: (!named.is_empty()).then_some(ids) })
    }
}

impl Operations {
    /// Does what was asked for in the background; then the operation itself is done.
    pub(super) fn clean_up_as(&self, hold: Hold, request: CleanUp) {
        let this = self.clone();
        self.spawn(async move {
            match this.clean_up(&request).await {
                Ok(()) => {}
                // As with Heketi, what could not be cleaned up stays in the list and is no error.
                Err(error) => tracing::error!(operation = %hold.id, %error, "cleaning up failed"),
            }
            this.bring_to_rest(hold).await;
        });
    }

    /// Tries them again and waits until each is at rest or stuck once more. Those that run, or are
    /// unknown, are passed over; so are failures, which stay in the list of pending operations.
    async fn clean_up(&self, request: &CleanUp) -> Result<()> {
        let stuck = operations::stuck(&mut *self.runner.store.read().await?).await?;
        let wanted =
            |id: &OperationId| request.which.as_ref().is_none_or(|which| which.contains(id));
        let tries = stuck.into_iter().filter(wanted).map(|id| async move {
            match self.take_up_stuck(id).await {
                Ok(Some(hold)) => self.bring_to_rest(hold).await,
                Ok(None) => {}
                Err(error) => tracing::error!(operation = %id, %error, "not cleaned up"),
            }
        });
        join_all(tries).await;
        Ok(())
    }

    /// Whoever wrote that the operation is stuck has it for one moment more.
    async fn take_up_stuck(&self, id: OperationId) -> Result<Option<Hold>> {
        match self.take_up(id).await? {
            None => {
                let _ = timeout(MOMENT, self.runner.drivers.gone(id)).await;
                self.take_up(id).await
            }
            taken => Ok(taken),
        }
    }
}

/// It changes nothing itself: what it brings about is the work of the operations it tries again.
impl Operation for CleanUp {
    fn claims(&self) -> Vec<String> {
        vec![]
    }
    fn subject(&self) -> Option<(&'static str, String)> {
        None
    }
    async fn reserve(&self, _: &mut WriteTx, _: &Planning<'_>) -> Result<Plan> {
        Ok(vec![])
    }
    async fn commit(&self, _: &mut WriteTx, _: &Record) -> Result<()> {
        Ok(())
    }
    async fn release(&self, _: &mut WriteTx, _: &Record) -> Result<()> {
        Ok(())
    }
}
