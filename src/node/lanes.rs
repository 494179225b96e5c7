//! How many scripts a host gets at the same time. Limits are those of one host: one that hangs
//! takes nothing from the others.
use super::{Lane, NodeError, Result};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Scripts of each lane: together no more than sshd allows in one connection by default
/// (`MaxSessions` is 10).
const WORK: usize = 6;
const POOL: usize = 2;
const HEALTH: usize = 1;

/// The lanes of one host.
pub(super) struct Lanes {
    work: Semaphore,
    pool: Semaphore,
    health: Semaphore,
}

impl Default for Lanes {
    fn default() -> Self {
        Self {
            work: Semaphore::new(WORK),
            pool: Semaphore::new(POOL),
            health: Semaphore::new(HEALTH),
        }
    }
}

impl Lanes {
    /// Waits for a place in this lane, which is free again when the permit is dropped.
    ///
    /// # Errors
    /// The server is shutting down.
    pub(super) async fn enter(&self, lane: Lane) -> Result<SemaphorePermit<'_>> {
        enter(match lane {
            Lane::Work => &self.work,
            Lane::Pool => &self.pool,
            Lane::Health => &self.health,
        })
        .await
    }
}

/// Waits for a place.
///
/// # Errors
/// The server is shutting down.
pub(super) async fn enter(places: &Semaphore) -> Result<SemaphorePermit<'_>> {
    let closed = |_| NodeError::Refused("the server is shutting down".into());
    places.acquire().await.map_err(closed)
}
