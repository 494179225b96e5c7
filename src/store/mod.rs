//! What is known: SQLite, one writer. All SQL of the product stands in this folder.
//!
//! A write transaction always begins IMMEDIATE, so it never has to be repeated, and is durable
//! when `commit` returns. Reads see one consistent state; with WAL they never wait for
//! the writer, and may see what is not durable yet: whoever acts on it or tells it waits by
//! [`Store::until_kept`].
pub mod block_hosting;
pub mod block_volumes;
pub mod bricks;
pub mod children;
pub mod claims;
pub mod clusters;
pub mod debris;
pub mod copy;
pub mod devices;
pub mod draft;
mod elsewhere;
pub mod mode;
mod log;
pub mod nodes;
mod open;
pub mod operations;
pub mod origin;
mod read_only;
mod row;
pub mod snapshot;
mod sqlite;
mod thin_pools;
pub mod totals;
mod view;
pub mod views;
pub mod volumes;
mod whole;

use crate::error::{Error, Result};
use async_trait::async_trait;
use elsewhere::Elsewhere;
use log::Log;
use open::Guard;
pub use open::{Lock, OpenError};
pub use sqlite::advice;
use sqlx::{Sqlite, SqliteConnection, SqlitePool, Transaction, pool::PoolConnection};
use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;
use views::Views;

/// Sees each commit of the journal happen; crash tests end the "process" here.
#[async_trait]
pub trait Witness: Send + Sync {
    /// Nothing of the transaction is on disk.
    async fn before_commit(&self);
    /// All of it is.
    async fn after_commit(&self);
}

/// The database of one server.
#[derive(Clone)]
pub struct Store {
    write: SqlitePool,
    read: SqlitePool,
    witness: Option<Arc<dyn Witness>>,
    /// Why nothing is written, if so.
    barred: Option<Arc<str>>,
    epoch: u64,
    /// How many transactions were committed.
    commits: watch::Sender<u64>,
    elsewhere: Elsewhere,
    /// What is being done wholly.
    begun: TaskTracker,
    /// Puts commits on disk; none where SQLite does so by itself.
    log: Option<Arc<Log>>,
    views: Views,
    _guard: Arc<Guard>,
}

/// A read transaction: one state, however many questions.
pub struct ReadTx(Transaction<'static, Sqlite>);

/// A write transaction: all or nothing, and nobody else writes meanwhile.
pub struct WriteTx {
    tx: Transaction<'static, Sqlite>,
    witness: Option<Arc<dyn Witness>>,
    commits: watch::Sender<u64>,
    elsewhere: Elsewhere,
    log: Option<Arc<Log>>,
    views: Views,
}

impl Store {
    /// Why nothing can be written, if so: what is there is read all the same.
    #[must_use]
    pub fn barred(&self) -> Option<&str> {
        let broken = || self.log.as_ref().and_then(|log| log.broken());
        self.barred.as_deref().or_else(broken)
    }

    /// A number above that of every earlier start on this database, and of every start more than a
    /// second ago on a copy of it.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Begins to read.
    ///
    /// # Errors
    /// The database fails.
    pub async fn read(&self) -> Result<ReadTx> {
        // BEGIN takes the snapshot with the first question; a reader never waits for the writer.
        Ok(ReadTx(self.read.begin_with("BEGIN").await?))
    }
    /// For a single question, which needs no transaction of its own to see one state.
    ///
    /// # Errors
    /// The database fails.
    pub async fn ask(&self) -> Result<PoolConnection<Sqlite>> {
        Ok(self.read.acquire().await?)
    }
    /// Begins to write, as soon as the one before is done.
    ///
    /// # Errors
    /// The database fails or cannot be written.
    pub async fn write(&self) -> Result<WriteTx> {
        if let Some(why) = self.barred() {
            return Err(Error::Barred(why.to_owned()));
        }
        let tx = match self.write.begin_with("BEGIN IMMEDIATE").await {
            // A full disk ends a transaction behind the library's back, which then takes the
            // connection for being in one for ever.
            Err(sqlx::Error::InvalidSavePointStatement) => {
                self.write.acquire().await?.close().await?;
                self.write.begin_with("BEGIN IMMEDIATE").await?
            }
            begun => begun?,
        };
        let (commits, elsewhere) = (self.commits.clone(), self.elsewhere.clone());
        let (witness, log, views) = (self.witness.clone(), self.log.clone(), self.views.clone());
        views.begin();
        Ok(WriteTx { tx, witness, commits, elsewhere, log, views })
    }
    /// The number of transactions that this process has committed, or tried to: changes when
    /// something was written. Whoever does not look keeps nobody waiting.
    #[must_use]
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.commits.subscribe()
    }
    /// Closes all connections; transactions that were not committed never were.
    pub async fn close(self) {
        self.read.close().await;
        self.write.close().await;
    }
}

impl WriteTx {
    /// Makes everything of this transaction true and durable at once.
    ///
    /// # Errors
    /// The database fails; then nothing was written. If it is the disk that fails when the log is put on it,
    /// nobody knows: nothing more is written, and nothing is told, until a start has read what is there.
    pub async fn commit(self) -> Result<()> {
        let (witness, log, commits) =
            (self.witness.clone(), self.log.clone(), self.commits.clone());
        let number = self.end(true).await?;
        if let Some(log) = log {
            log.reach(number, &commits).await?;
        }
        if let Some(witness) = witness {
            witness.after_commit().await;
        }
        Ok(())
    }

    /// Makes everything of this transaction true at once, and durable with the next commit that is: for what
    /// may be lost with a power cut, as long as nothing is lost without what came after it.
    ///
    /// # Errors
    /// The database fails; then nothing was written.
    pub async fn commit_lazily(self) -> Result<()> {
        let witness = self.witness.clone();
        self.end(false).await?;
        if let Some(witness) = witness {
            witness.after_commit().await;
        }
        Ok(())
    }

    async fn end(self, durable: bool) -> Result<u64> {
        if let Some(witness) = &self.witness {
            witness.before_commit().await;
        }
        let (committing, number) = self.elsewhere.commit(&self.commits, durable);
        self.tx.commit().await?;
        drop(committing);
        Ok(number)
    }
}

impl Deref for ReadTx {
    type Target = SqliteConnection;
    fn deref(&self) -> &SqliteConnection {
        &self.0
    }
}
impl DerefMut for ReadTx {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.0
    }
}
impl Deref for WriteTx {
    type Target = SqliteConnection;
    fn deref(&self) -> &SqliteConnection {
        &self.tx
    }
}
impl DerefMut for WriteTx {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.tx
    }
}

/// A violated UNIQUE means that somebody else was first.
pub(crate) fn is_taken(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}

/// Seconds since 1970.
#[must_use]
pub fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

impl From<row::BadRow> for Error {
    fn from(error: row::BadRow) -> Self {
        Self::Record(error.to_string())
    }
}
