//! What the placement sees of clusters, kept from one question to the next: reading ten thousand devices
//! anew for each volume would cost more than everything else.
//!
//! It is never older than the database. SQLite itself tells of each row that is changed on the connection
//! for writing, whichever statement does it (`hear` below); such a row is read anew, or, where more
//! than the space or state of a device has changed, everything is. Nothing is kept that was read in a
//! transaction that had changed such rows before, so what is taken back was never kept. A change by
//! another connection, which the lock file forbids, is seen by `PRAGMA data_version`. And nothing of it
//! outlives the connection, let alone the process.
use super::{
    WriteTx,
    view::{self, Kept},
};
use crate::{domain::ClusterId, error::Result, placement::View};
use sqlx::sqlite::{SqliteConnection, SqliteOperation, UpdateHookResult};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The views of all clusters that were asked for.
#[derive(Clone, Default)]
pub(super) struct Views(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    kept: HashMap<ClusterId, Kept>,
    /// The present transaction has changed something that a view shows.
    changing: bool,
    /// As the connection for writing saw it last.
    data_version: Option<i64>,
}

impl Views {
    /// Has every change on this connection told, and forgets what an earlier one told.
    ///
    /// # Errors
    /// The connection is gone.
    pub(super) async fn listen(&self, connection: &mut SqliteConnection) -> sqlx::Result<()> {
        self.inner().forget();
        let this = self.clone();
        let mut handle = connection.lock_handle().await?;
        handle.set_update_hook(move |change| this.hear(&change));
        Ok(())
    }

    fn hear(&self, change: &UpdateHookResult<'_>) {
        match (change.table, &change.operation) {
            ("devices", SqliteOperation::Update) => {
                let mut inner = self.inner();
                inner.changing = true;
                for kept in inner.kept.values_mut() {
                    kept.changed.insert(change.rowid);
                }
            }
            ("devices" | "device_tags" | "nodes" | "node_tags", _) => {
                let mut inner = self.inner();
                inner.changing = true;
                inner.kept.clear();
            }
            _ => {}
        }
    }

