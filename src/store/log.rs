//! Commits that are put on disk together.
//!
//! By itself, SQLite puts each commit on disk before the next transaction may begin, and a disk can do that only
//! a few hundred times in a second. With a write-ahead log a commit is complete before: its frames
//! follow those of all earlier ones in the log, each with a checksum over everything before it
//! (sqlite.org/fileformat2.html, 4.2), so a power cut leaves the first so many of them, and never a later one
//! without an earlier one. So the log is put on disk here, outside of the transaction, and one fdatasync(2) serves
//! everybody whose commit was complete when it began.
//!
//! What SQLite still puts on disk by itself with `synchronous=NORMAL` is what keeps the file whole: a
//! log that begins anew, and both files around a checkpoint.
use crate::error::{Error, Result};
use sqlx::SqlitePool;
use std::{
    fs::File,
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};
use tokio::sync::watch;

/// How the log is put on disk.
pub(super) trait Disk: Send + Sync {
    /// Everything that was written to the log before this was called is on disk when it returns.
    fn flush(&self) -> io::Result<()>;
}

/// The log of a database with `journal_mode=WAL`.
pub(super) struct Log {
    disk: Box<dyn Disk>,
    /// All commits up to this number are on disk.
    on_disk: watch::Sender<u64>,
    /// Who puts the log on disk; the others wait, and mostly find it done.
    turn: tokio::sync::Mutex<()>,
    /// Why that cannot be done any more.
    broken: OnceLock<String>,
    /// Told when that is so.
    breaks: watch::Sender<bool>,
}

impl Log {
    /// The log beside this database, which is there: SQLite puts it beside the file itself, by whichever
    /// link that is called.
    ///
    /// # Errors
    /// It cannot be found out where that is.
    pub(super) fn of(database: &Path) -> io::Result<Self> {
        Ok(Self::on(Box::new(LogFile::of(database)?)))
    }
    pub(super) fn on(disk: Box<dyn Disk>) -> Self {
        let on_disk = watch::Sender::default();
        let (turn, broken) = (tokio::sync::Mutex::default(), OnceLock::new());
        Self { disk, on_disk, turn, broken, breaks: watch::Sender::default() }
    }
    /// Waits until nothing can be put on disk any more.
    pub(super) async fn breaks(&self) {
        // It ends only with the log, which is here.
        let _ = self.breaks.subscribe().wait_for(|broken| *broken).await;
    }

    /// Why nothing can be put on disk any more, if that is so.
    pub(super) fn broken(&self) -> Option<&str> {
        self.broken.get().map(String::as_str)
    }

    /// Puts on disk what was written before anybody counted.
    ///
    /// # Errors
    /// The disk fails.
    pub(super) fn now(&self) -> io::Result<()> {
        self.disk.flush()
    }

    /// Returns when the commits up to this number are on disk; all of them have ended, as `ended` says.
    ///
    /// # Errors
    /// The disk has failed, now or before. The kernel tells of that only once, and forgets what it
    /// could not write: nothing is believed to be on disk from then on.
    ///
    /// # Cancel safety
    /// What was begun goes on, and its end is known to everybody.
    pub(super) async fn reach(
        self: &Arc<Self>,
        number: u64,
        ended: &watch::Sender<u64>,
    ) -> Result<()> {
        if *self.on_disk.borrow() >= number {
            return Ok(());
        }
        let _turn = self.turn.lock().await;
        if *self.on_disk.borrow() >= number {
            return Ok(());
        }
        let (this, upto) = (self.clone(), *ended.borrow());
        let flushed = tokio::task::spawn_blocking(move || this.flush(upto)).await;
        flushed.map_err(|error| Error::Record(format!("the log was not put on disk: {error}")))?
    }

    fn flush(&self, upto: u64) -> Result<()> {
        if let Some(why) = self.broken() {
            return Err(Error::Barred(why.to_owned()));
        }
        match self.disk.flush() {
            Ok(()) => {
                self.on_disk.send_if_modified(|number| {
                    let further = upto > *number;
                    *number = upto.max(*number);
                    further
                });
                Ok(())
            }
            Err(error) => {
                let why = format!(
                    "its log could not be put on disk ({error}), and nobody knows whether the last \
                     changes were; restart the server when the disk works again"
                );
                tracing::error!(%error, "the log of the database could not be put on disk");
                let why = self.broken.get_or_init(|| why).clone();
                self.breaks.send_replace(true);
                Err(Error::Barred(why))
            }
        }
    }
}

