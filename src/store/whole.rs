//! Work on the database that goes on to its end, whoever still waits for it.
use super::Store;
use crate::error::{Error, Result};

impl Store {
    /// Does it wholly. A client that hangs up takes the request with it, wherever that is waiting;
    /// in the middle of a commit nobody would know any more whether that has come about, and the
    /// copy elsewhere could be taken for complete without it.
    ///
    /// # Errors
    /// Those of the work.
    ///
    /// # Cancel safety
    /// Dropping this lets go of the answer, and the work goes on.
    pub async fn whole<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let done = self.begun.spawn(work).await;
        done.unwrap_or_else(|error| Err(Error::Refused(format!("internal error: {error}"))))
    }

    /// Waits for all that is being done wholly, when nothing new is asked for any more.
    pub async fn at_rest(&self) {
        self.begun.close();
        self.begun.wait().await;
    }
}
