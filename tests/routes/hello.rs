//! `GET /hello`: the only thing behind no door at all.
use super::{assert_error, auth, send, wire};
use crate::harness::TestApp;
use brickyard::app::Mode;

#[tokio::test]
async fn greets_without_a_line_break() {
    let app = TestApp::start().await;
    for answer in [
        app.client.get("/hello").await,
        app.client.get("/hello?really=1").await,
        wire::plain(&app, "GET", "/%68ello").await,
        send(&app.client, "GET", "/hello", "{}").await,
    ] {
        assert_eq!((answer.status, answer.text().as_str()), (200, "Hello from Heketi"));
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=UTF-8"));
        assert_eq!(answer.header("content-length"), Some("17"));
        assert_eq!(answer.header("x-content-type-options"), None);
    }
}

#[tokio::test]
async fn needs_no_token_and_looks_at_none() {
    let app = auth::guarded().await;
    for headers in [&[][..], &[("authorization", "bearer a.b.c")], &[("authorization", "junk")]] {
        let answer = app.client.send("GET", "/hello", headers, None).await;
        assert_eq!(answer.status, 200, "{headers:?}");
    }
}

/// Any other method is a request like any other: token, then mode, then "no such path".
#[tokio::test]
async fn other_methods_are_no_greeting() {
    let app = TestApp::start().await;
    for method in ["POST", "PUT", "DELETE"] {
        assert_error(
            &send(&app.client, method, "/hello", "").await,
            404,
            "Invalid path or request",
        );
    }
    assert_eq!(app.client.send("HEAD", "/hello", &[], None).await.status, 404);
    app.app.gate.set(Mode::ReadOnly);
    assert_eq!(app.client.get("/hello").await.status, 200);
    let refused = send(&app.client, "POST", "/hello", "").await;
    assert_error(&refused, 503, "Service disabled for maintenance");

    let app = auth::guarded().await;
    let refused = send(&app.client, "POST", "/hello", "").await;
    assert_error(&refused, 401, "Required authorization token not found");
    assert_eq!(app.client.send("HEAD", "/hello", &[], None).await.status, 401);
    let signed = auth::token("admin", "POST", "/hello");
    let answer = app.client.send("POST", "/hello", &[("authorization", &signed)], None).await;
    assert_error(&answer, 404, "Invalid path or request");
}