/// Takes a log that an earlier process left into the database, and begins it anew.
///
/// Its frames may be in the memory of the kernel alone: what could not be put on disk once counts there
/// as written, and no fsync(2) tries again. Frames behind such a hole would be lost with the next power cut, so
/// none may follow it.
pub(super) async fn take_in(database: &SqlitePool) -> Result<(), sqlx::Error> {
    let (busy, _, _): (i64, i64, i64) =
        sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(database).await?;
    if busy != 0 {
        let why = "another program reads it, so that its log could not be taken in: end that";
        return Err(sqlx::Error::Io(std::io::Error::other(why)));
    }
    Ok(())
}

/// Whether the file was left with a write-ahead log, by its header (bytes 18 and 19 of SQLite's file
/// format): a database of a local disk, or a backup of one, that was put onto another file system.
pub(super) fn is_used_by(database: &Path) -> bool {
    use std::io::Read;
    let mut header = [0; 20];
    let read = File::open(database).and_then(|mut file| file.read_exact(&mut header));
    read.is_ok() && header[18] == 2
}

/// The file, as it was opened last.
struct LogFile {
    database: PathBuf,
    path: PathBuf,
    /// Kept open: a file that is opened later would not be told of what failed before.
    open: Mutex<Option<File>>,
}

impl LogFile {
    fn of(database: &Path) -> io::Result<Self> {
        let database = std::fs::canonicalize(database)?;
        let mut path = database.clone().into_os_string();
        path.push("-wal");
        Ok(Self { database, path: path.into(), open: Mutex::default() })
    }

    /// Whether this file still has the name: SQLite removes the log with the last connection, when it
    /// has taken all of it into the database.
    fn is_current(&self, file: &File) -> io::Result<bool> {
        let (ours, named) = (
            file.metadata()?,
            match std::fs::metadata(&self.path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
                named => named?,
            },
        );
        Ok((ours.dev(), ours.ino()) == (named.dev(), named.ino()))
    }
}

impl Disk for LogFile {
    fn flush(&self) -> io::Result<()> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = open.as_ref() {
            file.sync_data()?;
            if self.is_current(file)? {
                return Ok(());
            }
            *open = None;
        }
        match File::open(&self.path) {
            Ok(file) => {
                file.sync_data()?;
                *open = Some(file);
                Ok(())
            }
            // There is none: everything is in the database.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                File::open(&self.database)?.sync_data()
            }
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{
        Store,
        clusters::{self, Cluster},
    };
    use super::*;
    use crate::domain::ClusterId;
    use std::{
        sync::{
            atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
            mpsc,
        },
        time::Duration,
    };
    use tokio::time::timeout;

    /// A disk that waits for leave each time, and can fail.
    struct Slow {
        leave: Mutex<mpsc::Receiver<()>>,
        flushes: Arc<AtomicUsize>,
        fails: Arc<AtomicBool>,
    }
    impl Disk for Slow {
        fn flush(&self) -> io::Result<()> {
            let number = self.flushes.fetch_add(1, SeqCst);
            let _ = self.leave.lock().unwrap().recv();
            if self.fails.load(SeqCst) {
                return Err(io::Error::other(format!("flush {number} failed")));
            }
            Ok(())
        }
    }

    struct Bench {
        store: Store,
        leave: mpsc::Sender<()>,
        flushes: Arc<AtomicUsize>,
        fails: Arc<AtomicBool>,
        _folder: tempfile::TempDir,
    }

