//! The backup as what one server leaves for the next.
use crate::harness::kube::{FakeKube, Trouble};
use brickyard::{
    backup::{Keeper, Pace, RestoreError, Settings, Status, begin, begin_as},
    domain::ClusterId,
    store::{
        Store,
        clusters::{self, Cluster},
    },
};
use std::{collections::BTreeSet, path::Path, time::Duration};
use tokio_util::sync::CancellationToken;

fn settings(kube: &FakeKube) -> Settings {
    let pace = Pace {
        settle: Duration::from_mins(1),
        pause: Duration::from_millis(5),
        longest_pause: Duration::from_millis(20),
        goodbye: Duration::from_millis(100),
        arrival: Duration::from_millis(200),
        ..Pace::default()
    };
    Settings {
        on: Some("for a test".into()),
        secret: "heketi-db-backup".into(),
        source: Some(kube.source()),
        namespace: None,
        mounted: "/nonexistent".into(),
        pace,
    }
}

/// A server as far as its database goes.
struct Works {
    store: Store,
    status: Status,
    ending: CancellationToken,
    keeping: tokio::task::JoinHandle<()>,
}

impl Works {
    async fn start(name: &str, kube: &FakeKube, folder: &Path) -> Result<Self, RestoreError> {
        let database = folder.join(name).join("brickyard.db");
        std::fs::create_dir_all(database.parent().unwrap()).unwrap();
        let keeper = begin_as(name, &settings(kube), &database).await?.unwrap();
        Ok(Self::with(keeper, &database).await)
    }
    async fn with(keeper: Keeper, database: &Path) -> Self {
        let store = Store::open(database).await.unwrap();
        store.require_copies();
        let (status, ending) = (Status::default(), CancellationToken::new());
        let keeping =
            tokio::spawn(keeper.telling(status.clone()).run(store.clone(), ending.clone()));
        Self { store, status, ending, keeping }
    }
    async fn add(&self) -> ClusterId {
        let id = ClusterId::random();
        let mut tx = self.store.write().await.unwrap();
        clusters::insert(&mut tx, Cluster { id, file: true, block: true }).await.unwrap();
        tx.commit().await.unwrap();
        id
    }
    async fn clusters(&self) -> BTreeSet<ClusterId> {
        let all = clusters::all(&mut self.store.read().await.unwrap()).await.unwrap();
        all.into_iter().map(|cluster| cluster.id).collect()
    }
    /// As a process that is killed.
    async fn die(self) {
        self.keeping.abort();
        let _ = self.keeping.await;
        self.store.close().await;
    }
    async fn end(self) {
        self.ending.cancel();
        self.keeping.await.unwrap();
        self.store.close().await;
    }
}

/// What was waited for is there for the next one, and nothing else is; whoever comes back takes what
/// the others have done.
#[tokio::test(flavor = "multi_thread")]
async fn each_goes_on_where_the_last_one_stood() {
    let (kube, folder) = (FakeKube::start().await, tempfile::tempdir().unwrap());
    let a = Works::start("a", &kube, folder.path()).await.unwrap();
    let first = a.add().await;
    a.store.until_kept().await;
    a.die().await;
    let b = Works::start("b", &kube, folder.path()).await.unwrap();
    assert_eq!(b.clusters().await, [first].into());
    let second = b.add().await;
    b.store.until_kept().await;
    b.end().await;
    // Its own database is of an earlier time.
    let a = Works::start("a", &kube, folder.path()).await.unwrap();
    assert_eq!(a.clusters().await, [first, second].into());
    assert!(folder.path().join("a/brickyard.superseded.db").exists());
    a.end().await;
}

/// A server that does not know that another one works can neither write nor go on.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_superseded_writes_no_more() {
    let (kube, folder) = (FakeKube::start().await, tempfile::tempdir().unwrap());
    let a = Works::start("a", &kube, folder.path()).await.unwrap();
    a.add().await;
    a.store.until_kept().await;
    // It has claimed the backup and written nothing of its own yet.
    let database = folder.path().join("b.db");
    let b = begin_as("b", &settings(&kube), &database).await.unwrap().unwrap();
    a.add().await;
    let kept = tokio::time::timeout(Duration::from_millis(300), a.store.until_kept()).await;
    assert!(kept.is_err(), "it went on");
    let shown = a.status.shown();
    assert!(shown.error.contains("another server"), "{shown:?}");
    let b = Works::with(b, &database).await;
    assert_eq!(b.clusters().await.len(), 1);
    let third = b.add().await;
    b.store.until_kept().await;
    a.end().await;
    b.die().await;
    let c = Works::start("c", &kube, folder.path()).await.unwrap();
    assert!(c.clusters().await.contains(&third));
}

