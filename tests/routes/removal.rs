//! Devices and nodes that are removed with bricks on them (api.md 9.4, 10.4).
use super::{assert_accepted, assert_error, assert_no_content, hold::Hold, id, nodes, run};
use crate::harness::{TestApp, client::Answer};
use serde_json::{Value, json};

fn replica_3(size: i64) -> Value {
    json!({"size": size, "durability": {"type": "replicate", "replicate": {"replica": 3}}})
}

async fn set(app: &TestApp, object: &str, state: &str) -> Answer {
    run(app, &format!("{object}/state"), json!({"state": state, "healcheck": ""})).await
}

async fn device_of(app: &TestApp, brick: &Value) -> Value {
    app.client.get(&format!("/devices/{}", brick["device"].as_str().unwrap())).await.json()
}

/// Where gluster has a brick of the volume.
fn gluster_has(app: &TestApp, brick: &Value) -> bool {
    let path = brick["path"].as_str().unwrap();
    app.sim.world().volumes.iter().any(|v| v.bricks.iter().any(|b| b.ends_with(path)))
}

#[tokio::test]
async fn all_bricks_of_a_device_move() {
    let app = TestApp::start().await.with_nodes(4, 1).await;
    let mut volumes = vec![];
    for _ in 0..4 {
        volumes.push(app.create_volume(replica_3(10)).await);
    }
    let device = device_of(&app, &volumes[0]["bricks"][0]).await;
    let path = format!("/devices/{}", id(&device));
    assert!(device["bricks"].as_array().unwrap().len() >= 2, "a poor case");
    assert_no_content(&set(&app, &path, "offline").await);
    assert_no_content(&set(&app, &path, "failed").await);
    let after = app.client.get(&path).await.json();
    assert_eq!((&after["state"], &after["bricks"]), (&json!("failed"), &json!([])));
    assert_eq!(after["storage"]["used"], 0);
    for brick in device["bricks"].as_array().unwrap() {
        assert!(!gluster_has(&app, brick));
    }
    for volume in volumes {
        let volume = app.client.get(&format!("/volumes/{}", id(&volume))).await.json();
        assert_eq!(volume["bricks"].as_array().unwrap().len(), 3);
        assert!(volume["bricks"].as_array().unwrap().iter().all(|brick| gluster_has(&app, brick)));
    }
}

/// What can be seen of it while it goes on.
#[tokio::test]
async fn its_progress() {
    let app = TestApp::start().await.with_nodes(4, 1).await;
    let volume = app.create_volume(replica_3(10)).await;
    let device = format!("/devices/{}", volume["bricks"][0]["device"].as_str().unwrap());
    assert_no_content(&set(&app, &device, "offline").await);
    let hold = Hold::at(&app, "replace-brick");
    let body = json!({"state": "failed", "healcheck": ""});
    let accepted = app.client.post(&format!("{device}/state"), body).await;
    assert_accepted(&accepted);
    hold.wait().await;
    let pending = app.client.get("/operations/pending").await.json();
    let kinds: Vec<_> = pending["pendingoperations"].as_array().unwrap().iter().collect();
    let kind = |n: usize| kinds[n]["type_name"].as_str().unwrap();
    assert_eq!((kind(0), kind(1)), ("remove-device", "evict-brick"));
    let (parent, child) = (id(kinds[0]), id(kinds[1]));
    let parent = app.client.get(&format!("/operations/pending/{parent}")).await.json();
    assert_eq!(parent["progress"]["bricks"], json!({"moved": 0, "left": 1}));
    let changes = json!([
        {"id": device.rsplit('/').next().unwrap(), "description": "Remove device"},
        {"id": child, "description": "Performing child operation"},
    ]);
    assert_eq!(parent["changes"], changes);
    let child = app.client.get(&format!("/operations/pending/{child}")).await.json();
    let words: Vec<_> = child["changes"].as_array().unwrap().iter().collect();
    let words: Vec<_> = words.iter().map(|c| c["description"].as_str().unwrap()).collect();
    assert_eq!(words, ["Add brick", "Delete brick", "Belongs to parent operation"]);
    hold.release();
    assert_no_content(&app.client.poll(&accepted.location()).await);
}

