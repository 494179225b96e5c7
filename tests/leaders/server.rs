//! Several real servers on the same simulated nodes, each with a folder of its own.
use crate::harness::free_port;
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};
use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

const BINARY: &str = env!("CARGO_BIN_EXE_brickyard");
/// Seconds without a sign of life after which another takes over.
pub const TERM: u64 = 3;
/// For everything that has to happen in the end.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// One of them.
pub struct Server {
    pub name: String,
    folder: PathBuf,
    port: u16,
    kubeconfig: PathBuf,
    nodes: PathBuf,
    process: Child,
}

impl Server {
    pub fn start(name: &str, folder: &Path, kubeconfig: &Path, nodes: &Path) -> Self {
        let own = folder.join(name);
        std::fs::create_dir_all(&own).unwrap();
        let config = json!({"use_auth": false, "glusterfs": {
            "executor": "sim",
            "start_time_background_cleaner": 1,
            "refresh_time_background_cleaner": 1,
        }});
        std::fs::write(own.join("heketi.json"), config.to_string()).unwrap();
        let (port, name) = (free_port(), name.to_owned());
        let (kubeconfig, nodes) = (kubeconfig.to_path_buf(), nodes.to_path_buf());
        let process = spawn(&name, &own, port, &kubeconfig, &nodes);
        Self { name, folder: own, port, kubeconfig, nodes, process }
    }
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
    pub fn database(&self) -> PathBuf {
        self.folder.join("brickyard.db")
    }
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("server.log")).unwrap()
    }
    pub fn signal(&self, name: &str) {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
    pub fn start_again(&mut self) {
        self.process = spawn(&self.name, &self.folder, self.port, &self.kubeconfig, &self.nodes);
    }
    /// How it ended by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "{} does not end", self.name);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    /// Whether it is the one that works.
    pub async fn works(&self) -> bool {
        let asked = Client::new().get(format!("{}/ready", self.url()));
        let answer = asked.timeout(Duration::from_secs(1)).send().await;
        answer.is_ok_and(|answer| answer.status() == StatusCode::OK)
    }
}

#[expect(clippy::print_stderr, reason = "a test that fails shows what it knows")]
impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.folder.join("server.log"));
            eprintln!("--- {}\n{}", self.name, log.unwrap_or_default());
        }
    }
}

fn spawn(name: &str, folder: &Path, port: u16, kubeconfig: &Path, nodes: &Path) -> Child {
    let log = File::options().create(true).append(true).open(folder.join("server.log")).unwrap();
    let mut command = Command::new(BINARY);
    command
        .args(["serve", "--config", "heketi.json", "--database", "brickyard.db"])
        .args(["--listen", &format!("127.0.0.1:{port}")])
        .current_dir(folder)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOSTNAME", name)
        .env("KUBECONFIG", kubeconfig)
        .env("HEKETI_BACKUP_DB_TO_KUBE_SECRET", "true")
        .env("BRICKYARD_LEASE", "brickyard")
        .env("BRICKYARD_LEASE_SECONDS", TERM.to_string())
        .env(brickyard::node::sim::socket::VARIABLE, nodes)
        .env("RUST_LOG", "info,sqlx=warn,hyper=warn")
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log);
    command.spawn().unwrap()
}

/// A client that asks whoever works.
#[derive(Clone)]
pub struct Anyone {
    client: Client,
    urls: Vec<String>,
}

/// What is known of a request that changes something.
#[derive(Debug, PartialEq, Eq)]
pub enum Sent {
    /// It was accepted; where to ask for it.
    Accepted(String),
    /// It was refused, with these words.
    Refused(u16, String),
    /// Nobody knows.
    Unknown,
}

impl Anyone {
    pub fn of<'a>(servers: impl IntoIterator<Item = &'a Server>) -> Self {
        // No redirects: the answer of the queue is one.
        let client = Client::builder().redirect(reqwest::redirect::Policy::none());
        let client = client.timeout(Duration::from_secs(10)).build().unwrap();
        Self { client, urls: servers.into_iter().map(Server::url).collect() }
    }

    /// Asks until the one that works answers.
    pub async fn get(&self, path: &str) -> (StatusCode, Option<String>, Value) {
        let begun = Instant::now();
        loop {
            for url in &self.urls {
                let Ok(answer) = self.client.get(format!("{url}{path}")).send().await else {
                    continue;
                };
                if answer.status() == StatusCode::SERVICE_UNAVAILABLE {
                    continue;
                }
                let (status, to) = (answer.status(), location(&answer));
                let Ok(text) = answer.text().await else { continue };
                return (status, to, serde_json::from_str(&text).unwrap_or(text.into()));
            }
            assert!(begun.elapsed() < PATIENCE, "{path}: nobody answers");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Sends a change once to the one that works.
    pub async fn send(&self, method: Method, path: &str, body: &Value) -> Sent {
        let begun = Instant::now();
        loop {
            for url in &self.urls {
                let asked = self.client.request(method.clone(), format!("{url}{path}"));
                match asked.body(body.to_string()).send().await {
                    Ok(answer) if answer.status() == StatusCode::ACCEPTED => {
                        return Sent::Accepted(location(&answer).unwrap());
                    }
                    Ok(answer) if answer.status() == StatusCode::SERVICE_UNAVAILABLE => {
                        let text = answer.text().await.unwrap_or_default();
                        if !text.contains("stands by") {
                            return Sent::Unknown;
                        }
                    }
                    Ok(answer) => {
                        let status = answer.status().as_u16();
                        return Sent::Refused(status, answer.text().await.unwrap_or_default());
                    }
                    Err(error) if error.is_connect() => {}
                    Err(_) => return Sent::Unknown,
                }
            }
            assert!(begun.elapsed() < PATIENCE, "{path}: nobody answers");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits for the end of what was accepted: what it made or nothing, or why it failed.
    pub async fn end(&self, queue: &str) -> Result<Value, String> {
        let begun = Instant::now();
        loop {
            let (status, to, body) = self.get(queue).await;
            match status.as_u16() {
                200 => assert!(begun.elapsed() < PATIENCE * 2, "{queue} has no end"),
                204 => return Ok(Value::Null),
                303 => return Ok(self.get(&to.unwrap()).await.2),
                500 => return Err(body.to_string()),
                // It was told that it is accepted: whoever works must know of it.
                other => panic!("{queue}: {other} {body}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn location(answer: &Response) -> Option<String> {
    answer.headers().get("location").map(|to| to.to_str().unwrap().to_owned())
}
