//! What every route answers on the wire, one file a resource, against api.md.
mod admin;
mod auth;
mod block_restriction;
mod block_volumes;
mod bodies;
mod bricks;
mod clusters;
mod database;
mod devices;
mod examination;
mod fuzz;
mod hang_up;
mod hello;
mod hold;
mod logging;
mod metrics;
mod nodes;
mod operations;
mod paths;
mod persistent;
mod queue;
mod reality;
mod removal;
mod states;
mod tags;
mod throttle;
mod volumes;
mod wire;

use crate::harness::{
    TestApp,
    client::{Answer, Client},
};
use serde_json::Value;

/// An id of the right form that nothing has.
const UNKNOWN: &str = "0123456789abcdef0123456789abcdef";

/// An error in Heketi's form: plain text, one line break, no sniffing.
#[track_caller]
fn assert_error(answer: &Answer, status: u16, text: &str) {
    assert_eq!((answer.status, answer.text()), (status, format!("{text}\n")));
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    for absent in ["x-pending", "www-authenticate", "location"] {
        assert_eq!(answer.header(absent), None, "{absent}");
    }
    // Heketi does not say when to come back.
    assert_eq!(answer.header("retry-after").is_some(), status == 429);
}

/// JSON in Heketi's form, closed by a line break; the value.
#[track_caller]
fn assert_json(answer: &Answer, status: u16) -> Value {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/json; charset=UTF-8"));
    assert_eq!(answer.header("x-content-type-options"), None);
    let text = answer.text();
    assert!(text.ends_with("}\n"), "{text}");
    assert_eq!(text.matches('\n').count(), 1, "one line: {text}");
    answer.json()
}

/// An accepted operation: nothing but the bare path of its queue entry.
#[track_caller]
fn assert_accepted(answer: &Answer) {
    assert_eq!((answer.status, answer.text().as_str()), (202, ""));
    assert_eq!(answer.header("content-length"), Some("0"));
    assert_eq!(answer.header("content-type"), None);
    let location = answer.location();
    let id = location.strip_prefix("/queue/").expect(&location);
    let digits = id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    assert!(id.len() == 32 && digits, "{location}");
}

/// An operation that ended well and has no result.
#[track_caller]
fn assert_no_content(answer: &Answer) {
    assert_eq!((answer.status, answer.text().as_str()), (204, ""));
    for absent in ["content-type", "content-length", "x-pending", "location"] {
        assert_eq!(answer.header(absent), None, "{absent}");
    }
}

/// Sends a body as it is, without a content type.
async fn send(client: &Client, method: &str, path: &str, body: &str) -> Answer {
    client.send(method, path, &[], Some(body.as_bytes())).await
}

/// A request that starts an operation, followed to its end; it must have been accepted.
async fn run(app: &TestApp, path: &str, body: Value) -> Answer {
    let accepted = app.client.post(path, body).await;
    assert_accepted(&accepted);
    app.client.poll(&accepted.location()).await
}

/// Ids of the nodes of the only cluster.
async fn nodes(app: &TestApp) -> Vec<String> {
    let cluster = only_cluster(app).await;
    strings(&app.client.get(&format!("/clusters/{cluster}")).await.json()["nodes"])
}

async fn only_cluster(app: &TestApp) -> String {
    let all = strings(&app.client.get("/clusters").await.json()["clusters"]);
    assert_eq!(all.len(), 1);
    all[0].clone()
}

/// The devices of a node, as its object shows them.
async fn devices(app: &TestApp, node: &str) -> Vec<Value> {
    let node = app.client.get(&format!("/nodes/{node}")).await.json();
    node["devices"].as_array().unwrap().clone()
}

fn strings(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|s| s.as_str().unwrap().to_owned()).collect()
}

fn id(object: &Value) -> String {
    object["id"].as_str().unwrap().to_owned()
}

/// The keys of an object in the order they were written.
fn keys(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}
