//! `/internal/logging` (api.md 13). That the log obeys is shown by the process itself, in
//! `process::logging`.
use super::{assert_error, assert_json, send};
use crate::harness::TestApp;
use brickyard::{app::Mode, telemetry::Level};
use serde_json::json;

const PATH: &str = "/internal/logging";

#[tokio::test]
async fn every_level_can_be_set_and_is_told() {
    let app = TestApp::start().await;
    let start = app.client.get(PATH).await;
    assert_eq!(start.text(), "{\"loglevel\":{\"glusterfs\":\"error\"}}\n");
    for level in ["none", "critical", "warning", "info", "debug", "error"] {
        let body = json!({"loglevel": {"glusterfs": level}});
        assert_eq!(assert_json(&app.client.post(PATH, body.clone()).await, 200), body);
        assert_eq!(assert_json(&app.client.get(PATH).await, 200), body);
        assert_eq!(app.app.logging.level().as_str(), level);
    }
}

#[tokio::test]
async fn what_is_left_as_it_is() {
    let app = TestApp::start().await;
    // Other loggers and members are passed over; no word is no change.
    for body in [
        r#"{"loglevel":{"glusterfs":""}}"#,
        r#"{"loglevel":{"glusterfs":null}}"#,
        r#"{"loglevel":{"glusterfs":"error","middleware":"debug"},"more":1}"#,
        r#"{"LogLevel":{"glusterfs":"error"}}"#,
    ] {
        let answer = send(&app.client, "POST", PATH, body).await;
        assert_eq!(assert_json(&answer, 200), json!({"loglevel": {"glusterfs": "error"}}));
    }
    let only = "Only \"glusterfs\" logger may be modified";
    for body in ["{}", "null", r#"{"loglevel":{}}"#, r#"{"loglevel":{"Glusterfs":"debug"}}"#] {
        assert_error(&send(&app.client, "POST", PATH, body).await, 422, only);
    }
    for word in ["warn", "Debug", "trace", " info"] {
        let body = json!({"loglevel": {"glusterfs": word}});
        let text = format!("invalid log level: {word}");
        assert_error(&app.client.post(PATH, body).await, 422, &text);
    }
    // Here, and not elsewhere, what cannot be read is 400 with the reason.
    for body in ["", "{", "[]", r#"{"loglevel":"debug"}"#, r#"{"loglevel":{"glusterfs":1}}"#] {
        let answer = send(&app.client, "POST", PATH, body).await;
        let text = answer.text();
        assert!(text.starts_with("request unable to be parsed: "), "{body}: {text}");
        assert_error(&answer, 400, text.strip_suffix('\n').unwrap());
    }
    assert_eq!(app.app.logging.level(), Level::Error);
}

#[tokio::test]
async fn it_is_a_change_like_any_other() {
    let app = super::auth::guarded().await;
    let ask = async |method: &str, issuer: &str| {
        let token = super::auth::token(issuer, method, PATH);
        let body =
            (method == "POST").then_some(br#"{"loglevel":{"glusterfs":"debug"}}"#.as_slice());
        app.client.send(method, PATH, &[("authorization", &token)], body).await
    };
    assert_error(&ask("POST", "user").await, 401, "Administrator access required");
    app.app.gate.set(Mode::ReadOnly);
    assert_error(&ask("POST", "admin").await, 503, "Service disabled for maintenance");
    assert_json(&ask("GET", "admin").await, 200);
    assert_eq!(app.app.logging.level(), Level::Error);
}
