//! Copies of the database, to be kept elsewhere.
use super::{
    Store,
    origin::{self, Origin},
};
use crate::error::{Error, Result};
use bytes::Bytes;
use sqlx::{Connection, Executor, SqliteConnection, sqlite::SqliteOwnedBuf};

/// What would be needed if the database were lost.
#[derive(Clone, Debug)]
pub struct Essence {
    /// A database file.
    pub content: Vec<u8>,
    /// Which database it is, and how late.
    pub origin: Origin,
    /// Operations that are not at rest.
    pub unfinished: u64,
}

impl Store {
    /// The bytes of a database file with everything that is committed at this moment, and nothing
    /// else. They are in memory: no temporary file is left behind by a crash, and none fills the
    /// disk of the database.
    ///
    /// It is read within one statement, by a connection for reading: writers go on meanwhile, or,
    /// on a file system over a network, wait for as long as reading the file takes.
    ///
    /// # Errors
    /// The database fails, or there is no memory for it.
    pub async fn copy(&self) -> Result<Bytes> {
        // Not in a transaction of ours: SQLite makes one for the statement that it reads by.
        let mut connection = self.read.acquire().await?;
        let copy = connection.serialize(None).await.map_err(Error::from)?;
        drop(connection);
        // A copy that is kept elsewhere must not be ahead of this database after a power cut.
        self.until_all_on_disk().await?;
        Ok(Bytes::from_owner(copy))
    }

    /// A smaller copy, for where space is dear: without the steps of operations that are at rest,
    /// and without the operations that came to rest before this time (seconds since 1970). What is
    /// left is all that the next server needs, and the answers for clients that still poll.
    ///
    /// It is made in memory, in the same way as [`Store::copy`], and cut down on the threads of
    /// SQLite.
    ///
    /// # Errors
    /// The database fails, or there is no memory for it.
    pub async fn essence(&self, results_since: i64) -> Result<Essence> {
        let mut copy = SqliteOwnedBuf::try_from(self.copy().await?.as_ref())?;
        without_log(&mut copy);
        let mut memory = SqliteConnection::connect("sqlite::memory:").await?;
        memory.deserialize(None, copy, false).await?;
        let steps = "DELETE FROM operation_steps WHERE operation IN \
                     (SELECT id FROM operations WHERE finished_at IS NOT NULL)";
        memory.execute(steps).await?;
        let old = sqlx::query("DELETE FROM operations WHERE finished_at < ?");
        old.bind(results_since).execute(&mut memory).await?;
        memory.execute("VACUUM").await?;
        let origin = origin::of(&mut memory).await?;
        let unfinished =
            sqlx::query_scalar("SELECT count(*) FROM operations WHERE finished_at IS NULL")
                .fetch_one(&mut memory)
                .await?;
        let content = memory.serialize(None).await?.to_vec();
        memory.close().await?;
        Ok(Essence { content, origin, unfinished })
    }
}

/// A database in memory cannot have a log of its own; what is in the log of this one is in the
/// copy. The two numbers of the file format say whether it has one (fileformat2, 1.3.3).
fn without_log(database: &mut [u8]) {
    if let Some(versions) = database.get_mut(18..20) {
        versions.fill(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::ClusterId,
        store::clusters::{self, Cluster},
    };

    async fn add(store: &Store) -> ClusterId {
        let cluster = Cluster { id: ClusterId::random(), file: true, block: true };
        let mut tx = store.write().await.unwrap();
        clusters::insert(&mut tx, cluster).await.unwrap();
        tx.commit().await.unwrap();
        cluster.id
    }

    /// What is at rest and old is left out; what is not at rest is there with all its steps.
    #[tokio::test]
    async fn an_essence_is_a_database_without_its_history() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("brickyard.db")).await.unwrap();
        let cluster = add(&store).await;
        let rows =
            "INSERT INTO operations (id, kind, params, state, created_at, finished_at) VALUES
              ('old', 'x', '{}', 'done', 0, 10), ('new', 'x', '{}', 'done', 0, 20),
              ('open', 'x', '{}', 'running', 0, NULL);
            INSERT INTO operation_steps (operation, seq, stage, step, state, changed_at) VALUES
              ('old', 0, 0, '{}', 'done', 0), ('new', 0, 0, '{}', 'done', 0),
              ('open', 0, 0, '{}', 'running', 0)";
        let mut tx = store.write().await.unwrap();
        tx.execute(sqlx::raw_sql(rows)).await.unwrap();
        tx.commit().await.unwrap();

        let essence = store.essence(15).await.unwrap();
        assert_eq!(essence.origin.epoch, store.epoch());
        assert_eq!(essence.origin.generation_id.len(), 32);
        let elsewhere = folder.path().join("copy.db");
        std::fs::write(&elsewhere, &essence.content).unwrap();
        assert_eq!(origin::of_file(&elsewhere).await.unwrap(), essence.origin);
        let restored = Store::open(&elsewhere).await.unwrap();
        assert_eq!(restored.barred(), None);
        let mut tx = restored.read().await.unwrap();
        assert_eq!(clusters::all(&mut tx).await.unwrap()[0].id, cluster);
        let ids: Vec<String> = sqlx::query_scalar("SELECT id FROM operations ORDER BY id")
            .fetch_all(&mut *tx)
            .await
            .unwrap();
        assert_eq!(ids, ["new", "open"]);
        let steps: Vec<String> = sqlx::query_scalar("SELECT operation FROM operation_steps")
            .fetch_all(&mut *tx)
            .await
            .unwrap();
        assert_eq!(steps, ["open"]);
        // The database itself has lost nothing.
        let all: i64 = sqlx::query_scalar("SELECT count(*) FROM operation_steps")
            .fetch_one(&mut *store.read().await.unwrap())
            .await
            .unwrap();
        assert_eq!(all, 3);
    }

    #[tokio::test]
    async fn a_commit_is_heard_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("brickyard.db")).await.unwrap();
        let mut heard = store.commits();
        drop(store.write().await.unwrap());
        assert!(!heard.has_changed().unwrap());
        add(&store).await;
        assert!(heard.has_changed().unwrap());
        heard.mark_unchanged();
        assert!(!heard.has_changed().unwrap());
    }

    /// Also what is only in the log yet, and nothing that is not committed.
    #[tokio::test]
    async fn a_copy_is_a_database_with_all_that_is_committed() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("brickyard.db")).await.unwrap();
        let committed = add(&store).await;
        let mut open = store.write().await.unwrap();
        let other = Cluster { id: ClusterId::random(), file: true, block: true };
        clusters::insert(&mut open, other).await.unwrap();
        // A writer at work neither waits nor is waited for.
        let copy = store.copy().await.unwrap();
        open.commit().await.unwrap();

        let elsewhere = folder.path().join("copy.db");
        std::fs::write(&elsewhere, &copy).unwrap();
        let restored = Store::open(&elsewhere).await.unwrap();
        let all = clusters::all(&mut restored.read().await.unwrap()).await.unwrap();
        assert_eq!(all.iter().map(|c| c.id).collect::<Vec<_>>(), [committed]);
        // It is as good as any: it can be written, and knows that it is later.
        add(&restored).await;
        assert!(restored.epoch() > store.epoch());
    }
}
