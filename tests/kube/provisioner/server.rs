//! The real binary as a process, its command line, and what its database and the nodes say.
use crate::{
    nodes::{self, Nodes},
    world,
};
use serde_json::{Value, json};
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::process::Child;

pub const BINARY: &str = env!("CARGO_BIN_EXE_brickyard");
const START: Duration = Duration::from_secs(30);
/// Nobody helps but the server's own cleaner.
const REST: Duration = Duration::from_mins(1);
/// As in the torture run: the kernel takes none of these for outgoing connections by default.
const PORTS: std::ops::Range<u16> = 18_000..32_000;

pub struct Server {
    pub nodes: Nodes,
    folder: Option<TempDir>,
    address: SocketAddr,
    process: Child,
    /// The admin's key; none where everybody may do everything.
    key: Option<&'static str>,
    /// Where `check` finds the `PersistentVolumes`.
    kubeconfig: PathBuf,
}

impl Server {
    /// On a new database, with nodes of its own and their topology loaded.
    pub async fn start(
        name: &str,
        nodes: usize,
        key: Option<&'static str>,
        kubeconfig: PathBuf,
    ) -> Self {
        let server = Self::without_topology(name, nodes, key, kubeconfig).await;
        let topology = server.nodes.topology().to_string();
        std::fs::write(server.folder().join("topology.json"), topology).unwrap();
        server.cli(&["topology", "load", "--json=topology.json"]).await;
        server
    }
    /// It knows no node yet.
    pub async fn without_topology(
        name: &str,
        nodes: usize,
        key: Option<&'static str>,
        kubeconfig: PathBuf,
    ) -> Self {
        let prefix = format!("brickyard-{name}-");
        let folder = tempfile::Builder::new().prefix(&prefix).tempdir().unwrap();
        let config = configuration(folder.path(), key).to_string();
        std::fs::write(folder.path().join("heketi.json"), config).unwrap();
        let nodes = Nodes::start(folder.path(), nodes);
        let address = free_address();
        let process = spawn(folder.path(), address, &kubeconfig);
        let mut server = Self { nodes, folder: Some(folder), address, process, key, kubeconfig };
        server.answers().await;
        server
    }
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
    pub fn folder(&self) -> &Path {
        self.folder.as_ref().unwrap().path()
    }

    /// What it has logged, over all its starts.
    pub fn log(&self) -> String {
        std::fs::read_to_string(log(self.folder())).unwrap()
    }

