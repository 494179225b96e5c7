//! Calling an operation off before its point of no return.
use super::{Operation, Operations, journal::Record};
use crate::{
    domain::OperationId,
    error::{Error, Result},
    store::operations::{self, OpState},
};

/// What a client that polls a cancelled operation is told.
const CANCELLED: &str = "The operation was cancelled. What it had done is taken back";
/// The same for one that is done by others, each of which has its own point of no return.
const CANCELLED_LEADING: &str =
    "The operation was cancelled. What had moved by then stays where it is now";

impl Operations {
    /// Calls an operation off: one that waits or runs is taken back from where it is, which goes on
    /// in the background; its queue entry fails with a word of why.
    ///
    /// What runs on a node at this moment is left alone there, as in a crash; undoing waits for it.
    ///
    /// # Errors
    /// 404 when no such operation is unfinished; 409 when it cannot be taken back any more; the
    /// database fails.
    ///
    /// # Cancel safety
    /// What was begun is done: an operation that is turned and whose driver was not told would go
    /// on as if nothing had happened.
    pub async fn cancel(&self, id: OperationId) -> Result<()> {
        let this = self.clone();
        self.runner.store.whole(async move { this.turn(id).await }).await
    }

    async fn turn(&self, id: OperationId) -> Result<()> {
        let mut tx = self.runner.store.write().await?;
        let row = operations::load(&mut tx, id).await?.ok_or_else(Error::id_not_found)?;
        let record = Record::of_row(row)?;
        match record.state {
            OpState::Accepted | OpState::Done | OpState::Failed => {
                return Err(Error::id_not_found());
            }
            OpState::Running | OpState::Stuck if record.past_pivot() => {
                let kind = record.operation.kind();
                return Err(Error::Conflict(format!(
                    "Operation {id} ({kind}) is past its point of no return and can only be \
                     finished"
                )));
            }
            // It is being taken back already, and could not be so far: tried again now.
            OpState::Stuck if !record.operation.leads() => {
                drop(tx);
                return self.again(id).await;
            }
            // One that is being taken back already is at least not begun anew elsewhere.
            OpState::Running | OpState::Unwinding | OpState::Stuck => {}
        }
        operations::end_attempts(&mut tx, id).await?;
        let why = if record.operation.leads() { CANCELLED_LEADING } else { CANCELLED };
        operations::set_state(&mut tx, id, OpState::Unwinding, Some(why)).await?;
        tx.commit().await?;
        tracing::info!(operation = %id, kind = record.operation.kind(), "operation cancelled");
        if record.state == OpState::Running {
            self.runner.drivers.call_off(id);
        }
        self.drive(id);
        Ok(())
    }
}
