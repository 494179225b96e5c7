//! A whole server on simulated nodes, in this process, and a client that speaks its language.
//!
//! ```ignore
//! let app = TestApp::start().await.with_nodes(3, 2).await;
//! let volume = app.create_volume(json!({"size": 10})).await;
//! ```
pub mod client;
pub mod heketi;
pub mod kube;
pub mod many;

use brickyard::{
    app::{App, Gate, Keys, Parts},
    backup,
    domain::{Gib, Hostname},
    http,
    kube::persistent::PersistentVolumes,
    node::{
        Cmd, Nodes, Remote, Tools,
        sim::{self, Fault, Faults, Sim},
    },
    operation::{OnRestart, Operations, Settings},
    store::{Store, Witness},
    telemetry::{Level, Logging},
};
use client::{Answer, Client};
use serde_json::{Value, json};
use std::{path::Path, sync::Arc, time::Duration};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::{CancellationToken, DropGuard};

/// A port that was free just now, for a program that must be told one beforehand.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The names in a folder, sorted.
pub fn names(folder: &Path) -> Vec<String> {
    let files =
        std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = files.collect();
    names.sort();
    names
}

/// A server that ends with the test.
pub struct TestApp {
    pub client: Client,
    pub sim: Arc<Sim>,
    pub app: App,
    pub folder: TempDir,
    stop: DropGuard,
    server: JoinHandle<()>,
}

/// Settings that suit tests: nothing waits, nothing runs by itself.
pub fn quick() -> Settings {
    Settings { patience: vec![Duration::ZERO; 2], cleaner: None, ..Settings::default() }
}

/// How a server is to be started.
pub struct Start {
    pub settings: Settings,
    pub tools: Tools,
    pub keys: Option<Keys>,
    pub witness: Option<Arc<dyn Witness>>,
    pub persistent_volumes: Option<PersistentVolumes>,
    pub elected: bool,
}
impl Default for Start {
    fn default() -> Self {
        Self {
            settings: quick(),
            tools: Tools::default(),
            keys: None,
            witness: None,
            persistent_volumes: None,
            elected: false,
        }
    }
}

impl TestApp {
    /// An empty server without authentication.
    pub async fn start() -> Self {
        Self::start_with(Start::default()).await
    }
    pub async fn start_with(start: Start) -> Self {
        let sim = Arc::new(Sim::new(Gib(500).to_kib()));
        Self::start_on(sim, tempfile::tempdir().unwrap(), start).await
    }
    /// A server on nodes and a database that are there already.
    pub async fn start_on(sim: Arc<Sim>, folder: TempDir, start: Start) -> Self {
        Self::start_over(sim.clone(), sim, folder, start).await
    }
    /// The same with another way to the nodes.
    pub async fn start_over(
        remote: Arc<dyn Remote>,
        sim: Arc<Sim>,
        folder: TempDir,
        start: Start,
    ) -> Self {
        let app = build(folder.path(), remote, start).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = Client::new(listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        app.operations.recover(OnRestart::default()).await.unwrap();
        let serving = http::server::serve(app.clone(), listener, stop.clone());
        let server = tokio::spawn(async move { serving.await.unwrap() });
        Self { client, sim, app, folder, stop: stop.drop_guard(), server }
    }
    /// Ends the server in an orderly way; what is left can be started again.
    pub async fn end(self) -> (Arc<Sim>, TempDir) {
        drop(self.stop);
        self.server.await.unwrap();
        self.app.store.clone().close().await;
        (self.sim, self.folder)
    }
    /// A cluster of so many nodes, each in a zone of its own, with so many devices each.
    pub async fn with_nodes(self, nodes: usize, devices: usize) -> Self {
        let cluster = self.add_cluster().await;
        for n in 0..nodes {
            let node = self.add_node(&cluster, n, n + 1).await;
            for d in 0..devices {
                self.add_device(
                    &node,
                    &format!("/dev/sd{}", (b'b' + u8::try_from(d).unwrap()) as char),
                )
                .await;
            }
        }
        self
    }
    pub async fn add_cluster(&self) -> String {
        let answer = self.client.post("/clusters", json!({"file": true, "block": true})).await;
        answer.json()["id"].as_str().unwrap().to_owned()
    }
    /// Node number n: `n<n>.example.com` and `10.0.0.<n + 1>`.
    pub async fn add_node(&self, cluster: &str, n: usize, zone: usize) -> String {
        let hostnames = json!({"manage": [format!("n{n}.example.com")], "storage": [format!("10.0.0.{}", n + 1)]});
        let body = json!({"zone": zone, "cluster": cluster, "hostnames": hostnames});
        let answer = self.client.finish(self.client.post("/nodes", body).await).await;
        answer.json()["id"].as_str().unwrap().to_owned()
    }
    pub async fn add_device(&self, node: &str, name: &str) -> String {
        let answer = self.client.post("/devices", json!({"node": node, "name": name})).await;
        assert_eq!(self.client.finish(answer).await.status, 204);
        let node = self.client.get(&format!("/nodes/{node}")).await.json();
        let devices = node["devices"].as_array().unwrap();
        let device = devices.iter().find(|d| d["name"] == name).unwrap();
        device["id"].as_str().unwrap().to_owned()
    }
    /// Creates a volume; its object.
    pub async fn create_volume(&self, body: Value) -> Value {
        let answer = self.try_create(body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }
    pub async fn try_create(&self, body: Value) -> Answer {
        self.client.finish(self.client.post("/volumes", body).await).await
    }
}

/// No brick can be unmounted: the deletion of a volume gets stuck in its last stage.
pub struct BusyMounts;

#[async_trait::async_trait]
impl Faults for BusyMounts {
    async fn before(&self, _: &Hostname, cmd: &Cmd, _: bool) -> Option<Fault> {
        (cmd.argv[0] == "umount").then(|| Fault::Fail("umount: target is busy.".into()))
    }
    async fn after(&self, _: &Hostname, _: &Cmd, _: bool) -> Option<Fault> {
        None
    }
}

/// The parts of a server over a folder, not served.
pub async fn build(folder: &Path, remote: Arc<dyn Remote>, start: Start) -> App {
    let database = folder.join("brickyard.db");
    let store = Store::open_witnessed(&database, start.witness).await.unwrap();
    let nodes = Nodes::new(remote, start.tools).paced(sim::PACE).since(store.epoch());
    let operations = Operations::new(store.clone(), nodes, start.settings);
    let logging = Logging::new(Level::Error, |_| Ok(()));
    let (gate, backup) = (Gate::default(), backup::Status::default());
    let Start { keys, persistent_volumes, elected, .. } = start;
    let parts =
        Parts { store, operations, gate, elected, persistent_volumes, backup, logging, keys };
    App::new(parts)
}
