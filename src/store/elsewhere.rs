//! Waiting until a copy elsewhere has everything that is committed here.
//!
//! Where several servers stand ready to take over, one that takes over knows only what is in that
//! copy. So nothing is done on nodes, and nothing is told to anybody, that is not in it.
use super::Store;
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
}

/// A commit that has begun is counted when it has ended, however that was.
pub(super) struct Committing(watch::Sender<u64>);

impl Drop for Committing {
    fn drop(&mut self) {
        self.0.send_modify(|number| *number += 1);
    }
}

impl Elsewhere {
    pub(super) fn commit(&self, ended: &watch::Sender<u64>) -> Committing {
        self.begun.send_modify(|number| *number += 1);
        Committing(ended.clone())
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
    /// Waits until a copy elsewhere has everything that was committed when this was called; not at
    /// all where nobody has required that.
    ///
    /// # Cancel safety
    /// Nothing happens here but waiting.
    pub async fn until_kept(&self) {
        if !self.elsewhere.required.load(SeqCst) {
            return;
        }
        let wanted = *self.elsewhere.begun.borrow();
        let mut kept = self.elsewhere.kept.subscribe();
        // It ends only with the store, which is here.
        let _ = kept.wait_for(|kept| *kept >= wanted).await;
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
