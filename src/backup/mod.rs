//! The database is kept in Secrets of Kubernetes as well, and comes back from there when it is lost.
//!
//! A backup is taken a moment after something was committed: also after what an operation intends
//! was written down, so before most of its work on nodes. Nobody waits for a backup, but where
//! several servers stand ready: there nothing is done or told that is not in it.
pub mod bundle;
mod restore;
pub mod shelf;
mod status;

pub use restore::{RestoreError, begin, begin_as};
pub use status::Status;

use crate::{
    kube::Source,
    store::{self, Store},
};
use bundle::LIMIT;
use jiff::Timestamp;
use shelf::{Fresh, Shelf, ShelfError, Written};
use std::{collections::BTreeSet, path::PathBuf, time::Duration};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Answers of operations that came to rest are kept for clients that poll for so long.
const RESULTS: i64 = 3600;

/// What is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What switched the backups on, in words for the log; none when they are off.
    pub on: Option<String>,
    /// Name of the first Secret.
    pub secret: String,
    /// Where the API server is, if anything says so.
    pub source: Option<Source>,
    /// The namespace, if it is not that of the source.
    pub namespace: Option<String>,
    /// The folder in which the Secret may be mounted.
    pub mounted: PathBuf,
    /// When things happen.
    pub pace: Pace,
}

/// When things happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// From the first commit to the backup: what comes meanwhile is in it as well.
    pub settle: Duration,
    /// How long one request to the API server may take.
    pub patience: Duration,
    /// First pause after a failure; it doubles.
    pub pause: Duration,
    /// Longest pause after a failure.
    pub longest_pause: Duration,
    /// How long the last backup of a server that ends may take with all its attempts.
    pub goodbye: Duration,
    /// How long a start without a database waits for the API server.
    pub arrival: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            settle: Duration::from_millis(300),
            patience: Duration::from_secs(15),
            pause: Duration::from_secs(1),
            longest_pause: Duration::from_mins(1),
            goodbye: Duration::from_secs(20),
            arrival: Duration::from_mins(1),
        }
    }
}

/// Keeps the backup up to date.
pub struct Keeper {
    shelf: Shelf,
    pace: Pace,
    status: Status,
    /// The epoch of the database before this server started.
    base: u64,
    removed: BTreeSet<String>,
    /// What the last backup held, and whether it said that the server had ended.
    last: Option<(String, bool)>,
    /// The size is told once when it comes near the limit.
    near_limit: bool,
    /// Cancelled when another server has taken over.
    superseded: CancellationToken,
}

impl Keeper {
    /// Of a database whose epoch was `base` before this server opened it.
    #[must_use]
    pub fn new(shelf: Shelf, mut pace: Pace, base: u64) -> Self {
        if shelf.is_claimed() {
            // Everybody waits for it.
            pace.settle = Duration::ZERO;
            pace.longest_pause = pace.longest_pause.min(Duration::from_secs(2));
        }
        let superseded = CancellationToken::new();
        let (status, removed) = (Status::default(), BTreeSet::new());
        Self { shelf, pace, status, base, removed, last: None, near_limit: false, superseded }
    }
    /// Is cancelled when this server learns from the backup that another one works now.
    #[must_use]
    pub fn superseded(&self) -> CancellationToken {
        self.superseded.clone()
    }
    /// The same, that tells how it does here.
    #[must_use]
    pub fn telling(self, status: Status) -> Self {
        status.on(self.shelf.full_name());
        Self { status, ..self }
    }

    /// Backs the database up whenever something was committed, and once at the beginning. Returns
    /// when `ending` is cancelled and the last state is saved, or cannot be in time.
    pub async fn run(mut self, store: Store, ending: CancellationToken) {
        let mut commits = store.commits();
        let mut pause = None;
        let mut not_before = Instant::now();
        // The start itself has written.
        self.status.behind();
        loop {
            let settled = Instant::now() + pause.unwrap_or(self.pace.settle);
            tokio::select! {
                () = ending.cancelled() => break,
                () = tokio::time::sleep_until(settled.max(not_before)) => {}
            }
            let number = *commits.borrow_and_update();
            let begun = Instant::now();
            let saved = tokio::select! {
                // An attempt that is cut off is like a crash in it.
                () = ending.cancelled() => break,
                saved = self.save(&store, false) => saved,
            };
            pause = match (saved, pause) {
                (true, _) => None,
                (false, None) => Some(self.pace.pause),
                (false, Some(pause)) => Some((pause * 2).min(self.pace.longest_pause)),
            };
            if !saved {
                continue;
            }
            store.kept(number);
            // A large database under load is not backed up all the time, unless it is waited for.
            if !self.shelf.is_claimed() {
                not_before = Instant::now() + begun.elapsed() * 4;
            }
            tokio::select! {
                () = ending.cancelled() => break,
                changed = commits.changed() => if changed.is_err() { break },
            }
            self.status.behind();
        }
        self.last(&store).await;
    }

