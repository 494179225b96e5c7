//! The locks of scripts: what `flock` on a file of the node is to real ones.
use crate::domain::Hostname;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

/// A node, and a name on it.
type Key = (Hostname, String);

/// One lock for each node and name, with the number of the script that had it last.
#[derive(Default)]
pub(super) struct Locks(Mutex<HashMap<Key, Arc<Turn<u64>>>>);

impl Locks {
    /// Waits until nobody else holds the lock, however long that takes; free again when dropped.
    /// None when a script with a higher number had it before.
    pub(super) async fn take(
        &self,
        host: &Hostname,
        name: &str,
        number: u64,
    ) -> Option<OwnedMutexGuard<u64>> {
        let turn = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.entry((host.clone(), name.to_owned())).or_default().clone()
        };
        let mut last = turn.lock_owned().await;
        if *last > number {
            return None;
        }
        *last = number;
        Some(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn host(name: &str) -> Hostname {
        name.parse().unwrap()
    }
    /// Whether the lock is free now.
    async fn free(locks: &Locks, node: &str, name: &str) -> bool {
        tokio::time::timeout(Duration::ZERO, locks.take(&host(node), name, 1)).await.is_ok()
    }

    #[tokio::test]
    async fn one_holder_for_each_node_and_name() {
        let locks = Locks::default();
        let held = locks.take(&host("a"), "brick-1", 1).await;
        assert!(!free(&locks, "a", "brick-1").await);
        assert!(free(&locks, "a", "brick-2").await && free(&locks, "b", "brick-1").await);
        drop(held);
        assert!(free(&locks, "a", "brick-1").await);
        assert!(locks.take(&host("a"), "brick-1", 5).await.is_some());
        assert!(locks.take(&host("a"), "brick-1", 4).await.is_none(), "it was overtaken");
    }
}
