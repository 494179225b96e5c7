//! The real server as a process.
use crate::client::Client;
use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

const BINARY: &str = env!("CARGO_BIN_EXE_brickyard");

pub struct Server {
    process: Child,
    url: String,
}

impl Server {
    /// On the database in this folder, when it answers.
    pub async fn start(folder: &Path, variables: &[(&str, &str)]) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        let port = {
            let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            free.local_addr().unwrap().port()
        };
        let address = format!("127.0.0.1:{port}");
        let mut command = Command::new(BINARY);
        command
            .args(["serve", "--disable-auth", "--executor", "sim", "--listen", &address])
            .args(["--database", "brickyard.db"])
            .current_dir(folder)
            .env_clear()
            .env("RUST_LOG", "error")
            // A whole estate of volumes must have a place on few devices.
            .env("HEKETI_MOCK_DEVICE_SIZE_GB", "100000")
            .env("HEKETI_MAX_INFLIGHT_OPERATIONS", "64")
            .env("HEKETI_GLUSTER_MAX_VOLUMES_PER_CLUSTER", "-1")
            .envs(variables.iter().copied())
            .stdin(Stdio::null());
        let process = command.spawn().unwrap();
        let server = Self { process, url: format!("http://{address}") };
        let begun = Instant::now();
        while reqwest::get(format!("{}/hello", server.url)).await.is_err() {
            assert!(begun.elapsed() < Duration::from_mins(1), "the server does not answer");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        server
    }
    pub fn client(&self) -> Client {
        Client::new(&self.url)
    }
    /// Memory that is its own, MB.
    pub fn resident(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()));
        let status = status.unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
    }
    /// SIGTERM, and its end.
    pub async fn end(mut self) {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let ended = tokio::task::spawn_blocking(move || self.process.wait()).await.unwrap();
        assert!(ended.unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