    /// The last state, as often as it has to be tried within the time there is.
    async fn last(&mut self, store: &Store) {
        let deadline = Instant::now() + self.pace.goodbye;
        let pause = self.pace.pause;
        let number = *store.commits().borrow();
        let attempts = async {
            while !self.save(store, true).await {
                tokio::time::sleep(pause).await;
            }
            store.kept(number);
        };
        if tokio::time::timeout_at(deadline, attempts).await.is_err() {
            tracing::error!(
                secret = self.shelf.full_name(),
                "the server ends, and the backup does not have its last state"
            );
        }
    }

    /// One attempt; whether the backup has all now.
    async fn save(&mut self, store: &Store, ended: bool) -> bool {
        let since = Timestamp::now();
        match self.try_to_save(store, ended).await {
            Ok(written) => {
                self.tell(written.as_ref());
                if self.status.saved(since, written.map(|written| written.described)) {
                    tracing::info!(secret = self.shelf.full_name(), "backups work again");
                }
                true
            }
            Err(error) => {
                let over = error.downcast_ref::<ShelfError>();
                if self.shelf.is_claimed()
                    && matches!(over, Some(ShelfError::Superseded(_) | ShelfError::Later(_)))
                {
                    self.superseded.cancel();
                }
                let why = format!("{error:#}");
                if self.status.failed(why.clone()) {
                    tracing::error!(
                        secret = self.shelf.full_name(),
                        "the backup cannot be written, and is tried again until it can: {why}"
                    );
                } else {
                    tracing::debug!("the backup cannot be written: {why}");
                }
                false
            }
        }
    }

    async fn try_to_save(&mut self, store: &Store, ended: bool) -> anyhow::Result<Option<Written>> {
        let essence = store.essence(store::now().saturating_sub(RESULTS)).await?;
        let base = self.base;
        let (fingerprint, essence) =
            blocking(move || (fingerprint(&essence.content), essence)).await?;
        // An end is only worth a write where somebody could doubt whether there was work after it.
        let says = ended && essence.unfinished > 0;
        if self.last.as_ref().is_some_and(|(last, said)| *last == fingerprint && (*said || !says)) {
            return Ok(None);
        }
        let fresh = blocking(move || Fresh::new(&essence, base, ended)).await??;
        self.mind_the_limit(fresh.size());
        let written = self.shelf.put(&fresh, &mut self.removed).await?;
        self.last = Some((fingerprint, ended));
        Ok(Some(written))
    }

    fn tell(&self, written: Option<&Written>) {
        let Some(Written { described, left, kept }) = written else { return };
        let secret = self.shelf.full_name();
        if let Some(kept) = kept {
            tracing::warn!(
                secret,
                kept,
                "what lay there was not a backup of this database: it is kept under another name"
            );
        }
        if let Some(why) = left {
            tracing::warn!("a part of an old backup is left and is of no use any more: {why}");
        }
        let (number, size) = (described.number, described.size);
        tracing::debug!(secret, number, size, "backed up");
    }

    fn mind_the_limit(&mut self, size: usize) {
        let near = size > LIMIT / 5 * 4;
        if near && !self.near_limit {
            tracing::error!(
                size,
                limit = LIMIT,
                "the backup is near the size that can be kept in Secrets: beyond it there will be \
                 none; fetch copies from /backup/db instead"
            );
        }
        self.near_limit = near;
    }
}

/// The same for two copies of the same content, although `SQLite` counts each change of a file in it
/// (fileformat2, 1.3.7 and 1.3.16).
fn fingerprint(database: &[u8]) -> String {
    let mut copy = database.to_vec();
    for counter in [24..28, 92..96] {
        if let Some(bytes) = copy.get_mut(counter) {
            bytes.fill(0);
        }
    }
    bundle::sha256(&copy)
}

/// Work that takes its time, away from the threads that serve.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> anyhow::Result<T> {
    Ok(tokio::task::spawn_blocking(work).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_same_content_has_the_same_fingerprint() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("brickyard.db")).await.unwrap();
        let of = async || fingerprint(&store.essence(0).await.unwrap().content);
        let first = of().await;
        assert_eq!(first, of().await);
        // A commit that leaves everything as it was.
        let tx = store.write().await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(first, of().await);
        let id = crate::domain::ClusterId::random();
        let cluster = store::clusters::Cluster { id, file: true, block: true };
        let mut tx = store.write().await.unwrap();
        store::clusters::insert(&mut tx, cluster).await.unwrap();
        tx.commit().await.unwrap();
        let other = of().await;
        assert_ne!(first, other);
        let mut tx = store.write().await.unwrap();
        store::clusters::delete(&mut tx, id).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(first, of().await);
    }
}
