//! Too many operations at once (api.md 5.2).
use super::{UNKNOWN, assert_accepted, assert_error, assert_json, hold::Hold, id, nodes, send};
use crate::harness::{Start, TestApp, quick};
use brickyard::operation::Settings;
use serde_json::json;

const BUSY: &str = "Server busy. Retry operation later.";

#[tokio::test]
async fn what_is_counted_and_what_is_not() {
    let settings = Settings { max_in_flight: 2, max_waiting: 0, ..quick() };
    let start = Start { settings, ..Start::default() };
    let app = TestApp::start_with(start).await.with_nodes(2, 2).await;
    let cluster = super::only_cluster(&app).await;
    let volume = format!("/volumes/{}", id(&app.create_volume(json!({"size": 1})).await));
    let node = nodes(&app).await[0].clone();
    let device = id(&super::devices(&app, &node).await[0]);

    let hold = Hold::at(&app, "mkfs.xfs");
    let mut running = vec![];
    for _ in 0..2 {
        let accepted = app.client.post("/volumes", json!({"size": 1})).await;
        assert_accepted(&accepted);
        hold.wait().await;
        running.push(accepted);
    }
    for (method, path, body) in [
        ("POST", "/volumes".to_owned(), r#"{"size":1}"#),
        ("POST", "/volumes".to_owned(), r#"{"size":10000000}"#),
        ("POST", format!("{volume}/expand"), r#"{"expand_size":1}"#),
        ("DELETE", volume.clone(), ""),
        ("POST", format!("/nodes/{node}/state"), r#"{"state":"failed"}"#),
        ("POST", format!("/devices/{device}/state"), r#"{"state":"failed"}"#),
    ] {
        assert_error(&send(&app.client, method, &path, body).await, 429, BUSY);
    }
    // What is wrong with a request itself is told even now.
    for (method, path, body, status, text) in [
        ("POST", "/volumes".to_owned(), "{", 422, "request unable to be parsed"),
        ("POST", "/volumes".to_owned(), "{}", 400, "validation failed: size: cannot be blank."),
        (
            "POST",
            "/volumes".to_owned(),
            r#"{"size":1,"clusters":["x"]}"#,
            400,
            "Cluster id x not found",
        ),
        ("DELETE", format!("/volumes/{UNKNOWN}"), "", 404, "Id not found"),
        ("POST", "/volumes/abc/expand".to_owned(), r#"{"expand_size":1}"#, 404, "Id not found"),
        ("POST", format!("/nodes/{UNKNOWN}/state"), r#"{"state":"failed"}"#, 404, "Id not found"),
        ("POST", format!("/devices/{UNKNOWN}/state"), r#"{"state":"failed"}"#, 404, "Id not found"),
    ] {
        assert_error(&send(&app.client, method, &path, body).await, status, text);
    }
    // Looking, and all that is not counted, goes on.
    for path in ["/volumes", "/clusters", &volume] {
        assert_eq!(app.client.get(path).await.status, 200);
    }
    let third = app.add_node(&cluster, 2, 1).await;
    app.add_device(&third, "/dev/sdb").await;
    for to in ["offline", "online"] {
        let changed =
            super::run(&app, &format!("/nodes/{third}/state"), json!({"state": to})).await;
        assert_eq!(changed.status, 204);
    }
    assert_eq!(app.client.post("/clusters", json!({})).await.status, 201);

    hold.release();
    for accepted in running {
        assert_eq!(app.client.finish(accepted).await.status, 200);
    }
    app.create_volume(json!({"size": 1})).await;
}

/// Who comes too late to be at work waits, and only who comes too late to wait is turned away.
#[tokio::test]
async fn later_ones_wait_for_their_turn() {
    let settings = Settings { max_in_flight: 1, max_waiting: 2, ..quick() };
    let app =
        TestApp::start_with(Start { settings, ..Start::default() }).await.with_nodes(2, 2).await;
    let hold = Hold::at(&app, "mkfs.xfs");
    let mut accepted = vec![];
    for name in ["first", "second", "third"] {
        let answer = app.client.post("/volumes", json!({"size": 1, "name": name})).await;
        assert_accepted(&answer);
        accepted.push(answer);
    }
    hold.wait().await;
    let busy = app.client.post("/volumes", json!({"size": 1})).await;
    assert_error(&busy, 429, BUSY);
    assert_eq!(busy.header("retry-after"), Some("10"));
    let counts = app.client.get("/operations").await.json();
    assert_eq!(counts, json!({"total": 3, "in_flight": 1, "stale": 0, "failed": 0, "new": 3}));
    let pending = app.client.get("/operations/pending").await.json();
    let states: Vec<_> = pending["pendingoperations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|o| o["progress"]["state"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(states, ["running", "waiting", "waiting"]);

    hold.release();
    for answer in accepted {
        assert_eq!(app.client.finish(answer).await.status, 200);
    }
    let counts = app.client.get("/operations").await.json();
    assert_eq!(counts["total"], 0);
}

/// A hundred claims at once, with nothing but the defaults.
#[tokio::test]
async fn a_burst_of_claims_is_served() {
    let settings = Settings { max_volumes_per_cluster: None, ..quick() };
    let app =
        TestApp::start_with(Start { settings, ..Start::default() }).await.with_nodes(3, 2).await;
    let mut accepted = vec![];
    for _ in 0..100 {
        let body =
            json!({"size": 1, "durability": {"type": "replicate", "replicate": {"replica": 3}}});
        let answer = app.client.post("/volumes", body).await;
        assert_accepted(&answer);
        accepted.push(answer);
    }
    for answer in accepted {
        assert_eq!(app.client.finish(answer).await.status, 200);
    }
}

/// An operation that waits for a node that hangs does not keep others from nodes that are fine.
#[tokio::test]
async fn who_hangs_lends_its_place() {
    let settings =
        Settings { max_in_flight: 1, lends_after: std::time::Duration::from_millis(50), ..quick() };
    let app =
        TestApp::start_with(Start { settings, ..Start::default() }).await.with_nodes(2, 2).await;
    let hold = Hold::at(&app, "brick");
    let slow = app.client.post("/volumes", json!({"size": 1, "name": "slow"})).await;
    hold.wait().await;
    // From now on nothing else hangs; the first one still does.
    app.sim.set_faults(None);
    app.create_volume(json!({"size": 1})).await;
    let still = app.client.get(&slow.location()).await;
    assert_eq!(still.header("x-pending"), Some("true"));
    hold.release();
    assert_eq!(app.client.finish(slow).await.status, 200);
}

/// Whoever asks while the server ends is told to come again; who only looks is answered.
#[tokio::test]
async fn nothing_is_begun_while_the_server_ends() {
    let app = TestApp::start().await.with_nodes(1, 1).await;
    app.app.operations.end().await;
    let answer = app.client.post("/volumes", json!({"size": 1})).await;
    let text = "The server is shutting down. Retry operation later.\n";
    assert_eq!((answer.status, answer.text().as_str()), (503, text));
    assert!(answer.header("retry-after").is_some());
    assert_json(&app.client.get("/volumes").await, 200);
}
