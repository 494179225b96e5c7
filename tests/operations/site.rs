//! Nodes and a folder that outlive servers, and servers that can be killed.
use super::{
    fuse::{Fuse, Trouble},
    world,
};
use crate::harness::quick;
use brickyard::{
    domain::{Gib, OperationId},
    node::{
        Nodes, Pace, Tools,
        sim::{Sim, world::World},
    },
    operation::{Any, OnRestart, Operations, Queued, Settings},
    store::{Store, operations},
};
use std::{path::Path, sync::Arc, time::Duration};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

/// What a crash leaves: the database's folder and the nodes.
pub struct Site {
    folder: TempDir,
    pub sim: Arc<Sim>,
}

/// A server as far as it works for operations, in a runtime of its own: dropped with it,
/// everything it was about to do never happens.
pub struct Server {
    pub operations: Operations,
    pub store: Store,
    pub fuse: Arc<Fuse>,
    sim: Arc<Sim>,
    runtime: Runtime,
}

/// A test that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// No waiting, no cleaner, bricks of at most 5 GiB, and small hosting volumes where there are none.
pub fn settings() -> Settings {
    let mut settings = quick();
    settings.limits.brick_max = Gib(5).to_kib();
    settings.create_block_hosting = true;
    settings.block_hosting_size = Gib(4);
    settings
}

impl Site {
    pub fn empty() -> Self {
        Self { folder: folder(), sim: Arc::new(Sim::new(Gib(100).to_kib())) }
    }
    /// As it was when it was photographed.
    pub fn restore(database: &[u8], world: &World) -> Self {
        let site = Self::empty();
        std::fs::write(site.database(), database).unwrap();
        *site.sim.world() = world.clone();
        site
    }
    /// Everything that a server left that ended well.
    pub fn photograph(&self) -> (Vec<u8>, World) {
        (std::fs::read(self.database()).unwrap(), self.sim.world().clone())
    }
    pub fn database(&self) -> std::path::PathBuf {
        self.folder.path().join("brickyard.db")
    }
    pub fn start(&self) -> Server {
        self.start_with(None, Trouble::None, settings())
    }
    pub fn start_with(&self, dies: Option<usize>, trouble: Trouble, settings: Settings) -> Server {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let fuse = Arc::new(Fuse::new(dies, trouble));
        self.sim.set_faults(Some(fuse.clone()));
        let database = self.database();
        let store = runtime.block_on(Store::open_witnessed(&database, Some(fuse.clone())));
        let store = store.unwrap();
        let none = Duration::ZERO;
        let pace = Pace { busy_pause: none, look_pause: none, heal_pause: none, ..Pace::default() };
        let nodes = Nodes::new(self.sim.clone(), Tools::default()).paced(pace);
        let nodes = nodes.since(store.epoch());
        let operations = Operations::new(store.clone(), nodes, settings);
        Server { operations, store, fuse, sim: self.sim.clone(), runtime }
    }
    /// What the last server left to do is done by a new one, and then everything agrees.
    ///
    /// Returns what the new server answers for the operation.
    pub fn recover(&self, policy: OnRestart, id: Option<OperationId>) -> Result<Picture, String> {
        let server = self.start();
        server.recover(policy);
        server.rest();
        let picture = server.picture(id);
        server.end();
        picture
    }
}

/// What can be said of a site at rest.
pub struct Picture {
    /// The operation's queue entry.
    pub queued: Option<Queued>,
    /// State and error of the operation begun last.
    pub newest: Option<(String, String)>,
}

/// Memory, if there is a file system of it: a disk's flushes would be most of the time.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

