//! `POST .../state` of nodes and devices: both follow the same rules (api.md 9.4, 10.4), except
//! that a removed device may come back.
use super::{assert_accepted, assert_error, assert_no_content, send};
use crate::harness::TestApp;
use serde_json::json;

/// What becomes of a change: done, or refused in the background with this text.
type Outcome = Result<(), &'static str>;

/// From, to, and what becomes of it; `{id}` stands for the id.
type Transition = (&'static str, &'static str, Outcome);

const NODE: [Transition; 9] = [
    ("online", "online", Ok(())),
    ("online", "offline", Ok(())),
    (
        "online",
        "failed",
        Err("Node must be offline before remove operation is performed, node:{id}"),
    ),
    ("offline", "online", Ok(())),
    ("offline", "offline", Ok(())),
    ("offline", "failed", Ok(())),
    ("failed", "online", Err("Cannot move a failed/removed node to online state")),
    ("failed", "offline", Err("Cannot move a failed/removed node to offline state")),
    ("failed", "failed", Ok(())),
];

const DEVICE: [Transition; 9] = [
    ("online", "online", Ok(())),
    ("online", "offline", Ok(())),
    (
        "online",
        "failed",
        Err("Device must be offline before remove operation is performed, device:{id}"),
    ),
    ("offline", "online", Ok(())),
    ("offline", "offline", Ok(())),
    ("offline", "failed", Ok(())),
    ("failed", "online", Err("Cannot move a failed/removed device to online state")),
    ("failed", "offline", Ok(())),
    ("failed", "failed", Ok(())),
];

async fn set(app: &TestApp, object: &str, state: &str) -> crate::harness::client::Answer {
    let body = json!({"state": state, "healcheck": ""});
    super::run(app, &format!("{object}/state"), body).await
}

/// Brings a fresh object into a state.
async fn bring(app: &TestApp, object: &str, state: &str) {
    let way: &[&str] = match state {
        "online" => &[],
        "offline" => &["offline"],
        _ => &["offline", "failed"],
    };
    for step in way {
        assert_eq!(set(app, object, step).await.status, 204);
    }
}

async fn check(app: &TestApp, object: &str, (from, to, outcome): Transition) {
    bring(app, object, from).await;
    let answer = set(app, object, to).await;
    let shown = app.client.get(object).await.json()["state"].clone();
    match outcome {
        Ok(()) => {
            assert_no_content(&answer);
            assert_eq!(shown, to, "{from} -> {to}");
        }
        Err(text) => {
            let id = object.rsplit('/').next().unwrap();
            assert_error(&answer, 500, &text.replace("{id}", id));
            assert_eq!(shown, from, "{from} -> {to}");
        }
    }
}

#[tokio::test]
async fn transitions_of_a_node() {
    for transition in NODE {
        let app = TestApp::start().await.with_nodes(1, 0).await;
        let node = format!("/nodes/{}", super::nodes(&app).await[0]);
        check(&app, &node, transition).await;
    }
}

#[tokio::test]
async fn transitions_of_a_device() {
    for transition in DEVICE {
        let app = TestApp::start().await.with_nodes(1, 1).await;
        let device = super::id(&super::devices(&app, &super::nodes(&app).await[0]).await[0]);
        check(&app, &format!("/devices/{device}"), transition).await;
    }
}

/// A removed device comes back by way of offline, and takes bricks again.
#[tokio::test]
async fn a_device_comes_back() {
    let app = TestApp::start().await.with_nodes(1, 1).await;
    let device = super::id(&super::devices(&app, &super::nodes(&app).await[0]).await[0]);
    let device = format!("/devices/{device}");
    bring(&app, &device, "failed").await;
    let refused = app.try_create(json!({"size": 1})).await;
    let text = "Failed to allocate new volume: No online storage devices in cluster";
    assert_error(&refused, 500, text);
    bring(&app, &device, "offline").await;
    assert_eq!(set(&app, &device, "online").await.status, 204);
    app.create_volume(json!({"size": 1})).await;
}

/// A node that is removed takes its devices along.
#[tokio::test]
async fn a_removed_node_has_removed_devices() {
    let app = TestApp::start().await.with_nodes(1, 2).await;
    let id = &super::nodes(&app).await[0];
    bring(&app, &format!("/nodes/{id}"), "failed").await;
    for device in super::devices(&app, id).await {
        assert_eq!(device["state"], "failed");
    }
}

/// Offline keeps new bricks away from a whole node, and says so when it was the last.
#[tokio::test]
async fn an_offline_node_gets_no_bricks() {
    let app = TestApp::start().await.with_nodes(2, 1).await;
    let nodes = super::nodes(&app).await;
    bring(&app, &format!("/nodes/{}", nodes[0]), "offline").await;
    for _ in 0..3 {
        let volume = app.create_volume(json!({"size": 1})).await;
        assert_eq!(volume["bricks"][0]["node"], json!(nodes[1]));
    }
    bring(&app, &format!("/nodes/{}", nodes[1]), "offline").await;
    let refused = app.try_create(json!({"size": 1})).await;
    assert_error(&refused, 500, "Failed to allocate new volume: No nodes in cluster");
}

#[tokio::test]
async fn words() {
    let app = TestApp::start().await.with_nodes(1, 1).await;
    let node = super::nodes(&app).await[0].clone();
    let device = super::id(&super::devices(&app, &node).await[0]);
    for path in [format!("/nodes/{node}/state"), format!("/devices/{device}/state")] {
        for (body, text) in [
            ("{}", "state: cannot be blank"),
            (r#"{"state":""}"#, "state: cannot be blank"),
            (r#"{"state":"removed"}"#, "state: removed is not valid state"),
            (r#"{"state":"Online"}"#, "state: Online is not valid state"),
            (r#"{"state":"online","healcheck":"x"}"#, "healcheck: x is not valid heal info check"),
            // The heal check is told alone, whatever the state is.
            (r#"{"state":"removed","healcheck":"x"}"#, "healcheck: x is not valid heal info check"),
        ] {
            let answer = send(&app.client, "POST", &path, body).await;
            assert_error(&answer, 400, &format!("validation failed: {text}."));
        }
        for check in ["", "enable", "disable"] {
            let body = json!({"state": "online", "healcheck": check});
            let answer = app.client.post(&path, body).await;
            assert_accepted(&answer);
            app.client.poll(&answer.location()).await;
        }
    }
}
