//! `/queue/{id}`: the asynchronous protocol (api.md 6).
use super::{
    UNKNOWN, assert_accepted, assert_error, assert_json, assert_no_content,
    hold::{Broken, Hold},
};
use crate::harness::TestApp;
use serde_json::json;
use std::sync::Arc;

#[tokio::test]
async fn pending_then_the_place_of_the_result() {
    let app = TestApp::start().await.with_nodes(1, 1).await;
    let hold = Hold::at(&app, "volume create");
    let accepted = app.client.post("/volumes", json!({"size": 1})).await;
    assert_accepted(&accepted);
    hold.wait().await;
    for _ in 0..2 {
        let pending = app.client.get(&accepted.location()).await;
        assert_eq!((pending.status, pending.text().as_str()), (200, ""));
        assert_eq!(pending.header("x-pending"), Some("true"));
        assert_eq!(pending.header("location"), None);
    }
    hold.release();
    let done = app.client.poll(&accepted.location()).await;
    assert_eq!(done.status, 303);
    assert_eq!(done.header("x-pending"), None);
    let location = done.location();
    assert!(location.starts_with("/volumes/"), "a bare path: {location}");
    assert_eq!(done.text(), format!("<a href=\"{location}\">See Other</a>.\n\n"));
    assert_eq!(done.header("content-type"), Some("text/html; charset=utf-8"));
    assert_json(&app.client.get(&location).await, 200);
    // Heketi forgets the entry now. A poll whose answer was lost may ask again here.
    assert_eq!(app.client.get(&accepted.location()).await.location(), location);
}

#[tokio::test]
async fn done_without_a_result() {
    let app = TestApp::start().await.with_nodes(1, 0).await;
    let node = &super::nodes(&app).await[0];
    let state = json!({"state": "offline"});
    assert_no_content(&super::run(&app, &format!("/nodes/{node}/state"), state).await);
}

#[tokio::test]
async fn failed() {
    let app = TestApp::start().await.with_nodes(1, 1).await;
    app.sim.set_faults(Some(Arc::new(Broken("mkfs.xfs", "the disk is on fire"))));
    let accepted = app.client.post("/volumes", json!({"size": 1})).await;
    assert_accepted(&accepted);
    let failed = app.client.poll(&accepted.location()).await;
    // The cause itself, without the words that introduce a refusal.
    let text = failed.text();
    assert!(text.starts_with("the disk is on fire (`mkfs.xfs "), "{text}");
    assert!(text.ends_with("` on n0.example.com ended with exit status 1)\n"), "{text}");
    assert_error(&failed, 500, text.strip_suffix('\n').unwrap());
    assert_eq!(app.client.get("/volumes").await.json(), json!({"volumes": []}));
}

/// Asking for a change by GET is Heketi's; Go's server then adds a small page.
#[tokio::test]
async fn accepted_by_get() {
    let app = TestApp::start().await.with_nodes(1, 1).await;
    let device = super::id(&super::devices(&app, &super::nodes(&app).await[0]).await[0]);
    let accepted = app.client.get(&format!("/devices/{device}/resync")).await;
    assert_eq!(accepted.status, 202);
    let location = accepted.location();
    assert!(location.starts_with("/queue/"), "{location}");
    assert_eq!(accepted.text(), format!("<a href=\"{location}\">Accepted</a>.\n\n"));
    assert_eq!(accepted.header("content-type"), Some("text/html; charset=utf-8"));
    assert_no_content(&app.client.poll(&location).await);
}

#[tokio::test]
async fn never_heard_of() {
    let app = TestApp::start().await;
    assert_error(&app.client.get(&format!("/queue/{UNKNOWN}")).await, 404, "Id not found");
}