impl Server {
    /// Works on it until it is done, or the server has died.
    pub fn run<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        if self.fuse.is_blown() {
            return None;
        }
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = self.fuse.died.notified() => None,
                done = tokio::time::timeout(PATIENCE, work) => Some(done.expect("it hangs")),
            }
        })
    }
    /// For what must not be cut short.
    pub fn must<T>(&self, work: impl Future<Output = T>) -> T {
        self.run(work).expect("the server died")
    }
    pub fn begin(&self, operation: &Any) -> Option<brickyard::error::Result<OperationId>> {
        self.run(self.operations.start(operation.clone()))
    }
    /// Starts an operation and waits for its end.
    pub fn perform(&self, operation: impl Into<Any>) -> OperationId {
        let id = self.must(self.operations.start(operation)).unwrap();
        self.rest();
        assert!(matches!(self.queued(id), Queued::Done(_)), "{:?}", self.queued(id));
        id
    }
    /// The same while others are stuck.
    pub fn perform_quietly(&self, operation: impl Into<Any>) {
        let id = self.must(self.operations.start(operation)).unwrap();
        self.wait(&async |_| self.operations.queued(id).await.unwrap() != Queued::Pending);
        assert!(matches!(self.queued(id), Queued::Done(_)), "{:?}", self.queued(id));
    }
    pub fn recover(&self, policy: OnRestart) -> Option<()> {
        self.run(self.operations.recover(policy)).map(Result::unwrap)
    }
    /// Waits until no operation moves; stuck ones do not.
    pub fn rest(&self) -> Option<()> {
        self.wait(&async |store| {
            let mut tx = store.read().await.unwrap();
            let open = operations::unfinished(&mut tx).await.unwrap();
            open.len() == operations::stuck(&mut tx).await.unwrap().len()
        })
    }
    /// Waits until no operation is unfinished, whoever finishes it.
    pub fn finish(&self) -> Option<()> {
        self.wait(&async |store| {
            operations::unfinished(&mut store.read().await.unwrap()).await.unwrap().is_empty()
        })
    }
    /// Waits for the operation begun last, whatever else is stuck.
    pub fn newest_is(&self, state: &str) -> Option<()> {
        self.wait(&async |store| {
            let newest = world::newest(&mut store.read().await.unwrap()).await;
            newest.is_some_and(|(found, _)| found == state)
        })
    }
    /// Looks again after each commit.
    fn wait(&self, reached: &impl AsyncFn(&Store) -> bool) -> Option<()> {
        self.run(async {
            while !reached(&self.store).await {
                self.fuse.committed.notified().await;
            }
        })
    }
    pub fn queued(&self, id: OperationId) -> Queued {
        self.must(self.operations.queued(id)).expect("the queue forgot an accepted operation")
    }
    /// Everything is at rest and agrees, or what does not.
    pub fn picture(&self, id: Option<OperationId>) -> Result<Picture, String> {
        let queued = match id.map(|id| self.must(self.operations.queued(id))) {
            Some(Err(error)) => return Err(format!("queue: {error}")),
            Some(Ok(Queued::Pending)) => return Err("queue: still pending".into()),
            Some(Ok(Queued::Failed(text))) if text.is_empty() => {
                return Err("queue: failed without a word".into());
            }
            Some(Ok(queued)) => Some(queued),
            None => None,
        };
        let world = self.sim.world().clone();
        self.must(async {
            let mut tx = self.store.read().await.unwrap();
            world::check(&mut tx, &world).await?;
            let newest = world::newest(&mut tx).await;
            Ok(Picture { queued, newest })
        })
    }
    /// The nodes as they are now.
    pub fn world(&self) -> World {
        self.sim.world().clone()
    }
    /// SIGKILL: what hangs, and what waits for it, goes nowhere any more.
    pub fn kill(self) {
        let Self { operations, store, runtime, .. } = self;
        let context = runtime.enter();
        drop((operations, store));
        drop(context);
        runtime.shutdown_background();
    }
    /// An orderly end: the database is one file afterwards.
    pub fn end(self) {
        let Self { operations, store, runtime, .. } = self;
        runtime.block_on(async {
            operations.end().await;
            store.close().await;
        });
    }
}
