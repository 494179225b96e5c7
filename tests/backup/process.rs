//! The real binary: killed, without its data, and everything is there again.
use crate::harness::kube::FakeKube;
use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

const BINARY: &str = env!("CARGO_BIN_EXE_brickyard");

struct Server {
    process: Child,
    url: String,
    begun: String,
    log: Box<dyn BufRead>,
}

fn command(folder: &Path, kubeconfig: &Path) -> Command {
    let mut command = Command::new(BINARY);
    command.current_dir(folder).env_clear().env("PATH", "/usr/bin:/bin");
    command.env("KUBECONFIG", kubeconfig).env("HEKETI_BACKUP_DB_TO_KUBE_SECRET", "false");
    command.args(["serve", "--executor", "sim", "--listen", "127.0.0.1:0", "--disable-auth"]);
    command.args(["--database", "data/brickyard.db"]).stderr(Stdio::piped());
    command
}

impl Server {
    fn start(folder: &Path, kubeconfig: &Path) -> Self {
        let mut process = command(folder, kubeconfig).spawn().unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap());
        let (mut begun, mut line) = (String::new(), String::new());
        let url = loop {
            begun += &line;
            line.clear();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "the server ended: {begun}");
            if let Some((_, rest)) = line.split_once("address=") {
                break format!("http://{}", rest.split_whitespace().next().unwrap());
            }
        };
        Self { process, url, begun, log: Box::new(log) }
    }
    fn cli(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(BINARY);
        let output = command.args(["cli", "--server", &self.url]).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
    fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
    fn end(mut self) -> String {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        assert!(self.process.wait().unwrap().success());
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).unwrap();
        rest
    }
}
impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Waits until the server says that the backup has everything, and was seen to after this time.
async fn saved(server: &Server, after: jiff::Timestamp) -> serde_json::Value {
    let begun = Instant::now();
    loop {
        let asked = reqwest::get(format!("{}/backup", server.url)).await.unwrap();
        let status: serde_json::Value =
            serde_json::from_slice(&asked.bytes().await.unwrap()).unwrap();
        let saved_at = status["saved_at"].as_str().map(|at| at.parse::<jiff::Timestamp>().unwrap());
        if status["state"] == "saved" && saved_at.is_some_and(|at| at > after) {
            return status;
        }
        assert!(begun.elapsed() < Duration::from_mins(1), "{status}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_lost_everything_has_it_again() {
    let (folder, kube) = (tempfile::tempdir().unwrap(), FakeKube::start().await);
    let server = Server::start(folder.path(), &kube.kubeconfig());
    assert!(server.begun.contains("also \"false\""), "{}", server.begun);
    assert!(server.begun.contains("there is no backup either"), "{}", server.begun);
    let before = jiff::Timestamp::now();
    server.cli(&["cluster", "create"]);
    let known = server.cli(&["cluster", "list"]);
    let status = saved(&server, before).await;
    assert_eq!(status["secret"], "storage/heketi-db-backup");
    let metrics = reqwest::get(format!("{}/metrics", server.url)).await.unwrap();
    let metrics = metrics.text().await.unwrap();
    for line in ["brickyard_backup_failing 0", "brickyard_backup_behind_seconds 0"] {
        assert!(metrics.lines().any(|found| found == line), "{line}\n{metrics}");
    }
    server.kill();
    std::fs::remove_dir_all(folder.path().join("data")).unwrap();

    let server = Server::start(folder.path(), &kube.kubeconfig());
    assert!(server.begun.contains("RESTORED from its backup"), "{}", server.begun);
    assert_eq!(server.cli(&["cluster", "list"]), known);
    // And once more, with what comes last of all: SIGTERM waits until it is saved.
    server.cli(&["cluster", "create"]);
    let known = server.cli(&["cluster", "list"]);
    let log = server.end();
    assert!(log.contains("ended") && !log.contains("top-secret"), "{log}");
    std::fs::remove_dir_all(folder.path().join("data")).unwrap();
    let server = Server::start(folder.path(), &kube.kubeconfig());
    assert_eq!(server.cli(&["cluster", "list"]), known);
    // The database is there now: it is kept.
    server.kill();
    let server = Server::start(folder.path(), &kube.kubeconfig());
    assert!(server.begun.contains("it is kept"), "{}", server.begun);
    assert_eq!(server.cli(&["cluster", "list"]), known);
    server.end();
}

/// A refusal is an exit status and words, and nothing is made.
#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_backup_keeps_the_server_from_starting() {
    let (folder, kube) = (tempfile::tempdir().unwrap(), FakeKube::start().await);
    kube.put("heketi-db-backup", "heketi.db.gz", Some(b"damaged"));
    let refused = command(folder.path(), &kube.kubeconfig()).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(text.contains("cannot be used") && text.contains("Nothing was changed"), "{text}");
    assert!(!folder.path().join("data/brickyard.db").exists());
}
