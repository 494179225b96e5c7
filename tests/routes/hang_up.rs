//! A client that hangs up while its change is being written: what was begun is done.
use super::{hold::Hold, id};
use crate::harness::{Start, TestApp};
use async_trait::async_trait;
use brickyard::{
    app::Mode,
    store::{Witness, mode},
};
use serde_json::{Value, json};
use std::{
    future::poll_fn,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::Poll,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Semaphore,
    time::timeout,
};

/// Commits wait at it while it is shut.
struct Door {
    shut: AtomicBool,
    arrived: Semaphore,
    gate: Semaphore,
}

#[async_trait]
impl Witness for Door {
    async fn before_commit(&self) {
        if self.shut.load(SeqCst) {
            self.arrived.add_permits(1);
            self.gate.acquire().await.unwrap().forget();
        }
    }
    async fn after_commit(&self) {}
}

/// Sends a request and hangs up in the middle of its commit; the server has noticed that when the
/// commit goes on.
async fn hang_up(app: &TestApp, door: &Door, method: &str, path: &str, body: &Value) {
    door.shut.store(true, SeqCst);
    let address = app.client.base.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let (body, length) = (body.to_string(), body.to_string().len());
    let request =
        format!("{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).await.unwrap();
    door.arrived.acquire().await.unwrap().forget();
    stream.shutdown().await.unwrap();
    let mut answer = vec![];
    let _ = stream.read_to_end(&mut answer).await;
    assert!(answer.is_empty(), "it was answered: {}", String::from_utf8_lossy(&answer));
    door.shut.store(false, SeqCst);
    door.gate.add_permits(1);
}

/// Asks until it is like this.
async fn until(app: &TestApp, path: &str, like: impl Fn(&Value) -> bool) {
    let looked = async {
        loop {
            let answer = app.client.get(path).await;
            if answer.status == 200 && like(&answer.json()) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(20), looked).await.unwrap_or_else(|_| panic!("{path}: not done"));
}

fn door() -> Arc<Door> {
    let (shut, arrived, gate) = (AtomicBool::new(false), Semaphore::new(0), Semaphore::new(0));
    Arc::new(Door { shut, arrived, gate })
}

#[tokio::test]
async fn what_was_begun_is_done() {
    let door = door();
    let start = Start { witness: Some(door.clone()), ..Start::default() };
    let app = TestApp::start_with(start).await.with_nodes(1, 1).await;
    let full = super::only_cluster(&app).await;
    let node = super::nodes(&app).await.remove(0);
    let device = id(&super::devices(&app, &node).await[0]);

    hang_up(&app, &door, "POST", "/clusters", &json!({"file": true})).await;
    until(&app, "/clusters", |all| all["clusters"].as_array().unwrap().len() == 2).await;
    let all = app.client.get("/clusters").await.json();
    let all: Vec<String> = serde_json::from_value(all["clusters"].clone()).unwrap();
    let made = all.iter().find(|id| **id != full).unwrap();

    let path = format!("/clusters/{made}");
    hang_up(&app, &door, "POST", &format!("{path}/flags"), &json!({"block": true})).await;
    until(&app, &path, |cluster| cluster["block"] == true).await;
    let tags = json!({"change_type": "set", "tags": {"rack": "7"}});
    for path in [format!("/nodes/{node}"), format!("/devices/{device}")] {
        hang_up(&app, &door, "POST", &format!("{path}/tags"), &tags).await;
        until(&app, &path, |found| found["tags"]["rack"] == "7").await;
    }
    hang_up(&app, &door, "DELETE", &path, &json!({})).await;
    until(&app, "/clusters", |all| all["clusters"].as_array().unwrap().len() == 1).await;
}

/// The mode is written down where several servers stand ready: what is written is what holds.
#[tokio::test]
async fn a_mode_that_is_written_down_holds() {
    let door = door();
    let start = Start { witness: Some(door.clone()), elected: true, ..Start::default() };
    let app = TestApp::start_with(start).await;
    hang_up(&app, &door, "POST", "/admin", &json!({"state": "local-client"})).await;
    until(&app, "/admin", |mode| mode["state"] == "local-client").await;
    assert_eq!(mode::get(&app.app.store).await.unwrap().as_deref(), Some("local-client"));
}

/// Whoever changes the mode comes to its end late, when another one has changed it again.
#[tokio::test]
async fn of_two_modes_the_one_that_is_written_last_holds() {
    let start = Start { elected: true, ..Start::default() };
    let app = TestApp::start_with(start).await;
    let app = &app.app;
    let mut first = pin!(app.change_mode(Mode::ReadOnly));
    poll_fn(|context| {
        assert!(first.as_mut().poll(context).is_pending());
        Poll::Ready(())
    })
    .await;
    let written = async {
        while mode::get(&app.store).await.unwrap().as_deref() != Some("read-only") {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(20), written).await.unwrap();
    app.change_mode(Mode::Normal).await.unwrap();
    first.await.unwrap();
    assert_eq!(mode::get(&app.store).await.unwrap().as_deref(), Some("normal"));
    assert_eq!(app.gate.mode(), Mode::Normal);
}

/// An operation that is turned in the database is turned for whoever drives it.
#[tokio::test]
async fn what_is_called_off_is_taken_back() {
    let door = door();
    let start = Start { witness: Some(door.clone()), ..Start::default() };
    let app = TestApp::start_with(start).await.with_nodes(1, 1).await;
    let hold = Hold::at(&app, "mkfs.xfs");
    let asked = json!({"size": 1, "durability": {"type": "none"}});
    let making = app.client.post("/volumes", asked).await;
    hold.wait().await;
    let id = making.location().replace("/queue/", "");
    hang_up(&app, &door, "DELETE", &format!("/operations/pending/{id}"), &json!({})).await;
    // While the node is still at it: whoever drives it has been told.
    let answer = timeout(Duration::from_secs(20), app.client.finish(making)).await.unwrap();
    let text = "The operation was cancelled. What it had done is taken back";
    super::assert_error(&answer, 500, text);
    hold.release();
    assert!(app.sim.world().volumes.is_empty());
}
