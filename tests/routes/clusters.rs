//! `/clusters` (api.md 8).
use super::{UNKNOWN, assert_error, assert_json, hold::Hold, id, keys, send, strings};
use crate::harness::TestApp;
use serde_json::json;

#[tokio::test]
async fn create_list_and_look() {
    let app = TestApp::start().await;
    assert_eq!(app.client.get("/clusters").await.text(), "{\"clusters\":[]}\n");
    let mut made = vec![];
    for (body, file, block) in [
        ("{}", false, false),
        ("null", false, false),
        (r#"{"file":true}"#, true, false),
        (r#"{"file":false,"block":true}"#, false, true),
        (r#"{"file":true,"block":true}"#, true, true),
    ] {
        let answer = send(&app.client, "POST", "/clusters", body).await;
        let cluster = assert_json(&answer, 201);
        assert_eq!(keys(&cluster), ["id", "nodes", "volumes", "block", "file", "blockvolumes"]);
        let id = id(&cluster);
        let expected = json!({"id": id, "nodes": [], "volumes": [], "block": block, "file": file,
            "blockvolumes": []});
        assert_eq!(cluster, expected, "{body}");
        assert_eq!(assert_json(&app.client.get(&format!("/clusters/{id}")).await, 200), expected);
        made.push(id);
    }
    made.sort_unstable();
    let list = assert_json(&app.client.get("/clusters").await, 200);
    assert_eq!(list, json!({"clusters": made}));
}

#[tokio::test]
async fn flags_are_always_both_set() {
    let app = TestApp::start().await;
    let path = format!("/clusters/{}", app.add_cluster().await);
    for (body, file, block) in [
        (r#"{"file":true}"#, true, false),
        (r#"{"block":true}"#, false, true),
        (r#"{"file":true,"block":true}"#, true, true),
        ("{}", false, false),
        (r#"{"FILE":true,"Block":null}"#, true, false),
        ("null", false, false),
    ] {
        let answer = send(&app.client, "POST", &format!("{path}/flags"), body).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, ""), "{body}");
        assert_eq!(answer.header("content-type"), Some("application/json; charset=UTF-8"));
        assert_eq!(answer.header("content-length"), Some("0"));
        let cluster = app.client.get(&path).await.json();
        assert_eq!((&cluster["file"], &cluster["block"]), (&json!(file), &json!(block)), "{body}");
    }
    let unknown = format!("/clusters/{UNKNOWN}/flags");
    assert_error(&send(&app.client, "POST", &unknown, "{}").await, 404, "Id not found");
}

#[tokio::test]
async fn only_an_empty_cluster_goes() {
    let app = TestApp::start().await.with_nodes(1, 1).await;
    let full = super::only_cluster(&app).await;
    let empty = app.add_cluster().await;
    let text =
        format!("Unable to delete cluster [{full}] because it contains volumes and/or nodes");
    assert_error(&app.client.delete(&format!("/clusters/{full}")).await, 409, &text);
    let gone = app.client.delete(&format!("/clusters/{empty}")).await;
    assert_eq!((gone.status, gone.text().as_str()), (200, ""));
    assert_eq!(gone.header("content-type"), None);
    assert_eq!(gone.header("content-length"), Some("0"));
    assert_error(&app.client.delete(&format!("/clusters/{empty}")).await, 404, "Id not found");
    assert_eq!(strings(&app.client.get("/clusters").await.json()["clusters"]), [full]);
}

/// A node that is only on its way in is not shown, and keeps the cluster from going.
#[tokio::test]
async fn what_is_pending_counts_as_content() {
    let app = TestApp::start().await.with_nodes(1, 1).await;
    let cluster = super::only_cluster(&app).await;
    let hold = Hold::at(&app, "peer probe");
    let names = json!({"manage": ["n1"], "storage": ["10.0.0.2"]});
    let body = json!({"zone": 1, "cluster": cluster, "hostnames": names});
    let adding = app.client.post("/nodes", body).await;
    hold.wait().await;
    let shown = app.client.get(&format!("/clusters/{cluster}")).await.json();
    assert_eq!(shown["nodes"].as_array().unwrap().len(), 1);
    assert_eq!(app.client.delete(&format!("/clusters/{cluster}")).await.status, 409);
    hold.release();
    assert_eq!(app.client.finish(adding).await.status, 200);
    let shown = app.client.get(&format!("/clusters/{cluster}")).await.json();
    let mut nodes = strings(&shown["nodes"]);
    assert_eq!(nodes.len(), 2);
    nodes.sort_unstable();
    assert_eq!(strings(&shown["nodes"]), nodes, "sorted");
}
