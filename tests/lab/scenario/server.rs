//! The real binary as a server process, and the command line to talk to it.
use serde_json::Value;
use std::{
    fs::File,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Output},
    time::{Duration, Instant},
};
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_brickyard");

pub struct Server {
    process: Child,
    folder: TempDir,
    url: String,
    user: String,
}

impl Server {
    /// A new server that reaches the nodes as this user, and not as root if that is another.
    pub fn start(user: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let process = spawn(folder.path(), &address, user);
        let server = Self { process, folder, url: format!("http://{address}"), user: user.into() };
        server.wait();
        server
    }

    /// Ends the server as Kubernetes ends it, and starts it again on its database.
    pub fn restart(&mut self) {
        self.terminate();
        let address = self.url.trim_start_matches("http://").to_owned();
        self.process = spawn(self.folder.path(), &address, &self.user);
        self.wait();
    }
    pub fn end(mut self) {
        self.terminate();
    }
    fn terminate(&mut self) {
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
    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("server.log")).unwrap_or_default()
    }

    /// Writes a file for the command line; its path.
    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
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
        command.args(["cli", "--server", &self.url, "--user", "admin", "--secret", "lab admin"]);
        command.args(arguments).output().unwrap()
    }
}

impl Drop for Server {
    /// When the run fails, the server goes with it.
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
        if std::thread::panicking() {
            eprintln!("--- log of the server ---\n{}", self.log());
        }
    }
}

fn spawn(folder: &Path, address: &str, user: &str) -> Child {
    let config = serde_json::json!({
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
    });
    let file = folder.join("heketi.json");
    std::fs::write(&file, config.to_string()).unwrap();
    let log = File::options().create(true).append(true).open(folder.join("server.log")).unwrap();
    Command::new(BINARY)
        .args(["serve", "--listen", address, "--config"])
        .arg(&file)
        .env("RUST_LOG", "info,brickyard=debug")
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}
