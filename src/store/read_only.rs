//! A database that is only read: because nothing can be written to it, or because that is wished.
use super::{
    Store,
    open::{Guard, OpenError, READERS, cannot_write, damage, lock_file, migrate, options, pool},
};
use std::{
    fs::{File, TryLockError},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// How often a server that still has the database is looked for.
const AGAIN: Duration = Duration::from_millis(500);

impl Store {
    /// Opens the database for reading alone. What is read is as it was at this moment.
    ///
    /// A server that has it open is waited for, without a limit as with Heketi (storage.md 6.1),
    /// and none can have it as long as this store lives.
    ///
    /// # Errors
    /// It is not there or cannot be read.
    ///
    /// # Cancel safety
    /// Dropping the future lets go of everything.
    pub async fn open_read_only(path: &Path) -> Result<Self, OpenError> {
        if !path.exists() {
            return Err(OpenError::Missing(path.into()));
        }
        let held = share(path).await?;
        Self::open_copy(path, "db_read_only is set", held).await
    }

    /// A database that is not to be written is read from a copy: `SQLite` itself wants to write
    /// beside a file that it reads.
    pub(super) async fn open_copy(
        path: &Path,
        why: &str,
        held: Option<File>,
    ) -> Result<Self, OpenError> {
        let io = |why| OpenError::Io { path: path.into(), why };
        let failed = |why| OpenError::Sqlite { path: path.into(), why };
        // What SQLite lays beside a database lies beside the file itself, by whichever link it is called.
        let path = &std::fs::canonicalize(path).map_err(io)?;
        let folder = tempfile::tempdir().map_err(io)?;
        let copy = folder.path().join("brickyard.db");
        std::fs::copy(path, &copy).map_err(io)?;
        // What is not in the main file yet, or is to be taken back from it.
        for beside in ["wal", "journal"] {
            let log = |path: &Path| PathBuf::from(format!("{}-{beside}", path.display()));
            if log(path).exists() {
                std::fs::copy(log(path), log(&copy)).map_err(io)?;
            }
        }
        let many = pool().max_connections(READERS);
        // Read only by our own rule; the copy itself is brought up to date.
        let read = many.connect_with(options(&copy)).await.map_err(failed)?;
        let damage = damage(&read).await.map_err(failed)?;
        if damage.is_none() {
            migrate(&copy, &read).await?;
        }
        let barred = Some(damage.unwrap_or_else(|| why.to_owned()).into());
        let guard = Arc::new(Guard::Copy { _folder: folder, _held: held });
        let (write, commits) = (read.clone(), tokio::sync::watch::Sender::default());
        Ok(Self {
            write,
            read,
            witness: None,
            barred,
            epoch: 0,
            commits,
            elsewhere: super::elsewhere::Elsewhere::default(),
            begun: tokio_util::task::TaskTracker::new(),
            log: None,
            views: super::views::Views::default(),
            _guard: guard,
        })
    }
}

/// A lock that keeps writers away and other readers not; none where nobody could have one.
async fn share(database: &Path) -> Result<Option<File>, OpenError> {
    let path = lock_file(database);
    let io = |why| OpenError::Io { path: path.clone(), why };
    let file = match File::options().create(true).append(true).open(&path) {
        Err(why) if cannot_write(&why) => match File::open(&path) {
            Ok(file) => file,
            Err(_) => return Ok(None),
        },
        file => file.map_err(io)?,
    };
    let mut told = false;
    loop {
        match file.try_lock_shared() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::WouldBlock) if !told => {
                let database = database.display();
                tracing::warn!(%database, "another server has the database: waiting for its end");
                told = true;
            }
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(why)) => return Err(io(why)),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::ClusterId,
        store::clusters::{self, Cluster},
    };

    async fn add_cluster(store: &Store) -> crate::error::Result<()> {
        let cluster = Cluster { id: ClusterId::random(), file: true, block: true };
        let mut tx = store.write().await?;
        clusters::insert(&mut tx, cluster).await?;
        tx.commit().await
    }

    async fn clusters(store: &Store) -> usize {
        clusters::all(&mut store.read().await.unwrap()).await.unwrap().len()
    }

    /// root may write everywhere, so a real one cannot be shown here.
    #[tokio::test]
    async fn a_database_that_cannot_be_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("brickyard.db");
        let store = Store::open(&path).await.unwrap();
        add_cluster(&store).await.unwrap();
        // Still open: what is not in the main file yet is read as well.
        let copy = Store::open_copy(&path, "read-only file system", None).await.unwrap();
        assert_eq!(clusters(&copy).await, 1);
        let refused = add_cluster(&copy).await.unwrap_err().to_string();
        assert!(refused.contains("read-only file system"), "{refused}");
        add_cluster(&store).await.unwrap();
    }

    /// The log lies beside the file itself, and not beside a link to it.
    #[tokio::test]
    async fn a_copy_by_a_link_has_what_is_in_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("brickyard.db"), folder.path().join("link.db"));
        let store = Store::open(&path).await.unwrap();
        add_cluster(&store).await.unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let copy = Store::open_copy(&link, "read-only file system", None).await.unwrap();
        assert_eq!(clusters(&copy).await, 1);
    }

    #[tokio::test]
    async fn one_that_is_only_to_be_read_is_never_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("brickyard.db");
        assert!(matches!(Store::open_read_only(&path).await, Err(OpenError::Missing(_))));
        let store = Store::open(&path).await.unwrap();
        add_cluster(&store).await.unwrap();
        store.close().await;
        let before = std::fs::read(&path).unwrap();

        let one = Store::open_read_only(&path).await.unwrap();
        let another = Store::open_read_only(&path).await.unwrap();
        assert_eq!((clusters(&one).await, clusters(&another).await), (1, 1));
        let refused = add_cluster(&one).await.unwrap_err().to_string();
        assert!(refused.contains("db_read_only is set"), "{refused}");
        // Nobody changes what they read.
        assert!(matches!(Store::open(&path).await, Err(OpenError::Locked(_))));
        one.close().await;
        another.close().await;
        assert_eq!(std::fs::read(&path).unwrap(), before);
        Store::open(&path).await.unwrap();
    }

    #[tokio::test]
    async fn a_server_that_has_it_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("brickyard.db");
        let server = Store::open(&path).await.unwrap();
        let reading = Store::open_read_only(&path);
        tokio::pin!(reading);
        assert!(tokio::time::timeout(AGAIN * 2, &mut reading).await.is_err(), "it did not wait");
        add_cluster(&server).await.unwrap();
        server.close().await;
        assert_eq!(clusters(&reading.await.unwrap()).await, 1);
    }
}
