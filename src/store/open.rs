//! Opening the database: alone, whole, up to date; and what can still be done when it is not.
use super::{
    Store, Witness,
    log::{self, Log},
    sqlite,
    views::Views,
};
use sqlx::{
    ConnectOptions, SqlitePool,
    migrate::MigrateError,
    sqlite::{
        SqliteConnectOptions, SqliteJournalMode, SqliteLockingMode, SqlitePoolOptions,
        SqliteSynchronous,
    },
};
use std::{
    fs::File,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::sync::watch;

/// In a burst many wait for their turn to write: that is no news for an administrator.
const SLOW: Duration = Duration::from_secs(30);
/// A child that a process is just starting has its files, and with them its locks, until it becomes
/// another program: a lock that was let go of may be held for a moment longer.
const MOMENT: Duration = Duration::from_millis(500);
/// Connections for reading.
pub(super) const READERS: u32 = 4;

/// Keeps servers, and whoever else asks for it, away from a database, until it is dropped.
#[derive(Debug)]
pub struct Lock {
    _held: File,
}

impl Lock {
    /// Takes the lock of a database, which need not exist.
    ///
    /// # Errors
    /// Somebody else has it, or the folder cannot be written.
    pub fn take(database: &Path) -> Result<Self, OpenError> {
        lock(database).map(|held| Self { _held: held })
    }
}

/// What must live as long as the store.
pub(super) enum Guard {
    /// Nobody else writes.
    Lock { _held: File },
    /// What is read is a copy, of a file that nobody writes, or that cannot even be locked.
    Copy { _folder: TempDir, _held: Option<File> },
}

/// The database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Two servers on one file would not know of each other.
    #[error("{0} is in use by another server: its lock file is held")]
    Locked(PathBuf),
    /// It is only to be read, and is not there.
    #[error("{0} is not there; a database that is only to be read is not made")]
    Missing(PathBuf),
    /// The folder or the lock file cannot be written.
    #[error("{path}: {why}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        why: std::io::Error,
    },
    /// What was written last lies there without the rest.
    #[error(
        "{0} is gone, but what was written to it last is there ({0}-wal): put the file back, or \
         remove {0}-wal to begin with an empty database"
    )]
    Gone(PathBuf),
    /// SQLite says no.
    #[error("{path}: {why}{}", advised(.why))]
    Sqlite {
        /// Which file.
        path: PathBuf,
        /// Why.
        why: sqlx::Error,
    },
    /// The tables are of another version, or damaged.
    #[error("{path}: migration of the database failed: {why}")]
    Migrate {
        /// Which file.
        path: PathBuf,
        /// Why.
        why: MigrateError,
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
        if !path.exists() {
            let log = PathBuf::from(format!("{}-wal", path.display()));
            if std::fs::metadata(log).is_ok_and(|log| log.len() > 0) {
                return Err(OpenError::Gone(path.into()));
            }
        }
        let lock = match lock(path) {
            Ok(lock) => lock,
            Err(OpenError::Io { why, .. }) if cannot_write(&why) && path.exists() => {
                return Self::open_copy(path, &unwritable(path, &why), None).await;
            }
            Err(error) => return Err(error),
        };
        let guard = Arc::new(Guard::Lock { _held: lock });
        private(path).map_err(|why| OpenError::Io { path: path.into(), why })?;
        let failed = |why| OpenError::Sqlite { path: path.into(), why };
        let mode = journal_mode(path);
        if mode == SqliteJournalMode::Delete && log::is_used_by(path) {
            without_log(path).await.map_err(failed)?;
        }
        let mut options = options(path).journal_mode(mode).create_if_missing(true);
        if mode == SqliteJournalMode::Wal {
            options = options.synchronous(SqliteSynchronous::Normal);
        }
        // The connection stays: with the last one, SQLite would take the log into the file each time.
        let one = pool().max_connections(1);
        let one = one.idle_timeout(None).max_lifetime(None);
        let views = Views::default();
        let listening = views.clone();
        let one = one.after_connect(move |connection, _| {
            let listening = listening.clone();
            Box::pin(async move { listening.listen(connection).await })
        });
        let write = match one.connect_with(options.clone()).await {
            Ok(write) => write,
            Err(error)
                if sqlite::code(&error).is_some_and(sqlite::is_about_writing) && path.exists() =>
            {
                return Self::open_copy(path, &unwritable(path, &error), None).await;
            }
            Err(error) => return Err(failed(error)),
        };
        let barred = match damage(&write).await.map_err(failed)? {
            None => match migrate(path, &write).await {
                Ok(barred) => barred,
                Err(OpenError::Migrate { why, .. }) if needs_to_write(&why) => {
                    return Self::open_copy(path, &unwritable(path, &why), None).await;
                }
                Err(error) => return Err(error),
            },
            Some(damage) => Some(damage),
        };
        let io = |why| OpenError::Io { path: path.into(), why };
        let mut log = None;
        if mode == SqliteJournalMode::Wal && barred.is_none() {
            match log::take_in(&write).await {
                Ok(()) => {}
                Err(error) if sqlite::code(&error).is_some_and(sqlite::is_about_writing) => {
                    return Self::open_copy(path, &unwritable(path, &error), None).await;
                }
                Err(error) => return Err(failed(error)),
            }
            log = Some(Arc::new(Log::of(path).map_err(io)?));
        }
        let (epoch, barred) = match barred {
            None => next_epoch(&write, path).await.map_err(failed)?,
            barred => (0, barred),
        };
        let many = pool().max_connections(READERS);
        let read = many.connect_with(options.read_only(true)).await.map_err(failed)?;
        let barred = barred.map(Arc::from);
        let store = Self {
            write,
            read,
            witness,
            barred,
            epoch,
            commits: watch::Sender::default(),
            elsewhere: super::elsewhere::Elsewhere::default(),
            begun: tokio_util::task::TaskTracker::new(),
            log,
            views,
            _guard: guard,
        };
        // The number of this start, before any script carries it.
        if let Some(log) = &store.log {
            log.now().map_err(io)?;
        }
        Ok(store)
    }
}

