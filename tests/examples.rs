//! Every file of topology-examples is loaded by the command line and takes the volume it is for.
use crate::harness::TestApp;
use serde_json::{Value, json};
use std::{ffi::OsString, process::ExitCode};

async fn load(app: &TestApp, name: &str) {
    let file = format!("{}/topology-examples/{name}", env!("CARGO_MANIFEST_DIR"));
    let arguments =
        ["heketi-cli", "--server", &app.client.base, "topology", "load", "--json", &file];
    let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
    let code = tokio::task::spawn_blocking(move || brickyard::cli::main(arguments)).await.unwrap();
    assert_eq!(code, ExitCode::SUCCESS);
}

fn bricks_by_size(volume: &Value) -> Vec<u64> {
    let bricks = volume["bricks"].as_array().unwrap();
    let mut sizes: Vec<u64> = bricks.iter().map(|b| b["size"].as_u64().unwrap()).collect();
    sizes.sort_unstable();
    sizes
}

#[tokio::test(flavor = "multi_thread")]
async fn three_zones() {
    let app = TestApp::start().await;
    load(&app, "three-zones.json").await;
    let strict = ["user.heketi.zone-checking strict"];
    let durability = json!({"type": "replicate", "replicate": {"replica": 3}});
    let body = json!({"size": 10, "durability": durability, "glustervolumeoptions": strict});
    assert_eq!(app.create_volume(body).await["bricks"].as_array().unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes() {
    let app = TestApp::start().await;
    load(&app, "two-nodes.json").await;
    let two = json!({"type": "replicate", "replicate": {"replica": 2}});
    app.create_volume(json!({"size": 10, "durability": two})).await;
    let three = json!({"type": "replicate", "replicate": {"replica": 3}});
    let refused = app.try_create(json!({"size": 10, "durability": three})).await;
    assert_eq!(refused.text(), "Failed to allocate new volume: No space\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn arbiter() {
    let app = TestApp::start().await;
    load(&app, "arbiter.json").await;
    let durability = json!({"type": "replicate", "replicate": {"replica": 3}});
    let options = ["user.heketi.arbiter true"];
    let body = json!({"size": 4, "durability": durability, "glustervolumeoptions": options});
    let volume = app.create_volume(body).await;
    assert_eq!(bricks_by_size(&volume), [65_536, 4_194_304, 4_194_304]);
}

#[tokio::test(flavor = "multi_thread")]
async fn tags() {
    let app = TestApp::start().await;
    load(&app, "tags.json").await;
    let options = ["user.heketi.device-tag-match tier=fast"];
    let volume = app.create_volume(json!({"size": 5, "glustervolumeoptions": options})).await;
    let device = volume["bricks"][0]["device"].as_str().unwrap();
    let device = app.client.get(&format!("/devices/{device}")).await.json();
    assert_eq!(device["tags"]["tier"], "fast");
}
