//! Everything that was interrupted is brought to rest, and waited for: without a server.
use super::Operations;
use crate::{
    api::operation::PendingOperations,
    error::{Error, Result},
    store::operations,
};
use futures_util::future::join_all;

impl Operations {
    /// Takes up all unfinished operations, side by side, and waits until each is at rest or stuck;
    /// those that are left.
    ///
    /// # Errors
    /// The database fails, or is only read.
    ///
    /// # Cancel safety
    /// As with a crash: the next start goes on.
    pub async fn settle(&self) -> Result<PendingOperations> {
        if let Some(why) = self.runner.store.barred() {
            return Err(Error::Barred(why.to_owned()));
        }
        let left = operations::unfinished(&mut *self.runner.store.read().await?).await?;
        let tries = left.into_iter().map(|id| async move {
            match self.take_up(id).await {
                Ok(Some(hold)) => self.bring_to_rest(hold).await,
                Ok(None) => {}
                Err(error) => tracing::error!(operation = %id, %error, "not taken up"),
            }
        });
        join_all(tries).await;
        self.pending().await
    }
}
