//! `/admin` and what each mode lets through (api.md 5.1, 13).
use super::{assert_error, assert_json, assert_no_content, send};
use crate::harness::TestApp;
use axum::{body::Body, extract::ConnectInfo, http::Request};
use brickyard::{
    app::{Gate, Mode},
    http,
};
use serde_json::json;
use std::net::SocketAddr;
use tower::ServiceExt;

const CLOSED: &str = "Service disabled for maintenance";

#[tokio::test]
async fn look_and_change() {
    let app = TestApp::start().await;
    assert_eq!(app.client.get("/admin").await.text(), "{\"state\":\"normal\"}\n");
    // The test's client comes from 127.0.0.1, so that local-client lets it through.
    for state in ["local-client", "normal", "local-client", "read-only"] {
        assert_no_content(&app.client.post("/admin", json!({"state": state})).await);
        assert_eq!(assert_json(&app.client.get("/admin").await, 200), json!({"state": state}));
    }
}

#[tokio::test]
async fn words() {
    let app = TestApp::start().await;
    for (body, text) in [
        ("{}", "validation failed: state: cannot be blank."),
        ("null", "validation failed: state: cannot be blank."),
        (r#"{"state":""}"#, "validation failed: state: cannot be blank."),
        (r#"{"state":"readonly"}"#, "validation failed: state: must be a valid value."),
        (r#"{"state":"Normal"}"#, "validation failed: state: must be a valid value."),
    ] {
        assert_error(&send(&app.client, "POST", "/admin", body).await, 400, text);
    }
    // Here, and not elsewhere, what cannot be read is 400 with the reason.
    for body in ["", "{", "[]", r#"{"state":1}"#, "{} {}"] {
        let answer = send(&app.client, "POST", "/admin", body).await;
        let text = answer.text();
        assert!(text.starts_with("request unable to be parsed: "), "{body}: {text}");
        assert_error(&answer, 400, text.strip_suffix('\n').unwrap());
    }
    assert_eq!(app.app.gate.mode(), Mode::Normal);
}

/// Only the method counts, before the path is looked at. There is no way out by the API.
#[tokio::test]
async fn read_only() {
    let app = TestApp::start().await.with_nodes(1, 1).await;
    app.client.post("/admin", json!({"state": "read-only"})).await;
    for (method, path) in [
        ("POST", "/clusters"),
        ("POST", "/admin"),
        ("POST", "/volumes"),
        ("POST", "/nope"),
        ("DELETE", "/volumes/abc"),
        ("PUT", "/clusters"),
        ("OPTIONS", "/clusters"),
        ("POST", "/clusters/"),
    ] {
        assert_error(&send(&app.client, method, path, "{").await, 503, CLOSED);
    }
    for path in ["/clusters", "/volumes", "/admin", "/hello"] {
        assert_eq!(app.client.get(path).await.status, 200, "{path}");
    }
    assert_error(&app.client.get("/nope").await, 404, "Invalid path or request");
    assert_eq!(app.client.send("HEAD", "/clusters", &[], None).await.status, 405);
    app.app.gate.set(Mode::Normal);
    assert_eq!(app.client.post("/clusters", json!({})).await.status, 201);
}

/// The address of the connection counts, and not what a proxy says of it. 127.0.0.2 is this
/// machine as well, but Heketi compares with the two usual addresses.
#[tokio::test]
async fn local_clients() {
    let app = TestApp::start().await;
    app.app.gate.set(Mode::LocalClient);
    for (peer, status) in [
        ("127.0.0.1", 201),
        ("::1", 201),
        // What 127.0.0.1 looks like to a socket of both families.
        ("::ffff:127.0.0.1", 201),
        ("127.0.0.2", 503),
        ("10.0.0.1", 503),
        ("fe80::1", 503),
    ] {
        let from = SocketAddr::new(peer.parse().unwrap(), 4711);
        let ask = |method: &str| {
            Request::builder()
                .method(method)
                .uri("/clusters")
                .header("x-forwarded-for", "127.0.0.1")
                .extension(ConnectInfo(from))
                .body(Body::from("{}"))
                .unwrap()
        };
        let server = http::router(app.app.clone());
        let changed = server.clone().oneshot(ask("POST")).await.unwrap();
        assert_eq!(changed.status(), status, "{peer}");
        assert_eq!(server.oneshot(ask("GET")).await.unwrap().status(), 200, "{peer}");
    }
}

/// What runs when the mode changes goes on, and can be polled.
#[tokio::test]
async fn running_operations_go_on() {
    let app = TestApp::start().await.with_nodes(1, 1).await;
    let hold = super::hold::Hold::at(&app, "volume create");
    let accepted = app.client.post("/volumes", json!({"size": 1})).await;
    hold.wait().await;
    app.client.post("/admin", json!({"state": "read-only"})).await;
    hold.release();
    assert_eq!(app.client.finish(accepted).await.status, 200);
}

#[test]
fn words_of_the_configuration() {
    for mode in [Mode::Normal, Mode::LocalClient, Mode::ReadOnly] {
        assert_eq!(mode.as_str().parse(), Ok(mode));
        assert_eq!(Gate::new(mode).mode(), mode);
    }
    assert!("".parse::<Mode>().is_err());
}