/// What was under way is taken up by the next one: everything that may be on nodes is in the backup.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_way_is_not_held() {
    const RUNNING: &str = "INSERT INTO operations (id, kind, params, state, created_at) \
         VALUES ('0123456789abcdef0123456789abcdef', 'x', '{}', 'running', 0)";
    let (kube, folder) = (FakeKube::start().await, tempfile::tempdir().unwrap());
    let state = async |works: &Works| {
        let mut tx = works.store.read().await.unwrap();
        let state: String =
            sqlx::query_scalar("SELECT state FROM operations").fetch_one(&mut *tx).await.unwrap();
        state
    };
    let a = Works::start("a", &kube, folder.path()).await.unwrap();
    let mut tx = a.store.write().await.unwrap();
    sqlx::query(RUNNING).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    a.store.until_kept().await;
    a.die().await;
    let b = Works::start("b", &kube, folder.path()).await.unwrap();
    assert_eq!(state(&b).await, "running");
    b.die().await;
}

/// One server there was, and its database stays what it is when others are to stand ready; a
/// database that none of them has had is not mixed up with theirs.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_of_several_keeps_its_database() {
    let (kube, folder) = (FakeKube::start().await, tempfile::tempdir().unwrap());
    let database = folder.path().join("a/brickyard.db");
    std::fs::create_dir(folder.path().join("a")).unwrap();
    let mut alone = settings(&kube);
    alone.pace.settle = Duration::from_millis(1);
    let keeper = begin(&alone, &database).await.unwrap().unwrap();
    let only = Works::with(keeper, &database).await;
    let first = only.add().await;
    only.store.until_kept().await;
    only.die().await;
    // Later than the backup.
    let store = Store::open(&database).await.unwrap();
    let later = Cluster { id: ClusterId::random(), file: true, block: true };
    let mut tx = store.write().await.unwrap();
    clusters::insert(&mut tx, later).await.unwrap();
    tx.commit().await.unwrap();
    store.close().await;
    let a = Works::start("a", &kube, folder.path()).await.unwrap();
    assert_eq!(a.clusters().await, [first, later.id].into());
    a.store.until_kept().await;
    a.end().await;

    let stranger = folder.path().join("stranger/brickyard.db");
    std::fs::create_dir(folder.path().join("stranger")).unwrap();
    Store::open(&stranger).await.unwrap().close().await;
    let refused = Works::start("stranger", &kube, folder.path()).await.err().unwrap();
    assert!(matches!(refused, RestoreError::Another { .. }), "{refused}");
    assert!(stranger.exists());
}

/// Somebody removes the Secret: the one that works writes it again, and nothing is lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_is_removed_is_written_again() {
    let (kube, folder) = (FakeKube::start().await, tempfile::tempdir().unwrap());
    let a = Works::start("a", &kube, folder.path()).await.unwrap();
    let first = a.add().await;
    a.store.until_kept().await;
    kube.remove("heketi-db-backup");
    let second = a.add().await;
    a.store.until_kept().await;
    a.die().await;
    let b = Works::start("b", &kube, folder.path()).await.unwrap();
    assert_eq!(b.clusters().await, [first, second].into());
    b.end().await;
}

/// What was put aside first may be all there is of a time before: it stays.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_put_aside_first_stays() {
    let (kube, folder) = (FakeKube::start().await, tempfile::tempdir().unwrap());
    let aside = |name: &str| folder.path().join("a").join(name);
    let a = Works::start("a", &kube, folder.path()).await.unwrap();
    a.add().await;
    a.store.until_kept().await;
    // No backup has this.
    kube.trouble(Trouble::Answers(500));
    let only_here = a.add().await;
    a.die().await;
    kube.trouble(Trouble::None);
    for _ in 0..3 {
        let a = Works::start("a", &kube, folder.path()).await.unwrap();
        assert!(!a.clusters().await.contains(&only_here));
        a.end().await;
    }
    assert!(aside("brickyard.superseded-last.db").exists());
    let kept = Store::open(&aside("brickyard.superseded.db")).await.unwrap();
    let all = clusters::all(&mut kept.read().await.unwrap()).await.unwrap();
    assert!(all.iter().any(|cluster| cluster.id == only_here));
}
