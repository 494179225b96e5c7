//! A client that hangs up while its change is being written: what was begun is done.
use super::id;
use crate::harness::{Start, TestApp};
use async_trait::async_trait;
use brickyard::store::Witness;
use serde_json::{Value, json};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
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

#[tokio::test]
async fn what_was_begun_is_done() {
    let (shut, arrived, gate) = (AtomicBool::new(false), Semaphore::new(0), Semaphore::new(0));
    let door = Arc::new(Door { shut, arrived, gate });
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