/// What finds a place moves, and stays moved; the rest is named.
#[tokio::test]
async fn a_brick_without_a_place() {
    let app = TestApp::start().await.with_nodes(3, 2).await;
    // Two that fill more than half of a device each, and a small one beside one of them.
    app.create_volume(replica_3(300)).await;
    app.create_volume(replica_3(300)).await;
    let small = app.create_volume(replica_3(10)).await;
    let device = device_of(&app, &small["bricks"][0]).await;
    assert_eq!(device["bricks"].as_array().unwrap().len(), 2);
    let path = format!("/devices/{}", id(&device));
    assert_no_content(&set(&app, &path, "offline").await);
    for _ in 0..2 {
        let failed = set(&app, &path, "failed").await;
        assert_eq!(failed.status, 500);
        let text = failed.text();
        let heketi = format!(
            "Unable to delete device [{}] as no device was found to replace it: No Replacement was \
             found for resource requested to be removed",
            id(&device)
        );
        assert!(text.starts_with(&heketi), "{text}");
        let after = app.client.get(&path).await.json();
        assert_eq!(after["state"], "offline");
        let left = after["bricks"].as_array().unwrap();
        assert_eq!(left.len(), 1, "the small one has moved");
        assert_ne!(left[0]["volume"], small["id"]);
        assert!(text.contains(&format!("brick {} of volume", id(&left[0]))), "{text}");
        assert!(text.contains("5 too little space"), "with reasons: {text}");
    }
    // With more room it goes on where it was.
    let node = device["bricks"][0]["node"].as_str().unwrap();
    app.add_device(node, "/dev/sdx").await;
    assert_no_content(&set(&app, &path, "failed").await);
}