    async fn bench() -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(&folder.path().join("brickyard.db")).await.unwrap();
        let (leave, waits) = mpsc::channel();
        let (flushes, fails) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let disk =
            Slow { leave: Mutex::new(waits), flushes: flushes.clone(), fails: fails.clone() };
        store.log = Some(Arc::new(Log::on(Box::new(disk))));
        Bench { store, leave, flushes, fails, _folder: folder }
    }

    async fn add(store: Store) -> Result<()> {
        let mut tx = store.write().await?;
        let cluster = Cluster { id: ClusterId::random(), file: true, block: true };
        clusters::insert(&mut tx, cluster).await?;
        tx.commit().await
    }
    async fn count(store: &Store) -> usize {
        clusters::all(&mut store.read().await.unwrap()).await.unwrap().len()
    }
    async fn is_waiting<T>(task: &mut tokio::task::JoinHandle<T>) -> bool {
        timeout(Duration::from_millis(50), task).await.is_err()
    }
    async fn until(what: impl AsyncFn() -> bool) {
        while !what().await {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_commit_returns_when_it_is_on_disk_and_nothing_is_told_before() {
        let bench = bench().await;
        let mut adding = tokio::spawn(add(bench.store.clone()));
        until(async || bench.flushes.load(SeqCst) == 1).await;
        assert!(is_waiting(&mut adding).await, "it is not on disk");
        // Whoever reads sees it already, and is not to tell anybody.
        assert_eq!(count(&bench.store).await, 1);
        let store = bench.store.clone();
        let mut telling = tokio::spawn(async move { store.until_kept().await });
        assert!(is_waiting(&mut telling).await, "told before it was on disk");
        bench.leave.send(()).unwrap();
        adding.await.unwrap().unwrap();
        telling.await.unwrap();
        assert_eq!(bench.flushes.load(SeqCst), 1, "nothing new was there to be put on disk");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn those_who_wait_are_served_by_one_flush() {
        let bench = bench().await;
        let first = tokio::spawn(add(bench.store.clone()));
        until(async || bench.flushes.load(SeqCst) == 1).await;
        let others: Vec<_> = (0..8).map(|_| tokio::spawn(add(bench.store.clone()))).collect();
        // They write while the first waits for the disk.
        until(async || count(&bench.store).await == 9).await;
        bench.leave.send(()).unwrap();
        first.await.unwrap().unwrap();
        until(async || bench.flushes.load(SeqCst) == 2).await;
        bench.leave.send(()).unwrap();
        for other in others {
            other.await.unwrap().unwrap();
        }
        assert_eq!(bench.flushes.load(SeqCst), 2);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_need_not_be_on_disk_goes_with_the_next_that_must() {
        let bench = bench().await;
        let cluster = || Cluster { id: ClusterId::random(), file: true, block: true };
        let mut tx = bench.store.write().await.unwrap();
        clusters::insert(&mut tx, cluster()).await.unwrap();
        tx.commit_lazily().await.unwrap();
        assert_eq!(count(&bench.store).await, 1);
        bench.store.until_kept().await;
        assert_eq!(bench.flushes.load(SeqCst), 0, "nobody has to wait for it");
        bench.leave.send(()).unwrap();
        add(bench.store.clone()).await.unwrap();
        assert_eq!(bench.flushes.load(SeqCst), 1);
        // A copy must not have what a power cut takes from the database itself.
        let mut tx = bench.store.write().await.unwrap();
        clusters::insert(&mut tx, cluster()).await.unwrap();
        tx.commit_lazily().await.unwrap();
        bench.leave.send(()).unwrap();
        bench.store.copy().await.unwrap();
        assert_eq!(bench.flushes.load(SeqCst), 2);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_disk_that_failed_once_is_not_believed_again() {
        let bench = bench().await;
        bench.fails.store(true, SeqCst);
        bench.leave.send(()).unwrap();
        let error = add(bench.store.clone()).await.unwrap_err().to_string();
        assert!(
            error.contains("flush 0 failed") && error.contains("restart the server"),
            "{error}"
        );
        bench.fails.store(false, SeqCst);
        drop(bench.leave);
        let error = add(bench.store.clone()).await.unwrap_err().to_string();
        assert!(error.contains("flush 0 failed"), "{error}");
        assert!(bench.store.barred().is_some());
        timeout(Duration::from_secs(5), bench.store.until_broken()).await.unwrap();
        // What may be lost is told to nobody.
        let store = bench.store.clone();
        let mut telling = tokio::spawn(async move { store.until_kept().await });
        assert!(is_waiting(&mut telling).await);
    }

    /// SQLite puts the log beside the file itself.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_database_that_is_called_by_a_link_has_its_log_put_on_disk() {
        let folder = tempfile::tempdir().unwrap();
        let (itself, link) = (folder.path().join("itself.db"), folder.path().join("link.db"));
        Store::open(&itself).await.unwrap().close().await;
        std::os::unix::fs::symlink(&itself, &link).unwrap();
        let store = Store::open(&link).await.unwrap();
        add(store.clone()).await.unwrap();
        let log = LogFile::of(&link).unwrap();
        log.flush().unwrap();
        let real = std::fs::metadata(folder.path().join("itself.db-wal")).unwrap().ino();
        let open = log.open.lock().unwrap();
        assert_eq!(open.as_ref().map(|file| file.metadata().unwrap().ino()), Some(real));
    }

    /// SQLite removes the log with its last connection, and makes a new one.
    #[test]
    fn a_log_that_was_replaced_is_opened_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (database, path) = (folder.path().join("x"), folder.path().join("x-wal"));
        assert!(LogFile::of(&database).is_err(), "neither file is there");
        std::fs::write(&database, "pages").unwrap();
        let log = LogFile::of(&database).unwrap();
        let inode = || log.open.lock().unwrap().as_ref().map(|f| f.metadata().unwrap().ino());
        log.flush().unwrap();
        assert_eq!(inode(), None);
        for _ in 0..2 {
            let _ = std::fs::rename(&path, folder.path().join("old"));
            std::fs::write(&path, "frames").unwrap();
            log.flush().unwrap();
            assert_eq!(inode(), Some(std::fs::metadata(&path).unwrap().ino()));
        }
        std::fs::remove_file(&path).unwrap();
        log.flush().unwrap();
        assert_eq!(inode(), None);
    }
}
