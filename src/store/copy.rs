//! A copy of the whole database, to be kept elsewhere.
use super::Store;
use crate::error::{Error, Result};
use bytes::Bytes;

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
        Ok(Bytes::from_owner(copy))
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
