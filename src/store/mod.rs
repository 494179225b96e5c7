//! What is known: SQLite, one writer. All SQL of the product stands in this folder.
//!
//! A write transaction always begins IMMEDIATE, so it never has to be repeated, and is durable
//! when `commit` returns. Reads see one consistent state; with WAL they never wait for
//! the writer.
pub mod bricks;
pub mod claims;
pub mod clusters;
pub mod devices;
pub mod nodes;
pub mod operations;
mod row;
pub mod view;
pub mod volumes;

use crate::error::{Error, Result};
use async_trait::async_trait;
use sqlx::{
    ConnectOptions, Sqlite, SqliteConnection, SqlitePool, Transaction,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use std::{
    fs::File,
    ops::{Deref, DerefMut},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// Connections for reading.
const READERS: u32 = 4;

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
    _lock: Arc<File>,
}

/// A read transaction: one state, however many questions.
pub struct ReadTx(Transaction<'static, Sqlite>);

/// A write transaction: all or nothing, and nobody else writes meanwhile.
pub struct WriteTx {
    tx: Transaction<'static, Sqlite>,
    witness: Option<Arc<dyn Witness>>,
}

/// The database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Two servers on one file would not know of each other.
    #[error("{0} is in use by another server: its lock file is held")]
    Locked(PathBuf),
    /// The folder or the lock file cannot be written.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// SQLite says no.
    #[error("{path}: {source}")]
    Sqlite {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: sqlx::Error,
    },
    /// The tables are of another version, or damaged.
    #[error("{path}: migration of the database failed: {source}")]
    Migrate {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: sqlx::migrate::MigrateError,
    },
}

impl Store {
    /// Opens the database, making it if need be, and brings its tables up to date.
    ///
    /// # Errors
    /// Another server has it open, or it cannot be written.
    pub async fn open(path: &Path) -> Result<Self, OpenError> {
        Self::open_witnessed(path, None).await
    }

    /// The same, with somebody who sees every commit.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn open_witnessed(
        path: &Path,
        witness: Option<Arc<dyn Witness>>,
    ) -> Result<Self, OpenError> {
        let lock = Arc::new(lock(path)?);
        let sqlite = |source| OpenError::Sqlite { path: path.into(), source };
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(journal_mode(path))
            // An intent that a power cut can lose is no intent.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(30))
            // Failures are reported where they are handled; statements would only be noise.
            .disable_statement_logging();
        let one = SqlitePoolOptions::new().max_connections(1);
        let write = one.connect_with(options.clone()).await.map_err(sqlite)?;
        sqlx::migrate!()
            .run(&write)
            .await
            .map_err(|source| OpenError::Migrate { path: path.into(), source })?;
        let many = SqlitePoolOptions::new().max_connections(READERS);
        let read = many.connect_with(options.read_only(true)).await.map_err(sqlite)?;
        Ok(Self { write, read, witness, _lock: lock })
    }

    /// Begins to read.
    ///
    /// # Errors
    /// The database fails.
    pub async fn read(&self) -> Result<ReadTx> {
        // BEGIN takes the snapshot with the first question; a reader never waits for the writer.
        Ok(ReadTx(self.read.begin_with("BEGIN").await?))
    }
    /// Begins to write, as soon as the one before is done.
    ///
    /// # Errors
    /// The database fails or cannot be written.
    pub async fn write(&self) -> Result<WriteTx> {
        let tx = self.write.begin_with("BEGIN IMMEDIATE").await?;
        Ok(WriteTx { tx, witness: self.witness.clone() })
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
    /// The database fails; then nothing was written.
    pub async fn commit(self) -> Result<()> {
        if let Some(witness) = &self.witness {
            witness.before_commit().await;
        }
        self.tx.commit().await?;
        if let Some(witness) = &self.witness {
            witness.after_commit().await;
        }
        Ok(())
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

/// Held as long as the store lives; the kernel lets go of it when the process dies.
fn lock(database: &Path) -> Result<File, OpenError> {
    let path = database.with_extension("lock");
    let io = |source| OpenError::Io { path: path.clone(), source };
    if let Some(folder) = database.parent().filter(|f| !f.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(io)?;
    }
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(OpenError::Locked(database.into())),
        Err(std::fs::TryLockError::Error(source)) => Err(io(source)),
    }
}

fn journal_mode(database: &Path) -> SqliteJournalMode {
    let folder = database.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let kind = rustix::fs::statfs(folder).ok().and_then(|s| u64::try_from(s.f_type).ok());
    let mode = journal_mode_on(kind.unwrap_or_default());
    if mode == SqliteJournalMode::Delete {
        let database = database.display();
        tracing::info!(%database, "on a network file system: journal_mode=DELETE");
    }
    mode
}

/// WAL needs shared memory, which file systems over a network (Heketi's own database often lies
/// on a gluster mount) do not offer: there the journal is a file that is deleted.
fn journal_mode_on(file_system: u64) -> SqliteJournalMode {
    // statfs(2): FUSE, NFS, SMB, CIFS, SMB2, 9p, Ceph, Lustre.
    const REMOTE: [u64; 8] = [
        0x6573_5546,
        0x6969,
        0x517B,
        0xFF53_4D42,
        0xFE53_4D42,
        0x0102_1997,
        0x00C3_6400,
        0x0BD0_0BD0,
    ];
    let remote = REMOTE.contains(&(file_system & 0xFFFF_FFFF));
    if remote { SqliteJournalMode::Delete } else { SqliteJournalMode::Wal }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_wal_over_a_network() {
        let (fuse, nfs, ext4, tmpfs) = (0x6573_5546, 0x6969, 0xEF53, 0x0102_1994);
        assert_eq!(journal_mode_on(fuse), SqliteJournalMode::Delete);
        assert_eq!(journal_mode_on(nfs), SqliteJournalMode::Delete);
        assert_eq!(journal_mode_on(ext4), SqliteJournalMode::Wal);
        assert_eq!(journal_mode_on(tmpfs), SqliteJournalMode::Wal);
    }

    #[tokio::test]
    async fn one_server_a_database() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sub/brickyard.db");
        let first = Store::open(&path).await.unwrap();
        assert!(matches!(Store::open(&path).await, Err(OpenError::Locked(_))));
        first.close().await;
        Store::open(&path).await.unwrap().close().await;
    }
}
