//! Simulated nodes in this process, which outlive the servers as real nodes do, and which can be
//! held in the middle of their work.
use async_trait::async_trait;
use brickyard::{
    domain::{Gib, Hostname},
    node::{
        Cmd,
        sim::{Fault, Faults, Sim, socket},
    },
};
use serde_json::{Value, json};
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::{net::UnixListener, sync::watch};
use tokio_util::task::TaskTracker;

/// GiB of each simulated disk.
const DISK: u64 = 1000;
const ZONES: usize = 3;
/// A command that changes something takes this long: a volume of three bricks half a second, so
/// that several are under way at the same time.
const COMMAND: Duration = Duration::from_millis(3);

pub struct Nodes {
    pub sim: Arc<Sim>,
    gate: Arc<Gate>,
    tracker: TaskTracker,
    count: usize,
}

impl Nodes {
    /// So many nodes, which listen in this folder.
    pub fn start(folder: &Path, count: usize) -> Self {
        let sim = Arc::new(Sim::new(Gib(DISK).to_kib()));
        let (left, _) = watch::channel(None);
        let gate = Arc::new(Gate { left, waiting: AtomicUsize::new(0) });
        sim.set_faults(Some(gate.clone()));
        let tracker = TaskTracker::new();
        let listener = UnixListener::bind(socket(folder)).unwrap();
        let (nodes, scripts) = (sim.clone(), tracker.clone());
        tokio::spawn(async move { socket::serve(listener, nodes, scripts).await });
        Self { sim, gate, tracker, count }
    }

    /// The topology that `topology load` reads. The comparison with the database knows the first
    /// node of a pool by its address.
    pub fn topology(&self) -> Value {
        let node = |n: usize| {
            let names = json!({"manage": [format!("storage{n}.example.com")],
                "storage": [format!("10.0.0.{n}")]});
            json!({"node": {"zone": n % ZONES + 1, "hostnames": names},
                "devices": ["/dev/sdb", "/dev/sdc"]})
        };
        json!({"clusters": [{"nodes": (1..=self.count).map(node).collect::<Vec<_>>()}]})
    }
    /// Where clients find the volumes, in order.
    pub fn addresses(&self) -> Vec<String> {
        (1..=self.count).map(|n| format!("10.0.0.{n}")).collect()
    }

    /// Lets so many commands pass that change something, and holds all that come after them.
    pub fn hold_after(&self, commands: usize) {
        self.gate.left.send_replace(Some(commands));
    }
    pub fn go_on(&self) {
        self.gate.left.send_replace(None);
    }
    /// How many commands are held.
    pub fn held(&self) -> usize {
        self.gate.waiting.load(SeqCst)
    }
    /// Whether some script is still at work.
    pub fn at_work(&self) -> bool {
        !self.tracker.is_empty()
    }
}

/// Where the nodes listen.
pub fn socket(folder: &Path) -> std::path::PathBuf {
    folder.join("nodes.socket")
}

struct Gate {
    /// Commands that may still pass; all of them without a number.
    left: watch::Sender<Option<usize>>,
    waiting: AtomicUsize,
}

#[async_trait]
impl Faults for Gate {
    async fn before(&self, _: &Hostname, _: &Cmd, changes: bool) -> Option<Fault> {
        if !changes {
            return None;
        }
        tokio::time::sleep(COMMAND).await;
        let mut passed = false;
        self.left.send_if_modified(|left| {
            passed = *left != Some(0);
            *left = left.map(|n| n.saturating_sub(1));
            false
        });
        if !passed {
            self.waiting.fetch_add(1, SeqCst);
            drop(self.left.subscribe().wait_for(Option::is_none).await);
            self.waiting.fetch_sub(1, SeqCst);
        }
        None
    }
    async fn after(&self, _: &Hostname, _: &Cmd, _: bool) -> Option<Fault> {
        None
    }
}