/// Why nothing is written, in words for every request that would.
fn unwritable(path: &Path, why: &dyn std::fmt::Display) -> String {
    format!("{} cannot be written ({why})", path.display())
}

/// A connection to a file does not go stale: it need not be tried each time before it is used.
pub(super) fn pool() -> SqlitePoolOptions {
    SqlitePoolOptions::new().acquire_slow_threshold(SLOW).test_before_acquire(false)
}

pub(super) fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        // An intent that a power cut can lose is no intent: with a journal that is deleted, FULL does
        // not put on disk that it is gone, and the commit would be taken back. With WAL it is the same.
        .synchronous(SqliteSynchronous::Extra)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(30))
        // Failures are reported where they are handled; statements would only be noise.
        .disable_statement_logging()
}

/// Brings the tables up to date; why nothing can be written, if that is so and they are up to date.
pub(super) async fn migrate(
    path: &Path,
    database: &SqlitePool,
) -> Result<Option<String>, OpenError> {
    let migrations = sqlx::migrate!();
    match migrations.run(database).await {
        Ok(()) => Ok(None),
        Err(why) if needs_to_write(&why) && is_current(database).await => {
            Ok(Some(unwritable(path, &why)))
        }
        Err(why) => Err(OpenError::Migrate { path: path.into(), why }),
    }
}

