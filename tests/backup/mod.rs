//! The database in Secrets of Kubernetes: written, and taken back from there.
mod keeper;
mod process;
mod real;
mod restore;
mod shelf;

use crate::harness::kube::FakeKube;
use brickyard::{
    backup::{Keeper, Pace, RestoreError, Settings, Status, begin},
    domain::ClusterId,
    kube::secret::Secrets,
    store::{
        Store,
        clusters::{self, Cluster},
    },
};
use std::{collections::BTreeSet, path::Path, time::Duration};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const SECRET: &str = "heketi-db-backup";
const DATABASE: &str = "heketi.db.gz";
const NOTE: &str = "brickyard.json";

/// Nothing takes long.
const PACE: Pace = Pace {
    settle: Duration::from_millis(1),
    patience: Duration::from_secs(2),
    pause: Duration::from_millis(5),
    longest_pause: Duration::from_millis(20),
    goodbye: Duration::from_secs(5),
    arrival: Duration::from_millis(200),
};

fn settings(kube: &FakeKube) -> Settings {
    Settings {
        on: Some("for a test".into()),
        secret: SECRET.into(),
        source: Some(kube.source()),
        namespace: None,
        mounted: "/nonexistent".into(),
        pace: PACE,
    }
}

async fn secrets(kube: &FakeKube) -> Secrets {
    Secrets::new(kube.source().connect(None).await.unwrap(), PACE.patience)
}

/// What a server does with its database, without the rest of it.
struct Kept {
    store: Store,
    status: Status,
    ending: CancellationToken,
    keeper: JoinHandle<()>,
}

impl Kept {
    async fn start(settings: &Settings, database: &Path) -> Result<Self, RestoreError> {
        let keeper: Keeper = begin(settings, database).await?.unwrap();
        let store = Store::open(database).await.unwrap();
        let (status, ending) = (Status::default(), CancellationToken::new());
        let keeper = keeper.telling(status.clone());
        let keeper = tokio::spawn(keeper.run(store.clone(), ending.clone()));
        Ok(Self { store, status, ending, keeper })
    }
    async fn add_cluster(&self) -> ClusterId {
        let cluster = Cluster { id: ClusterId::random(), file: true, block: true };
        let mut tx = self.store.write().await.unwrap();
        clusters::insert(&mut tx, cluster).await.unwrap();
        tx.commit().await.unwrap();
        cluster.id
    }
    async fn clusters(&self) -> BTreeSet<ClusterId> {
        let mut tx = self.store.read().await.unwrap();
        clusters::all(&mut tx).await.unwrap().into_iter().map(|cluster| cluster.id).collect()
    }
    /// Waits until the status is this.
    async fn until(&self, state: &str) {
        let reached = async {
            while self.status.shown().state != state {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(30), reached).await;
        waited.unwrap_or_else(|_| panic!("not {state}: {:?}", self.status.shown()));
    }
    /// Waits until a backup has this number.
    async fn until_number(&self, number: u64) {
        let reached = async {
            while self.status.shown().number < number {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(30), reached).await;
        waited.unwrap_or_else(|_| panic!("not {number}: {:?}", self.status.shown()));
    }
    /// Ends in order.
    async fn end(self) {
        self.ending.cancel();
        self.keeper.await.unwrap();
        self.store.close().await;
    }
    /// As if the process were killed.
    async fn kill(self) {
        self.keeper.abort();
        drop(self.keeper.await);
        self.store.close().await;
    }
}

/// Removes a database with all that lies beside it.
fn lose(database: &Path) {
    for beside in ["", "-wal", "-shm"] {
        drop(std::fs::remove_file(format!("{}{beside}", database.display())));
    }
    assert!(!database.exists());
}

/// A database of Heketi, compressed as it is in its Secret.
fn heketis() -> Vec<u8> {
    let mut bolt = vec![0; 8192];
    bolt[16..20].copy_from_slice(&0xED0C_DAED_u32.to_le_bytes());
    brickyard::backup::bundle::compress(&bolt).unwrap()
}