    /// SIGKILL.
    pub async fn kill(&mut self) {
        self.process.kill().await.unwrap();
    }
    /// Starts it again on the same database.
    pub async fn start_again(&mut self) {
        self.process = spawn(self.folder(), self.address, &self.kubeconfig);
        self.answers().await;
    }
    async fn answers(&mut self) {
        let limit = Instant::now() + START;
        while !reqwest::get(format!("{}/hello", self.url())).await.is_ok_and(|a| a.status() == 200)
        {
            let ended = self.process.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < limit, "no answer: {ended:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Variables of the command line.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let mut variables = vec![("HEKETI_CLI_SERVER", self.url())];
        if let Some(key) = self.key {
            variables.push(("HEKETI_CLI_USER", "admin".into()));
            variables.push(("HEKETI_CLI_KEY", key.into()));
        }
        variables
    }
    /// What the command line prints; it must succeed.
    pub async fn cli(&self, arguments: &[&str]) -> String {
        let mut command = tokio::process::Command::new(BINARY);
        command.arg("cli").args(arguments).current_dir(self.folder()).env_clear();
        let done = command.envs(self.variables()).output().await.unwrap();
        let (out, err) = (String::from_utf8(done.stdout).unwrap(), done.stderr);
        assert!(done.status.success(), "{arguments:?}: {out}{}", String::from_utf8_lossy(&err));
        out
    }
    pub async fn json(&self, arguments: &[&str]) -> Value {
        let printed = self.cli(&[arguments, &["--json"]].concat()).await;
        serde_json::from_str(&printed).unwrap()
    }
    /// Ids of all volumes that the server shows.
    pub async fn ids(&self) -> Vec<String> {
        serde_json::from_value(self.json(&["volume", "list"]).await["volumes"].take()).unwrap()
    }
    /// The same with their sizes in GiB, while none is made or deleted.
    pub async fn volumes(&self) -> BTreeMap<String, u64> {
        let mut volumes = BTreeMap::new();
        for id in self.ids().await {
            let size = self.volume(&id).await["size"].as_u64().unwrap();
            volumes.insert(id, size);
        }
        volumes
    }
    pub async fn volume(&self, id: &str) -> Value {
        self.json(&["volume", "info", id]).await
    }

    /// What `check` says; nothing is unknown.
    pub async fn check(&self) -> Value {
        let report: Value = serde_json::from_str(&self.cli(&["--json", "check"]).await).unwrap();
        assert_eq!(report["unknown"], json!([]), "{report:#}");
        report
    }

    /// Operations that are not at their end.
    pub async fn unfinished(&self) -> i64 {
        let mut db = self.database().await;
        let question = "SELECT count(*) FROM operations WHERE finished_at IS NULL";
        sqlx::query_scalar(question).fetch_one(&mut db).await.unwrap()
    }
    /// Ids of the volumes that are made, by the database.
    pub async fn finished_volumes(&self) -> BTreeSet<String> {
        let mut db = self.database().await;
        let question = "SELECT id FROM volumes WHERE pending_op IS NULL";
        let ids: Vec<String> = sqlx::query_scalar(question).fetch_all(&mut db).await.unwrap();
        ids.into_iter().collect()
    }
    async fn database(&self) -> SqliteConnection {
        let file = database(self.folder());
        let options = SqliteConnectOptions::new().filename(file).read_only(true);
        let options = options.busy_timeout(Duration::from_secs(30));
        SqliteConnection::connect_with(&options).await.unwrap()
    }
    /// Waits for rest; then database and nodes must tell the same story.
    pub async fn agrees_with_nodes(&self) {
        let limit = Instant::now() + REST;
        while self.unfinished().await > 0 || self.nodes.at_work() {
            assert!(Instant::now() < limit, "operations have not come to rest in {REST:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let world = self.nodes.sim.world().clone();
        let mut db = self.database().await;
        if let Err(why) = world::check(&mut db, &world).await {
            panic!("{why}");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(folder) = self.folder.take()
        {
            let kept = folder.keep();
            eprintln!("provisioner: database and log of the server are in {}", kept.display());
        }
    }
}

fn free_address() -> SocketAddr {
    let first = u16::try_from(std::process::id() % 14_000).unwrap();
    let ports = PORTS.cycle().skip(first.into()).take(PORTS.len());
    let mut addresses = ports.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    addresses.find(|address| TcpListener::bind(address).is_ok()).unwrap()
}

/// What is tried again is tried soon; all else is as it comes.
fn configuration(folder: &Path, key: Option<&str>) -> Value {
    let mut config = json!({"glusterfs": {
        "db": folder.join("heketi.db"),
        "executor": "sim",
        "start_time_background_cleaner": 1,
        "refresh_time_background_cleaner": 1,
    }});
    match key {
        Some(key) => config["jwt"] = json!({"admin": {"key": key}, "user": {"key": "a user"}}),
        None => config["use_auth"] = false.into(),
    }
    config
}

fn database(folder: &Path) -> PathBuf {
    folder.join("brickyard.db")
}

fn log(folder: &Path) -> PathBuf {
    folder.join("server.log")
}

fn spawn(folder: &Path, address: SocketAddr, kubeconfig: &Path) -> Child {
    let log = File::options().create(true).append(true).open(log(folder)).unwrap();
    let mut command = Command::new(BINARY);
    command
        .args(["serve", "--listen", &address.to_string(), "--config"])
        .arg(folder.join("heketi.json"))
        .arg("--database")
        .arg(database(folder))
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("BRICKYARD_CHECK_PERSISTENT_VOLUMES", "true")
        .env("KUBECONFIG", kubeconfig)
        .env(brickyard::node::sim::socket::VARIABLE, nodes::socket(folder))
        .env("RUST_LOG", "info,sqlx=warn,hyper=warn")
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log);
    tokio::process::Command::from(command).kill_on_drop(true).spawn().unwrap()
}