    /// A transaction begins: nothing of the one before is open any more.
    pub(super) fn begin(&self) {
        self.inner().changing = false;
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn forget(&mut self) {
        self.kept.clear();
        self.data_version = None;
    }
}

/// Looks at all nodes and devices of a cluster that are not being added or removed, as this
/// transaction sees them. What it costs grows with what has changed since somebody looked last, and
/// with what `look` does.
///
/// # Errors
/// The database fails.
pub async fn look<T>(
    tx: &mut WriteTx,
    cluster: ClusterId,
    look: impl FnOnce(&View) -> T + Send,
) -> Result<T> {
    let views = tx.views.clone();
    let data_version: i64 = sqlx::query_scalar("PRAGMA data_version").fetch_one(&mut **tx).await?;
    let (known, changing) = {
        let mut inner = views.inner();
        if inner.data_version != Some(data_version) {
            inner.forget();
            inner.data_version = Some(data_version);
        }
        // Taken out: should this be dropped half way, nothing is left of it.
        (inner.kept.remove(&cluster).filter(|_| !inner.changing), inner.changing)
    };
    let mut current = None;
    if let Some(mut kept) = known
        && view::refresh(tx, cluster, &mut kept).await?
    {
        current = Some(kept);
    }
    let kept = match current {
        Some(kept) => kept,
        None => view::whole(tx, cluster).await?,
    };
    let seen = look(&kept.view);
    if !changing {
        views.inner().kept.insert(cluster, kept);
    }
    Ok(seen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{DeviceFacts, DeviceId, Kib, NodeId, OperationId, State},
        store::{
            Store,
            clusters::{self, Cluster},
            devices::{self, Device},
            nodes::{self, Node},
        },
    };
    use sqlx::{ConnectOptions, Connection};
    use std::path::Path;

    /// Two clusters; what is done to them is drawn from a fixed sequence.
    struct Estate {
        store: Store,
        clusters: Vec<ClusterId>,
        nodes: Vec<NodeId>,
        devices: Vec<DeviceId>,
        dice: u64,
    }

    impl Estate {
        async fn new(database: &Path) -> Self {
            let store = Store::open(database).await.unwrap();
            let mut estate =
                Self { store, clusters: vec![], nodes: vec![], devices: vec![], dice: 7 };
            let mut tx = estate.store.write().await.unwrap();
            for _ in 0..2 {
                let cluster = Cluster { id: ClusterId::random(), file: true, block: true };
                clusters::insert(&mut tx, cluster).await.unwrap();
                estate.clusters.push(cluster.id);
            }
            for n in 0..6 {
                estate.add_node(&mut tx, n).await;
            }
            for n in 0..18 {
                estate.add_device(&mut tx, n, None).await;
            }
            tx.commit().await.unwrap();
            estate
        }
        fn draw(&mut self, below: usize) -> usize {
            self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            usize::try_from(self.dice >> 33).unwrap() % below
        }
        async fn add_node(&mut self, tx: &mut WriteTx, n: usize) {
            let node = Node {
                id: NodeId::random(),
                cluster: self.clusters[n % 2],
                zone: 1,
                manage: vec![format!("m{n}").parse().unwrap()],
                storage: vec![format!("s{n}").parse().unwrap()],
                tags: [("rack".to_owned(), n.to_string())].into(),
                state: State::Online,
                pending: None,
            };
            nodes::insert(tx, &node).await.unwrap();
            self.nodes.push(node.id);
        }
        async fn add_device(&mut self, tx: &mut WriteTx, n: usize, pending: Option<OperationId>) {
            let device = Device {
                id: DeviceId::random(),
                node: self.nodes[n % self.nodes.len()],
                name: format!("/dev/x{n}").parse().unwrap(),
                state: State::Online,
                total: Kib(1000),
                used: Kib(0),
                extent: Kib(4),
                pv_uuid: String::new(),
                paths: vec![],
                tags: [("tier".to_owned(), n.to_string())].into(),
                pending,
            };
            devices::insert(tx, &device).await.unwrap();
            self.devices.push(device.id);
        }
        /// One change of any kind; a device that was added may go with the transaction.
        async fn change(&mut self, tx: &mut WriteTx, number: usize) {
            let at = self.draw(18);
            let (device, node) = (self.devices[at], self.nodes[at % 6]);
            let some = Kib(self.draw(1000) as u64);
            let state = [State::Online, State::Offline, State::Failed][self.draw(3)];
            let tags = [("tier".to_owned(), some.0.to_string())].into();
            match self.draw(12) {
                0..5 => devices::set_space(tx, device, Kib(1000), some).await,
                5 => devices::set_state(tx, device, state).await,
                6 => devices::set_tags(tx, device, &tags).await,
                7 => nodes::set_state(tx, node, state).await,
                8 => nodes::set_tags(tx, node, &tags).await,
                9 => {
                    let by = some.0.is_multiple_of(2).then(OperationId::random);
                    devices::set_pending(tx, device, by).await
                }
                10 => {
                    let paths = vec![];
                    let facts = DeviceFacts {
                        total: Kib(2000),
                        used: some,
                        extent: Kib(8),
                        pv_uuid: "u".into(),
                        paths,
                    };
                    devices::set_facts(tx, device, &facts).await
                }
                _ if self.devices.len() > 18 => {
                    let device = self.devices.pop().unwrap();
                    devices::delete(tx, device).await
                }
                _ => {
                    let pending = number.is_multiple_of(3).then(OperationId::random);
                    self.add_device(tx, number + 100, pending).await;
                    Ok(())
                }
            }
            .unwrap();
        }
    }

    /// What is kept is what is there.
    async fn compare(tx: &mut WriteTx, clusters: &[ClusterId]) {
        for &cluster in clusters {
            let seen = look(tx, cluster, View::clone).await.unwrap();
            let there = view::whole(tx, cluster).await.unwrap();
            assert_eq!(seen, there.view);
        }
    }

    /// Transactions that are committed and taken back, looked at before, in the midst of and after
    /// what they change; other connections that write; and a store that is opened anew.
    #[tokio::test]
    async fn a_view_is_never_older_than_the_database() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("brickyard.db");
        let mut estate = Estate::new(&path).await;
        let clusters = estate.clusters.clone();
        for number in 0..600 {
            let mut tx = estate.store.write().await.unwrap();
            if estate.draw(2) == 0 {
                compare(&mut tx, &clusters).await;
            }
            let known = estate.devices.clone();
            for _ in 0..estate.draw(3) {
                estate.change(&mut tx, number).await;
                if estate.draw(2) == 0 {
                    compare(&mut tx, &clusters[estate.draw(2)..]).await;
                }
            }
            if estate.draw(3) == 0 {
                drop(tx);
                estate.devices = known;
            } else {
                tx.commit().await.unwrap();
            }
            if number % 50 == 0 {
                // Somebody who does not care for the lock.
                let other = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
                let mut other = other.connect().await.unwrap();
                let used = "UPDATE devices SET used_kib = used_kib + 1";
                sqlx::query(used).execute(&mut other).await.unwrap();
                other.close().await.unwrap();
            }
            if number % 70 == 0 {
                estate.store.close().await;
                estate.store = Store::open(&path).await.unwrap();
            }
            compare(&mut estate.store.write().await.unwrap(), &clusters).await;
        }
    }

    /// Else it would be true that nothing is stale, and nothing would be gained.
    #[tokio::test]
    async fn what_has_not_changed_is_not_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let estate = Estate::new(&folder.path().join("brickyard.db")).await;
        let (cluster, device) = (estate.clusters[0], estate.devices[0]);
        let mut tx = estate.store.write().await.unwrap();
        compare(&mut tx, &[cluster]).await;
        devices::set_space(&mut tx, device, Kib(1000), Kib(5)).await.unwrap();
        tx.commit().await.unwrap();
        {
            let inner = estate.store.views.inner();
            assert_eq!(inner.kept[&cluster].changed.len(), 1);
        }
        let mut tx = estate.store.write().await.unwrap();
        compare(&mut tx, &[cluster]).await;
        assert!(estate.store.views.inner().kept[&cluster].changed.is_empty());
        // A connection that takes the place of another is listened to as well.
        drop(tx);
        estate.store.write.acquire().await.unwrap().close().await.unwrap();
        let mut tx = estate.store.write().await.unwrap();
        assert!(estate.store.views.inner().kept.is_empty());
        compare(&mut tx, &[cluster]).await;
        devices::set_space(&mut tx, device, Kib(1000), Kib(6)).await.unwrap();
        tx.commit().await.unwrap();
        compare(&mut estate.store.write().await.unwrap(), &[cluster]).await;
    }
}