/// A node that does not answer any more: its bricks move, it goes, and comes back empty.
#[tokio::test]
async fn a_node_that_is_dead() {
    let app = TestApp::start().await.with_nodes(4, 1).await;
    let cluster = super::only_cluster(&app).await;
    let (replica, disperse) =
        (replica_3(10), json!({"type": "disperse", "disperse": {"data": 2, "redundancy": 1}}));
    app.create_volume(replica).await;
    let volume = app.create_volume(json!({"size": 10, "durability": disperse})).await;
    let dead = volume["bricks"][0]["node"].as_str().unwrap().to_owned();
    let node = format!("/nodes/{dead}");
    let before = app.client.get(&node).await.json();
    let host = before["hostnames"]["manage"][0].as_str().unwrap().to_owned();
    app.sim.world().down.insert(host.clone());

    let delete = app.client.finish(app.client.delete(&format!("/volumes/{}", id(&volume))).await);
    let refused = delete.await;
    assert_eq!(refused.status, 500);
    assert!(refused.text().contains("gluster needs all peers"), "{}", refused.text());
    assert_no_content(&set(&app, &node, "offline").await);
    assert_no_content(&set(&app, &node, "failed").await);
    for brick in before["devices"][0]["bricks"].as_array().unwrap() {
        assert!(!gluster_has(&app, brick));
    }
    let after = app.client.get(&node).await.json();
    assert_eq!((&after["state"], &after["devices"][0]["bricks"]), (&json!("failed"), &json!([])));

    // Its device can only be forgotten, then the node can go.
    let device = format!("/devices/{}", id(&after["devices"][0]));
    let answer = app.client.finish(app.client.delete(&device).await).await;
    assert_eq!(answer.status, 500, "{}", answer.text());
    let forget = super::send(&app.client, "DELETE", &device, r#"{"forceforget":true}"#).await;
    assert_no_content(&app.client.finish(forget).await);
    assert_no_content(&app.client.finish(app.client.delete(&node).await).await);
    let peers = app.sim.world().peers.clone();
    let storage = before["hostnames"]["storage"][0].as_str().unwrap();
    assert!(peers.values().all(|peers| !peers.contains(storage)), "{peers:?}");

    // A fresh machine under the old name.
    app.sim.world().nodes.remove(&host);
    app.sim.world().down.clear();
    let body = json!({"zone": 1, "cluster": cluster, "hostnames": before["hostnames"]});
    let again = app.client.finish(app.client.post("/nodes", body).await).await;
    assert_eq!(again.status, 200, "{}", again.text());
    app.add_device(&id(&again.json()), "/dev/sdb").await;
    assert_eq!(nodes(&app).await.len(), 4);
    let gone = app.client.delete(&format!("/volumes/{}", id(&volume))).await;
    assert_no_content(&app.client.finish(gone).await);
}

/// Until gluster has noticed a death, it sends what it is told to change to the dead node as well,
/// and its pool is held for minutes: nothing is changed before.
#[tokio::test]
async fn a_death_is_noticed_first() {
    a_death_is_noticed(None).await;
}

/// gluster lists who has taken in the others by what name service calls it.
#[tokio::test]
async fn a_death_is_noticed_first_whatever_the_node_is_called() {
    a_death_is_noticed(Some("node-of-another-name")).await;
}

async fn a_death_is_noticed(listed: Option<&str>) {
    let app = TestApp::start().await.with_nodes(4, 1).await;
    // A node without bricks lists the pool as well.
    let names = |n| (format!("10.0.0.{}", n + 1), format!("n{n}.example.com"));
    app.sim.world().addresses.extend((0..4).map(names));
    let volume = app.create_volume(replica_3(10)).await;
    let node = format!("/nodes/{}", volume["bricks"][0]["node"].as_str().unwrap());
    let before = app.client.get(&node).await.json();
    let host = before["hostnames"]["manage"][0].as_str().unwrap().to_owned();
    let storage = before["hostnames"]["storage"][0].as_str().unwrap();
    app.sim.world().aliases.extend(listed.map(|name| (storage.to_owned(), name.to_owned())));
    app.sim.world().down.insert(host.clone());
    assert_no_content(&set(&app, &node, "offline").await);

    app.sim.world().unnoticed.insert(host.clone(), 3);
    assert_no_content(&set(&app, &node, "failed").await);
    assert_eq!(app.sim.world().unnoticed[&host], 0);

    let device = format!("/devices/{}", id(&before["devices"][0]));
    let forget = super::send(&app.client, "DELETE", &device, r#"{"forceforget":true}"#).await;
    assert_no_content(&app.client.finish(forget).await);
    app.sim.world().unnoticed.insert(host.clone(), 3);
    assert_no_content(&app.client.finish(app.client.delete(&node).await).await);
    let peers = app.sim.world().peers.clone();
    assert!(peers.values().all(|peers| !peers.contains(storage)), "{peers:?}");
}

/// Not at once: Heketi's words come in the background.
#[tokio::test]
async fn the_only_copy_keeps_its_device() {
    let app = TestApp::start().await.with_nodes(2, 1).await;
    let volume = app.create_volume(json!({"size": 1})).await;
    let device = format!("/devices/{}", volume["bricks"][0]["device"].as_str().unwrap());
    assert_no_content(&set(&app, &device, "offline").await);
    let refused = set(&app, &device, "failed").await;
    let brick = id(&volume["bricks"][0]);
    let why =
        format!("Cannot replace brick {brick} as only 0 of 1 required peer bricks are online");
    let left = format!("brick {brick} of volume {}", id(&volume));
    assert_error(&refused, 500, &format!("{why}\nLeft on the device:\n{left}: {why}"));
    assert_eq!(app.client.get(&device).await.json()["state"], "offline");
}
