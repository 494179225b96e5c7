//! Waiting until everything that is committed here is durable, also in a copy elsewhere.
//!
//! Where several servers stand ready to take over, one that takes over knows only what is in that
//! copy. So nothing is done on nodes, and nothing is told to anybody, that is not in it.
use super::Store;
use crate::error::Result;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};
use tokio::sync::watch;

/// How far the copy has got.
#[derive(Clone, Debug, Default)]
pub(super) struct Elsewhere {
    /// Whether it is waited for.
    required: Arc<AtomicBool>,
    /// Everything up to the commit of this number is there.
    kept: watch::Sender<u64>,
    /// Commits that have begun: what a reader has seen is among them, also in the moment in which
    /// it is not yet counted as committed.
    begun: watch::Sender<u64>,
    /// The last of them that is to be durable: those after it need not be waited for.
    wanted: watch::Sender<u64>,
}

/// A commit that has begun is counted when it has ended, however that was.
pub(super) struct Committing(watch::Sender<u64>);

impl Drop for Committing {
    fn drop(&mut self) {
        self.0.send_modify(|number| *number += 1);
    }
}

impl Elsewhere {
    /// A commit begins, which is to be durable or need not be; its number.
    pub(super) fn commit(&self, ended: &watch::Sender<u64>, durable: bool) -> (Committing, u64) {
        let mut number = 0;
        self.begun.send_modify(|begun| {
            *begun += 1;
            number = *begun;
        });
        if durable {
            self.wanted.send_replace(number);
        }
        (Committing(ended.clone()), number)
    }
}

impl Store {
    /// From now on [`Store::until_kept`] waits.
    pub fn require_copies(&self) {
        self.elsewhere.required.store(true, SeqCst);
    }
    /// A copy elsewhere has everything up to the commit of this number (see [`Store::commits`]).
    pub fn kept(&self, number: u64) {
        self.elsewhere.kept.send_if_modified(|kept| {
            let further = number > *kept;
            *kept = number.max(*kept);
            further
        });
    }
    /// Waits until everything that was committed when this was called is durable, but for what need not
    /// be: on disk, and, where that is required, in a copy elsewhere. It never returns once the disk
    /// has failed.
    ///
    /// # Cancel safety
    /// Nothing is lost by not waiting.
    pub async fn until_kept(&self) {
        let wanted = *self.elsewhere.wanted.borrow();
        if self.until_on_disk(wanted).await.is_err() {
            std::future::pending::<()>().await;
        }
        if !self.elsewhere.required.load(SeqCst) {
            return;
        }
        let mut kept = self.elsewhere.kept.subscribe();
        // It ends only with the store, which is here.
        let _ = kept.wait_for(|kept| *kept >= wanted).await;
    }

    /// Waits until the disk has failed: nobody knows any more what is on it, so nothing more is written
    /// and nothing more is told by this process. Whoever starts anew reads what is there.
    ///
    /// # Cancel safety
    /// Nothing happens here but waiting.
    pub fn until_broken(&self) -> impl Future<Output = ()> + Send + use<> {
        // The store itself is not kept open by it.
        let log = self.log.clone();
        async move {
            match log {
                Some(log) => log.breaks().await,
                None => std::future::pending().await,
            }
        }
    }

    /// Waits until everything that is committed, or about to be, is on disk.
    ///
    /// # Errors
    /// The disk has failed.
    pub(super) async fn until_all_on_disk(&self) -> Result<()> {
        let all = *self.elsewhere.begun.borrow();
        self.until_on_disk(all).await
    }

    async fn until_on_disk(&self, number: u64) -> Result<()> {
        let Some(log) = &self.log else { return Ok(()) };
        let mut ended = self.commits.subscribe();
        // It ends only with the store, which is here.
        let _ = ended.wait_for(|ended| *ended >= number).await;
        log.reach(number, &self.commits).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::ClusterId,
        store::clusters::{self, Cluster},
    };
    use std::time::Duration;
    use tokio::time::timeout;

    async fn write(store: &Store) {
        let mut tx = store.write().await.unwrap();
        let cluster = Cluster { id: ClusterId::random(), file: true, block: true };
        clusters::insert(&mut tx, cluster).await.unwrap();
        tx.commit().await.unwrap();
    }
    async fn waits(store: &Store) -> bool {
        timeout(Duration::from_millis(50), store.until_kept()).await.is_err()
    }

    #[tokio::test]
    async fn what_is_not_elsewhere_is_waited_for_where_that_is_required() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("brickyard.db")).await.unwrap();
        write(&store).await;
        assert!(!waits(&store).await, "nobody has required it");
        store.require_copies();
        assert!(waits(&store).await);
        let all = *store.commits().borrow();
        store.kept(all - 1);
        assert!(waits(&store).await);
        store.kept(all);
        assert!(!waits(&store).await);
        // An earlier copy takes nothing back.
        store.kept(all - 1);
        assert!(!waits(&store).await);
        write(&store).await;
        assert!(waits(&store).await);
        // A transaction that wrote nothing is nothing to wait for.
        store.kept(*store.commits().borrow());
        drop(store.write().await.unwrap());
        assert!(!waits(&store).await);
    }
}