/// The number of this start; or why nothing can be written, which this is the first to find out.
async fn next_epoch(
    database: &SqlitePool,
    path: &Path,
) -> Result<(u64, Option<String>), sqlx::Error> {
    let raised: Result<i64, _> =
        sqlx::query_scalar("UPDATE epoch SET number = max(number + 1, ?) RETURNING number")
            .bind(super::now())
            .fetch_one(database)
            .await;
    match raised {
        Ok(number) => Ok((number.unsigned_abs(), None)),
        Err(error) if sqlite::code(&error).is_some_and(sqlite::is_about_writing) => {
            Ok((0, Some(unwritable(path, &error))))
        }
        Err(error) => Err(error),
    }
}

fn needs_to_write(error: &MigrateError) -> bool {
    let (MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) = error else {
        return false;
    };
    sqlite::code(error).is_some_and(sqlite::is_about_writing)
}

async fn is_current(database: &SqlitePool) -> bool {
    let newest: Result<i64, _> =
        sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations").fetch_one(database).await;
    sqlx::migrate!().iter().map(|m| m.version).max() == newest.ok()
}

/// What a person can do, after a colon.
fn advised(error: &sqlx::Error) -> String {
    sqlite::advice(error).map(|advice| format!(": {advice}")).unwrap_or_default()
}

/// What is wrong with the file, in SQLite's words and ours, if anything is.
pub(super) async fn damage(database: &SqlitePool) -> Result<Option<String>, sqlx::Error> {
    const ADVICE: &str = "nothing is written to it, so that nothing more is lost; save a copy, then \
         restore a backup or repair it: `sqlite3 FILE .recover | sqlite3 NEW`";
    let found: Result<Vec<String>, _> =
        sqlx::query_scalar("PRAGMA quick_check(5)").fetch_all(database).await;
    let words = match found {
        Ok(lines) if lines == ["ok"] => return Ok(None),
        Ok(lines) => lines.join("; ").replace('\n', " "),
        Err(error) if sqlite::code(&error) == Some(sqlite::CORRUPT) => error.to_string(),
        Err(error) => return Err(error),
    };
    Ok(Some(format!("it is damaged ({words}): {ADVICE}")))
}

pub(super) fn cannot_write(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    [PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull].contains(&error.kind())
}

/// By whichever link the database is called: the lock lies beside the file itself.
pub(super) fn lock_file(database: &Path) -> PathBuf {
    let itself = std::fs::canonicalize(database).unwrap_or_else(|_| database.to_owned());
    itself.with_extension("lock")
}

/// Block volumes have passwords: a new database is for nobody else's eyes, and so are the files that
/// `SQLite` makes beside it, which have the mode of the database itself.
fn private(database: &Path) -> std::io::Result<()> {
    match File::options().write(true).create_new(true).mode(0o600).open(database) {
        Err(why) if why.kind() == std::io::ErrorKind::AlreadyExists || cannot_write(&why) => Ok(()),
        made => made.map(drop),
    }
}

/// Held as long as the store lives; the kernel lets go of it when the process dies.
fn lock(database: &Path) -> Result<File, OpenError> {
    let path = lock_file(database);
    let io = |why| OpenError::Io { path: path.clone(), why };
    if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty() && !f.is_dir()) {
        std::fs::create_dir_all(folder).map_err(io)?;
        // A volume that is not mounted looks like that as well.
        let folder = folder.display();
        tracing::warn!(%folder, "the folder of the database was not there, and was made");
    }
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(io)?;
    let begun = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(std::fs::TryLockError::WouldBlock) if begun.elapsed() < MOMENT => {
                std::thread::sleep(MOMENT / 50);
            }
            Err(std::fs::TryLockError::WouldBlock) => {
                return Err(OpenError::Locked(database.into()));
            }
            Err(std::fs::TryLockError::Error(why)) => return Err(io(why)),
        }
    }
}

