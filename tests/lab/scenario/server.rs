//! The real binary as a server process, and the command line to talk to it.
use super::database::Database;
use serde_json::Value;
use std::{
    fs::File,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Output},
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::runtime::Handle;

const BINARY: &str = env!("CARGO_BIN_EXE_brickyard");

pub struct Server {
    process: Child,
    folder: TempDir,
    address: String,
}

impl Server {
    /// A new server that reaches the nodes as this user, and not as root if that is another; the
    /// configuration may be changed before it is written.
    pub fn start(user: &str, configure: impl FnOnce(&mut Value)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let mut config = configuration(folder.path(), user);
        configure(&mut config);
        std::fs::write(folder.path().join("heketi.json"), config.to_string()).unwrap();
        let process = spawn(folder.path(), &address);
        let server = Self { process, folder, address };
        server.wait();
        server
    }

    /// Ends the server as Kubernetes ends it, and starts it again on its database.
    pub fn restart(&mut self) {
        self.terminate();
        self.revive();
    }
    /// SIGKILL. What it began goes on without it: connections to nodes, commands on them.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
    /// Starts it again on its database, and waits until it answers.
    pub fn revive(&mut self) {
        self.process = spawn(self.folder.path(), &self.address);
        self.wait();
    }
    pub fn end(mut self) {
        self.terminate();
    }
    /// Ends it as Kubernetes ends it; `revive` starts it again.
    pub fn terminate(&mut self) {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let status = self.process.wait().unwrap();
        assert!(status.success(), "SIGTERM ended the server with {status}");
    }

    fn wait(&self) {
        let limit = Instant::now() + Duration::from_secs(20);
        while !self.try_cli(&["cluster", "list"]).status.success() {
            assert!(Instant::now() < limit, "the server does not answer: {}", self.log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
    pub fn database(&self, runtime: &Handle) -> Database {
        let file = self.folder.path().join("brickyard.db");
        Database { file, runtime: runtime.clone() }
    }
    /// Copies log and database to a folder that stays.
    pub fn keep(&self) -> PathBuf {
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("lab");
        std::fs::create_dir_all(&kept).unwrap();
        for name in ["server.log", "brickyard.db", "brickyard.db-wal"] {
            drop(std::fs::copy(self.folder.path().join(name), kept.join(name)));
        }
        kept
    }
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("server.log")).unwrap_or_default()
    }

    /// A file in its folder, which is that of its database.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
    /// Writes a file for the command line; its path.
    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// Runs a command of the program itself that must succeed; what it prints.
    pub fn tool(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(BINARY);
        command.env("HEKETI_CLI_SERVER", self.url()).env("HEKETI_CLI_USER", "admin");
        command.env("HEKETI_CLI_KEY", "lab admin").args(arguments);
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {errors}\n{text}");
        text
    }

    /// Runs a command that must succeed; what it prints.
    pub fn cli(&self, arguments: &[&str]) -> String {
        let output = self.try_cli(arguments);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {errors}\n{text}\n{}", self.log());
        text
    }
    pub fn json(&self, arguments: &[&str]) -> Value {
        let text = self.cli(&[&["--json"], arguments].concat());
        serde_json::from_str(&text).unwrap()
    }
    /// Runs a command that must fail; its error.
    pub fn fails(&self, arguments: &[&str]) -> String {
        let output = self.try_cli(arguments);
        assert_eq!(output.status.code(), Some(255), "{arguments:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }
    fn try_cli(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(BINARY);
        command.args(["cli", "--server", &self.url(), "--user", "admin", "--secret", "lab admin"]);
        command.args(arguments).output().unwrap()
    }
}

impl Drop for Server {
    /// When the run fails, the server goes with it.
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let end = &lines[lines.len().saturating_sub(200)..];
            eprintln!("--- end of the server's log, whole in {} ---", self.keep().display());
            eprintln!("{}", end.join("\n"));
        }
    }
}

fn configuration(folder: &Path, user: &str) -> Value {
    serde_json::json!({
        "jwt": {"admin": {"key": "lab admin"}, "user": {"key": "lab user"}},
        "glusterfs": {
            "db": folder.join("heketi.db"),
            "executor": "ssh",
            "sshexec": {
                "keyfile": super::node::sh(&["nodes", "key"]),
                "user": user,
                "port": std::env::var("BRICKYARD_LAB_SSH_PORT").unwrap_or_else(|_| "22".into()),
                "sudo": user != "root",
                "fstab": "/var/lib/heketi/fstab"
            }
        }
    })
}

fn spawn(folder: &Path, address: &str) -> Child {
    let log = File::options().create(true).append(true).open(folder.join("server.log")).unwrap();
    Command::new(BINARY)
        .args(["serve", "--listen", address, "--config"])
        .arg(folder.join("heketi.json"))
        .env("RUST_LOG", "info,brickyard=debug")
        // What a killed server leaves there goes with the folder.
        .env("TMPDIR", folder)
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}
