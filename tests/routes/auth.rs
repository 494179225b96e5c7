//! Tokens on the wire (api.md 4). Every single refusal of a token stands with `http::auth`; here
//! is what the layers around it make of them.
use super::{assert_error, assert_json};
use crate::harness::{Start, TestApp};
use brickyard::app::{IAT_LEEWAY, Keys, Mode};
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::time::SystemTime;

/// A server that wants tokens.
pub async fn guarded() -> TestApp {
    let keys = Keys { admin: "My Secret".into(), user: "My Other".into(), iat_leeway: IAT_LEEWAY };
    TestApp::start_with(Start { keys: Some(keys), ..Start::default() }).await
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

fn claims(issuer: &str, method: &str, path: &str) -> Value {
    let hash = Sha256::digest(format!("{method}&{path}"));
    let qsh = hash.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    json!({"iss": issuer, "iat": now(), "exp": now() + 300, "qsh": qsh})
}

fn signed(claims: &Value) -> String {
    let key = if claims["iss"] == "user" { "My Other" } else { "My Secret" };
    let key = EncodingKey::from_secret(key.as_bytes());
    format!("bearer {}", encode(&Header::default(), claims, &key).unwrap())
}

/// The header of a good token for one request.
pub fn token(issuer: &str, method: &str, path: &str) -> String {
    signed(&claims(issuer, method, path))
}

async fn ask(
    app: &TestApp,
    method: &str,
    path: &str,
    header: &str,
) -> crate::harness::client::Answer {
    let body = (method != "GET").then_some(b"{}".as_slice());
    app.client.send(method, path, &[("authorization", header)], body).await
}

#[tokio::test]
async fn no_token_comes_before_no_path() {
    let app = guarded().await;
    let missing = "Required authorization token not found";
    for (method, path) in [
        ("GET", "/clusters"),
        ("GET", "/nope"),
        ("GET", "/"),
        ("PUT", "/clusters"),
        ("GET", "/clusters/"),
        ("POST", "/admin"),
        ("GET", "/queue/abc"),
        ("HEAD", "/hello"),
    ] {
        let answer = app.client.send(method, path, &[], None).await;
        if method == "HEAD" {
            assert_eq!(answer.status, 401);
        } else {
            assert_error(&answer, 401, missing);
        }
        let answer = app.client.send(method, path, &[("authorization", "")], None).await;
        assert_eq!(answer.status, 401, "an empty header is no header");
    }
    for malformed in ["token", "basic abc", "bearer a b"] {
        let answer = ask(&app, "GET", "/clusters", malformed).await;
        assert_error(&answer, 400, "Authorization header format must be Bearer {token}");
    }
}

#[tokio::test]
async fn an_administrator_may_do_everything() {
    let app = guarded().await;
    for (method, path, status) in [
        ("GET", "/clusters", 200),
        ("POST", "/clusters", 201),
        ("GET", "/volumes", 200),
        ("GET", "/admin", 200),
        ("PUT", "/volumes", 405),
        ("HEAD", "/volumes", 405),
        ("GET", "/nope", 404),
        ("GET", "/queue/abc", 404),
        // The token is one for the path as it was asked for, closing slash and all.
        ("GET", "/clusters/", 301),
    ] {
        let answer = ask(&app, method, path, &token("admin", method, path)).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
    }
    for scheme in ["Bearer", "BEARER", "bearer"] {
        let header = token("admin", "GET", "/clusters").replace("bearer", scheme);
        assert_json(&ask(&app, "GET", "/clusters", &header).await, 200);
    }
}

/// A user can start a volume and never ask what became of it: long-standing, and kept.
#[tokio::test]
async fn a_user_may_list_and_create_volumes() {
    let app = guarded().await;
    for (method, path, status) in
        [("GET", "/volumes", 200), ("POST", "/volumes", 400), ("PUT", "/volumes", 405)]
    {
        let answer = ask(&app, method, path, &token("user", method, path)).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
    }
    for (method, path) in [
        ("GET", "/volumes/"),
        ("GET", "/volumes/abc"),
        ("DELETE", "/volumes/abc"),
        ("GET", "/queue/abc"),
        ("GET", "/clusters"),
        ("GET", "/admin"),
        ("GET", "/nope"),
        ("POST", "/hello"),
    ] {
        let answer = ask(&app, method, path, &token("user", method, path)).await;
        assert_error(&answer, 401, "Administrator access required");
    }
}

/// The hash is one of method and decoded path, and of nothing else.
#[tokio::test]
async fn what_a_token_is_for() {
    let app = guarded().await;
    let wrong = "Invalid qsh claim in token";
    let list = token("admin", "GET", "/clusters");
    assert_json(&ask(&app, "GET", "/clusters", &list).await, 200);
    assert_json(&ask(&app, "GET", "/clusters?x=1", &list).await, 200);
    assert_json(&ask(&app, "GET", "/%63lusters", &list).await, 200);
    assert_error(&ask(&app, "POST", "/clusters", &list).await, 401, wrong);
    assert_error(&ask(&app, "GET", "/volumes", &list).await, 401, wrong);
    assert_error(&ask(&app, "GET", "/clusters/", &list).await, 401, wrong);
    let with_query = token("admin", "GET", "/clusters?x=1");
    assert_error(&ask(&app, "GET", "/clusters?x=1", &with_query).await, 401, wrong);
    let encoded = token("admin", "GET", "/%63lusters");
    assert_error(&ask(&app, "GET", "/%63lusters", &encoded).await, 401, wrong);
}

#[tokio::test]
async fn clocks_and_secrets() {
    let app = guarded().await;
    let with = |name: &str, value: Value| {
        let mut claims = claims("admin", "GET", "/clusters");
        claims[name] = value;
        signed(&claims)
    };
    // PyPI's client signs for one second.
    assert_json(&ask(&app, "GET", "/clusters", &with("exp", (now() + 1).into())).await, 200);
    assert_json(&ask(&app, "GET", "/clusters", &with("iat", (now() + 100).into())).await, 200);
    let prefix = "Invalid JWT token: ";
    for (header, text) in [
        (with("iss", "".into()), "Token missing iss claim"),
        (with("iss", "root".into()), "Unknown user"),
        (
            with("iss", "admin".into()) + "x",
            "signature is invalid (client and server secrets may not match)",
        ),
        (with("nbf", (now() + 100).into()), "token is not valid yet"),
        (
            with("iat", (now() + 1000).into()),
            "Token used before issued (client and server clocks may differ)",
        ),
    ] {
        let answer = ask(&app, "GET", "/clusters", &header).await;
        assert_error(&answer, 401, &format!("{prefix}{text}"));
    }
    let expired = ask(&app, "GET", "/clusters", &with("exp", (now() - 65).into())).await;
    // The test's own clock may tick meanwhile.
    let text = expired.text();
    assert!(text.starts_with("Invalid JWT token: Token is expired by 1m"), "{text}");
    for bad in [json!(1.5), json!("1700000000"), json!([])] {
        let answer = ask(&app, "GET", "/clusters", &with("exp", bad)).await;
        assert_eq!(answer.status, 401, "{}", answer.text());
        assert!(answer.text().starts_with(prefix), "{}", answer.text());
    }
}

#[tokio::test]
async fn token_and_role_come_before_the_mode() {
    let app = guarded().await;
    app.app.gate.set(Mode::ReadOnly);
    let answer = app.client.send("POST", "/clusters", &[], None).await;
    assert_error(&answer, 401, "Required authorization token not found");
    let answer = ask(&app, "POST", "/clusters", &token("user", "POST", "/clusters")).await;
    assert_error(&answer, 401, "Administrator access required");
    let answer = ask(&app, "POST", "/clusters", &token("admin", "POST", "/clusters")).await;
    assert_error(&answer, 503, "Service disabled for maintenance");
    let answer = ask(&app, "POST", "/nope", &token("admin", "POST", "/nope")).await;
    assert_error(&answer, 503, "Service disabled for maintenance");
}

/// Without authentication a token is not even looked at: Kubernetes signs with an empty key.
#[tokio::test]
async fn tokens_without_authentication() {
    let app = TestApp::start().await;
    for header in ["junk", "bearer a.b.c", &token("user", "GET", "/nope")] {
        assert_json(&ask(&app, "GET", "/clusters", header).await, 200);
    }
}
