//! The real binary as a process that is killed and started again.
use crate::http::{ADMIN_KEY, Client};
use serde_json::json;
use std::{
    fs::File,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::ExitStatus,
    time::{Duration, Instant},
};
use tokio::process::{Child, Command};

const BINARY: &str = env!("CARGO_BIN_EXE_brickyard");
/// A start takes milliseconds; recovery goes on behind it.
const START: Duration = Duration::from_secs(30);
/// The end waits for steps at work, and those for nodes that hang.
const END: Duration = Duration::from_secs(90);
/// Ports from which the kernel takes none for outgoing connections by default: a client that tries
/// to connect while no server is there must not meet itself.
const PORTS: std::ops::Range<u16> = 18_000..32_000;

pub struct Server {
    folder: PathBuf,
    address: SocketAddr,
    /// Leads to where its backups go, if it makes any.
    kubeconfig: Option<PathBuf>,
    process: Child,
    pub started: Instant,
}

impl Server {
    /// Starts it on a new database in this folder; with backups that nothing is ahead of, if there
    /// is a place for them.
    pub fn start(folder: &Path, kubeconfig: Option<PathBuf>) -> Self {
        let address = free_address();
        std::fs::write(folder.join("heketi.json"), configuration(folder)).unwrap();
        let process = spawn(folder, address, kubeconfig.as_deref());
        Self { folder: folder.into(), address, kubeconfig, process, started: Instant::now() }
    }
    pub fn client(&self) -> Client {
        Client::new(self.address)
    }

    /// SIGKILL.
    pub async fn kill(&mut self) {
        self.process.kill().await.unwrap();
    }
    /// SIGTERM, and nothing else.
    pub async fn ask_to_end(&self) {
        let Some(pid) = self.process.id() else { return };
        let told = Command::new("kill").args(["-TERM", &pid.to_string()]).status().await.unwrap();
        assert!(told.success());
    }
    /// Waits for the end after [`Self::ask_to_end`].
    pub async fn ended(&mut self) -> Result<(), String> {
        match tokio::time::timeout(END, self.process.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(status) => Err(format!("SIGTERM ended the server with {status:?}")),
            Err(_) => Err(format!("SIGTERM did not end the server within {END:?}")),
        }
    }
    /// How it ended by itself, if it did.
    pub fn died(&mut self) -> Option<ExitStatus> {
        self.process.try_wait().unwrap()
    }
    /// Its disk is gone while it does not run.
    pub fn lose_disk(&self) {
        for file in std::fs::read_dir(&self.folder).unwrap() {
            let file = file.unwrap();
            if file.file_name().to_string_lossy().starts_with("brickyard.") {
                std::fs::remove_file(file.path()).unwrap();
            }
        }
    }
    /// Starts it again on the same database.
    pub fn start_again(&mut self) {
        self.process = spawn(&self.folder, self.address, self.kubeconfig.as_deref());
        self.started = Instant::now();
    }
    /// Waits until it answers.
    pub async fn answers(&mut self) -> Result<Duration, String> {
        let client = self.client();
        while self.started.elapsed() < START {
            if let Some(status) = self.died() {
                return Err(format!("the server did not start: {status}"));
            }
            if client.get("/ready").await.is_ok_and(|answer| answer.status == 200) {
                return Ok(self.started.elapsed());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Err(format!("the server does not answer within {START:?}"))
    }
}

fn free_address() -> SocketAddr {
    // Runs side by side begin to look at different places.
    let first = u16::try_from(std::process::id() % 14_000).unwrap();
    let ports = PORTS.cycle().skip(first.into()).take(PORTS.len());
    let mut addresses = ports.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    addresses.find(|address| TcpListener::bind(address).is_ok()).unwrap()
}

/// Everything that waits waits shortly; results are kept, so that all of them can be asked for.
fn configuration(folder: &Path) -> String {
    json!({
        "jwt": {"admin": {"key": ADMIN_KEY}, "user": {"key": "torture user"}},
        "glusterfs": {
            "db": folder.join("heketi.db"),
            "executor": "sim",
            "brick_max_size_gb": 20,
            "max_inflight_operations": 16,
            "start_time_background_cleaner": 1,
            "refresh_time_background_cleaner": 1,
        }
    })
    .to_string()
}

/// Where the nodes listen.
pub fn socket(folder: &Path) -> PathBuf {
    folder.join("nodes.socket")
}
pub fn database(folder: &Path) -> PathBuf {
    folder.join("brickyard.db")
}
pub fn log(folder: &Path) -> PathBuf {
    folder.join("server.log")
}

fn spawn(folder: &Path, address: SocketAddr, kubeconfig: Option<&Path>) -> Child {
    let log = File::options().create(true).append(true).open(log(folder)).unwrap();
    let mut command = Command::new(BINARY);
    command
        .args(["serve", "--listen", &address.to_string(), "--config"])
        .arg(folder.join("heketi.json"))
        .arg("--database")
        .arg(database(folder))
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env(brickyard::node::sim::socket::VARIABLE, socket(folder))
        .env("RUST_LOG", "info,sqlx=warn,hyper=warn")
        .env("RUST_BACKTRACE", "1")
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .kill_on_drop(true);
    if let Some(kubeconfig) = kubeconfig {
        command
            .env("KUBECONFIG", kubeconfig)
            .env("HEKETI_BACKUP_DB_TO_KUBE_SECRET", "true")
            .env("BRICKYARD_LEASE", "brickyard")
            .env("BRICKYARD_LEASE_SECONDS", "2");
    }
    command.spawn().unwrap()
}
