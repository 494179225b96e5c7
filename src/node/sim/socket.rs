//! Simulated nodes that live outside of the server's process, behind a socket: they survive it as
//! real nodes do, and a script that was begun goes on when the server that sent it is killed.
//!
//! A connection carries one script: one line of JSON with host and script there, one line with the
//! result back.
use crate::{
    domain::Hostname,
    node::{NodeError, Ran, Remote, Result, Script},
};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::{io, path::PathBuf, sync::Arc};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
};
use tokio_util::task::TaskTracker;

/// Names the socket for `--executor=sim`: the nodes are there, and not in the server.
pub const VARIABLE: &str = "BRICKYARD_SIM_SOCKET";

#[derive(Serialize, Deserialize)]
struct Request {
    host: Hostname,
    script: Script,
}

/// Executes scripts that come through the socket, each as a task of its own of `tracker`: nobody
/// ends it before it is done.
///
/// # Errors
/// The socket fails.
///
/// # Cancel safety
/// Dropping the future ends the listening; scripts that have come are executed all the same.
pub async fn serve(
    listener: UnixListener,
    nodes: Arc<dyn Remote>,
    tracker: TaskTracker,
) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        let nodes = nodes.clone();
        tracker.spawn(async move {
            if let Err(error) = answer(stream, nodes.as_ref()).await {
                tracing::debug!(%error, "nobody waits for the result any more");
            }
        });
    }
}

async fn answer(stream: UnixStream, nodes: &dyn Remote) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    BufReader::new(read).read_line(&mut line).await?;
    if !line.ends_with('\n') {
        // The sender died in the middle of it: nothing is begun.
        return Ok(());
    }
    let Request { host, script } = serde_json::from_str(&line)?;
    let result = nodes.run(&host, &script).await;
    let mut text = serde_json::to_vec(&result)?;
    text.push(b'\n');
    write.write_all(&text).await
}

/// The server's end of the socket.
pub struct Distant {
    socket: PathBuf,
}

impl Distant {
    /// Nodes behind this socket; nothing is connected yet.
    #[must_use]
    pub fn new(socket: PathBuf) -> Self {
        Self { socket }
    }
}

#[async_trait]
impl Remote for Distant {
    async fn run(&self, host: &Hostname, script: &Script) -> Result<Vec<Ran>> {
        let unreachable = |why: String| NodeError::Unreachable { host: host.clone(), why };
        let mut stream = UnixStream::connect(&self.socket)
            .await
            .map_err(|e| unreachable(format!("{}: {e}", self.socket.display())))?;
        let request = Request { host: host.clone(), script: script.clone() };
        let mut text = serde_json::to_vec(&request).map_err(|e| unreachable(e.to_string()))?;
        text.push(b'\n');
        let mut answer = String::new();
        let exchange = async {
            stream.write_all(&text).await?;
            BufReader::new(&mut stream).read_line(&mut answer).await
        };
        let in_doubt = |why: String| NodeError::InDoubt {
            host: host.clone(),
            command: script.to_string(),
            why,
        };
        exchange.await.map_err(|e| in_doubt(e.to_string()))?;
        serde_json::from_str(&answer).map_err(|_| in_doubt("the answer broke off".into()))?
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::Gib,
        node::{
            Cmd,
            sim::{Fault, Faults, Sim},
        },
    };
    use tokio::sync::Semaphore;

    fn host() -> Hostname {
        "node1".parse().unwrap()
    }
    fn make_directory() -> Script {
        let path = format!("{}/vg_x", crate::node::names::MOUNTS);
        Script::changing("x").then(Cmd::new(["mkdir", "-p", &path]))
    }
    struct Nodes {
        folder: tempfile::TempDir,
        sim: Arc<Sim>,
        tracker: TaskTracker,
    }
    impl Nodes {
        /// Simulated nodes that listen.
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let sim = Arc::new(Sim::new(Gib(1).to_kib()));
            let listener = UnixListener::bind(folder.path().join("s")).unwrap();
            let tracker = TaskTracker::new();
            tokio::spawn(serve(listener, sim.clone(), tracker.clone()));
            Self { folder, sim, tracker }
        }
        fn distant(&self) -> Distant {
            Distant::new(self.folder.path().join("s"))
        }
    }
    /// Keeps commands waiting until the gate is closed.
    struct Held(Semaphore, Semaphore);
    #[async_trait]
    impl Faults for Held {
        async fn before(&self, _: &Hostname, _: &Cmd, _: bool) -> Option<Fault> {
            self.0.add_permits(1);
            drop(self.1.acquire().await);
            None
        }
        async fn after(&self, _: &Hostname, _: &Cmd, _: bool) -> Option<Fault> {
            None
        }
    }

    #[tokio::test]
    async fn results_and_errors_come_back_as_they_are() {
        let nodes = Nodes::new();
        let ran = nodes.distant().run(&host(), &make_directory()).await.unwrap();
        assert!(ran[0].ok());
        assert_eq!(nodes.sim.world().nodes["node1"].directories.len(), 1);
        let unknown = Script::reading().then(Cmd::new(["frobnicate"]));
        let failed = nodes.distant().run(&host(), &unknown).await.unwrap_err();
        assert!(failed.says("command not found"), "{failed}");
        nodes.sim.world().down.insert("node1".into());
        assert!(nodes.distant().run(&host(), &unknown).await.unwrap_err().is_unreachable());
    }
    #[tokio::test]
    async fn where_nobody_listens_nothing_was_started() {
        let nowhere = Distant::new("/nonexistent/socket".into());
        assert!(nowhere.run(&host(), &make_directory()).await.unwrap_err().is_unreachable());
    }
    /// The server is killed while its script is at work.
    #[tokio::test]
    async fn a_script_outlives_its_sender() {
        let nodes = Nodes::new();
        let held = Arc::new(Held(Semaphore::new(0), Semaphore::new(0)));
        nodes.sim.set_faults(Some(held.clone()));
        let distant = nodes.distant();
        let sender = tokio::spawn(async move { distant.run(&host(), &make_directory()).await });
        held.0.acquire().await.unwrap().forget();
        sender.abort();
        assert!(sender.await.is_err() && nodes.sim.world().nodes.is_empty());
        held.1.close();
        nodes.tracker.close();
        nodes.tracker.wait().await;
        assert_eq!(nodes.sim.world().nodes["node1"].directories.len(), 1);
    }
}