/// Brings back what the log has, and does without it from now on. A connection that has the database
/// to itself needs no shared memory for that.
async fn without_log(database: &Path) -> Result<(), sqlx::Error> {
    let alone = options(database).locking_mode(SqliteLockingMode::Exclusive);
    let connection = alone.journal_mode(SqliteJournalMode::Delete).connect().await;
    match connection {
        // Damage and lack of rights are judged, and told, by whoever opens it next.
        Err(error)
            if sqlite::code(&error)
                .is_some_and(|code| code == sqlite::CORRUPT || sqlite::is_about_writing(code)) =>
        {
            Ok(())
        }
        Err(error) => Err(error),
        Ok(connection) => sqlx::Connection::close(connection).await,
    }
}

fn journal_mode(database: &Path) -> SqliteJournalMode {
    // The journal lies beside the file itself, by whichever link it is called.
    let itself = std::fs::canonicalize(database).unwrap_or_else(|_| database.to_owned());
    let database = itself.as_path();
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
    async fn every_start_has_a_higher_number() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("brickyard.db");
        let mut last = 1_700_000_000;
        for _ in 0..3 {
            let store = Store::open(&path).await.unwrap();
            assert!(store.epoch() > last);
            last = store.epoch();
            store.close().await;
        }
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

    async fn clusters(store: &Store) -> i64 {
        let mut tx = store.read().await.unwrap();
        sqlx::query_scalar("SELECT count(*) FROM clusters").fetch_one(&mut *tx).await.unwrap()
    }
    async fn add_cluster(store: &Store) -> crate::error::Result<()> {
        let id = crate::domain::ClusterId::random();
        let mut tx = store.write().await?;
        sqlx::query("INSERT INTO clusters (id, file, block) VALUES (?, 1, 1)")
            .bind(id.to_string())
            .execute(&mut *tx)
            .await?;
        tx.commit().await
    }
    async fn pragma(store: &Store, text: &'static str) {
        sqlx::query(text).execute(&store.write).await.unwrap();
    }

    /// A full disk refuses what is new, in words that help, and keeps nothing that it had refused;
    /// what was there is read meanwhile; when there is space again, all goes on.
    #[tokio::test]
    async fn a_full_disk_loses_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("brickyard.db")).await.unwrap();
        // No page more than there is: SQLite then says what it says on a full disk.
        pragma(&store, "PRAGMA max_page_count = 1").await;
        let mut before = 0;
        let error = loop {
            match add_cluster(&store).await {
                Ok(()) => before += 1,
                Err(error) => break error,
            }
        };
        let text = error.to_string();
        assert!(text.contains("database or disk is full (free some space"), "{text}");
        assert_eq!(error.status(), 500);
        assert_eq!(clusters(&store).await, before);
        pragma(&store, "PRAGMA max_page_count = 100000").await;
        add_cluster(&store).await.unwrap();
        assert_eq!(clusters(&store).await, before + 1);
    }

    /// The library loses track of a transaction that SQLite itself has ended, as it does when the
    /// disk is full at the worst moment.
    #[tokio::test]
    async fn a_transaction_that_sqlite_ended_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("brickyard.db")).await.unwrap();
        let mut tx = store.write().await.unwrap();
        sqlx::query("ROLLBACK").execute(&mut *tx).await.unwrap();
        drop(tx);
        for _ in 0..2 {
            add_cluster(&store).await.unwrap();
        }
        assert_eq!(clusters(&store).await, 2);
        // The connection that took its place is as careful as the first.
        let careful: i64 =
            sqlx::query_scalar("PRAGMA synchronous").fetch_one(&store.write).await.unwrap();
        assert_eq!(careful, 1, "what it does not put on disk by itself, `Log` does");
    }

    /// The backup of a server on a local disk, or its database, put onto a gluster volume.
    #[tokio::test]
    async fn a_log_is_brought_back_without_shared_memory() {
        let folder = tempfile::tempdir().unwrap();
        let (path, copy) = (folder.path().join("brickyard.db"), folder.path().join("copy.db"));
        let store = Store::open(&path).await.unwrap();
        add_cluster(&store).await.unwrap();
        // As a machine leaves it that loses its power: what was committed is in the log alone.
        for end in ["", "-wal"] {
            let from = folder.path().join(format!("brickyard.db{end}"));
            std::fs::copy(from, folder.path().join(format!("copy.db{end}"))).unwrap();
        }
        store.close().await;
        assert!(log::is_used_by(&copy));
        // Where shared memory would be lies something that is no file.
        std::fs::create_dir(folder.path().join("copy.db-shm")).unwrap();
        without_log(&copy).await.unwrap();
        assert!(!log::is_used_by(&copy) && !folder.path().join("copy.db-wal").exists());
        std::fs::remove_dir(folder.path().join("copy.db-shm")).unwrap();
        let store = Store::open(&copy).await.unwrap();
        assert_eq!(clusters(&store).await, 1);
        store.close().await;
    }

    #[tokio::test]
    async fn a_damaged_database_is_read_and_never_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("brickyard.db");
        let store = Store::open(&path).await.unwrap();
        add_cluster(&store).await.unwrap();
        store.close().await;
        // The root page of an index that nothing here asks for.
        let raw = SqlitePool::connect_with(options(&path)).await.unwrap();
        let root: i64 = sqlx::query_scalar(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'bricks_by_device'",
        )
        .fetch_one(&raw)
        .await
        .unwrap();
        let page: i64 = sqlx::query_scalar("PRAGMA page_size").fetch_one(&raw).await.unwrap();
        raw.close().await;
        let mut bytes = std::fs::read(&path).unwrap();
        let at = usize::try_from((root - 1) * page).unwrap();
        bytes[at..at + 16].fill(0xA5);
        std::fs::write(&path, &bytes).unwrap();

        let store = Store::open(&path).await.unwrap();
        let why = store.barred().expect("nobody noticed").to_owned();
        assert!(why.contains("it is damaged") && why.contains("restore a backup"), "{why}");
        let refused = add_cluster(&store).await.unwrap_err();
        assert!(refused.to_string().contains("is read-only: it is damaged"), "{refused}");
        assert_eq!(clusters(&store).await, 1);
        store.close().await;
        assert_eq!(std::fs::read(&path).unwrap(), bytes, "it was written to");
    }

    /// As when a child that was being started at the end of the server before has its files still.
    #[tokio::test]
    async fn a_lock_that_is_held_for_a_moment_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("brickyard.db");
        let held = lock(&path).unwrap();
        let soon = std::thread::spawn(move || {
            std::thread::sleep(MOMENT / 5);
            drop(held);
        });
        Store::open(&path).await.unwrap().close().await;
        soon.join().unwrap();
    }

    #[tokio::test]
    async fn a_new_database_is_for_nobody_elses_eyes() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("brickyard.db")).await.unwrap();
        add_cluster(&store).await.unwrap();
        for file in ["brickyard.db", "brickyard.db-wal"] {
            let mode = std::fs::metadata(folder.path().join(file)).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{file}: {mode:o}");
        }
    }

    #[tokio::test]
    async fn one_server_a_database_by_whichever_name() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("brickyard.db"), folder.path().join("link.db"));
        let first = Store::open(&path).await.unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(matches!(Store::open(&link).await, Err(OpenError::Locked(_))));
        first.close().await;
    }

    #[tokio::test]
    async fn a_database_that_is_gone_is_not_made_anew_beside_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("brickyard.db");
        std::fs::write(folder.path().join("brickyard.db-wal"), "what was written last").unwrap();
        let gone = Store::open(&path).await.err().unwrap();
        assert!(matches!(gone, OpenError::Gone(_)), "{gone}");
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn what_is_no_database_is_refused_in_words_that_help() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("brickyard.db");
        std::fs::write(&path, "no database at all ".repeat(1000)).unwrap();
        let refused = Store::open(&path).await.err().unwrap().to_string();
        assert!(refused.contains("restore a backup"), "{refused}");
        assert_eq!(refused.matches("not a database").count(), 1, "{refused}");
    }
}
