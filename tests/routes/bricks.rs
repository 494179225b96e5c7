//! `/bricks` (api.md 10.6): a brick moves to another device.
use super::{UNKNOWN, assert_accepted, assert_error, assert_no_content, hold::Hold, id, send};
use crate::harness::{TestApp, client::Answer};
use serde_json::{Value, json};

fn replica_3(size: i64) -> Value {
    json!({"size": size, "durability": {"type": "replicate", "replicate": {"replica": 3}}})
}

/// Four nodes of one device each, and a volume on three of them.
async fn four() -> (TestApp, Value) {
    let app = TestApp::start().await.with_nodes(4, 1).await;
    let volume = app.create_volume(replica_3(10)).await;
    (app, volume)
}

fn path(brick: &Value) -> String {
    let id = id(brick);
    format!("/bricks/to-evict/{id}")
}

/// Follows an eviction to its end.
async fn evict(app: &TestApp, brick: &Value, body: &str) -> Answer {
    let accepted = send(&app.client, "POST", &path(brick), body).await;
    assert_accepted(&accepted);
    app.client.poll(&accepted.location()).await
}

fn column(bricks: &Value, field: &str) -> Vec<String> {
    let all = bricks.as_array().unwrap().iter();
    all.map(|brick| brick[field].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_brick_moves() {
    let (app, volume) = four().await;
    let old = volume["bricks"][0].clone();
    assert_no_content(&evict(&app, &old, "").await);

    let after = app.client.get(&format!("/volumes/{}", id(&volume))).await.json();
    let (before, now) = (column(&volume["bricks"], "id"), column(&after["bricks"], "id"));
    assert_eq!(now.len(), 3);
    assert!(!now.contains(&id(&old)));
    assert_eq!(now.iter().filter(|brick| before.contains(brick)).count(), 2);
    let mut nodes = column(&after["bricks"], "node");
    nodes.sort();
    nodes.dedup();
    assert_eq!(nodes.len(), 3, "two bricks of the set share a node");
    let new = after["bricks"].as_array().unwrap().iter().find(|b| !before.contains(&id(b)));
    assert_eq!(new.unwrap()["size"], old["size"]);

    // Its old device is empty, and all of it free.
    let device = app.client.get(&format!("/devices/{}", old["device"].as_str().unwrap())).await;
    assert_eq!(device.json()["bricks"], json!([]));
    assert_eq!(device.json()["storage"]["used"], 0);
    let world = app.sim.world();
    assert!(world.nodes.values().all(|node| !node.mounts.keys().any(|m| m.contains(&id(&old)))));
    let gluster = &world.volumes[0].bricks;
    assert_eq!(gluster.len(), 3);
    let path = new.unwrap()["path"].as_str().unwrap();
    assert!(gluster.iter().any(|brick| brick.ends_with(path)), "{gluster:?}");
}

/// What the body says comes first, then the id.
#[tokio::test]
async fn order_of_checks() {
    let (app, volume) = four().await;
    let known = path(&volume["bricks"][0]);
    let unknown = format!("/bricks/to-evict/{UNKNOWN}");
    let bad = "validation failed: healcheck: x is not valid heal info check.";
    for path in [&known, &unknown, &"/bricks/to-evict/abc".to_owned()] {
        let answer = send(&app.client, "POST", path, "{").await;
        assert_error(&answer, 422, "request unable to be parsed");
        let answer = send(&app.client, "POST", path, r#"{"healcheck":"x"}"#).await;
        assert_error(&answer, 400, bad);
    }
    for body in ["", "{}", r#"{"healcheck":"enable"}"#] {
        assert_error(&send(&app.client, "POST", &unknown, body).await, 404, "Id not found");
    }
}

/// What only this brick has is healed first, or is lost if so told.
#[tokio::test]
async fn a_source_of_healing_stays() {
    let (app, volume) = four().await;
    let brick = &volume["bricks"][0];
    let address = {
        let world = app.sim.world();
        let path = brick["path"].as_str().unwrap();
        world.volumes[0].bricks.iter().find(|b| b.ends_with(path)).unwrap().clone()
    };
    app.sim.world().to_heal.insert(address.clone(), 1000);
    let text =
        format!("Cannot replace brick {} as it is source brick for data to be healed", id(brick));
    for body in ["", r#"{"healcheck":"enable"}"#] {
        assert_error(&evict(&app, brick, body).await, 500, &text);
    }
    let after = app.client.get(&format!("/volumes/{}", id(&volume))).await.json();
    assert_eq!(after["bricks"], volume["bricks"]);
    assert_no_content(&evict(&app, brick, r#"{"healcheck":"disable"}"#).await);
    assert!(!app.sim.world().volumes[0].bricks.contains(&address));
}

#[tokio::test]
async fn the_other_bricks_must_be_there() {
    let (app, volume) = four().await;
    let hosts: Vec<_> = app.sim.world().nodes.keys().cloned().collect();
    let mut of_others = vec![];
    for brick in volume["bricks"].as_array().unwrap().iter().skip(1) {
        let node = brick["node"].as_str().unwrap();
        let node = app.client.get(&format!("/nodes/{node}")).await.json();
        of_others.push(node["hostnames"]["manage"][0].as_str().unwrap().to_owned());
    }
    assert!(of_others.iter().all(|host| hosts.contains(host)));
    app.sim.world().down.insert(of_others[0].clone());
    let brick = &volume["bricks"][0];
    let text = format!(
        "Cannot replace brick {} as only 1 of 2 required peer bricks are online",
        id(brick)
    );
    assert_error(&evict(&app, brick, "").await, 500, &text);
    app.sim.world().down.clear();
    assert_no_content(&evict(&app, brick, "").await);
}

/// Without redundancy there is nobody to heal from, whatever is asked for: Heketi lost the data.
#[tokio::test]
async fn the_only_copy_stays() {
    let app = TestApp::start().await.with_nodes(4, 1).await;
    let volume = app.create_volume(json!({"size": 10})).await;
    let brick = &volume["bricks"][0];
    let text = format!(
        "Cannot replace brick {} as only 0 of 1 required peer bricks are online",
        id(brick)
    );
    for body in ["", r#"{"healcheck":"disable"}"#] {
        assert_error(&evict(&app, brick, body).await, 500, &text);
    }
    let after = app.client.get(&format!("/volumes/{}", id(&volume))).await.json();
    assert_eq!(after["bricks"], volume["bricks"]);
}

#[tokio::test]
async fn no_other_device() {
    let app = TestApp::start().await.with_nodes(3, 1).await;
    let volume = app.create_volume(replica_3(10)).await;
    let refused = evict(&app, &volume["bricks"][0], "").await;
    assert_eq!(refused.status, 500);
    let text = refused.text();
    let heketi = "No Replacement was found for resource requested to be removed";
    assert!(text.starts_with(heketi), "{text}");
    assert!(text.contains("2 node already used by the set"), "with reasons: {text}");
    let device = volume["bricks"][0]["device"].as_str().unwrap();
    let device = app.client.get(&format!("/devices/{device}")).await.json();
    assert_eq!(device["bricks"], json!([volume["bricks"][0]]), "as it was");
    // Another disk of the same node will do.
    let node = volume["bricks"][0]["node"].as_str().unwrap();
    app.add_device(node, "/dev/sdz").await;
    assert_no_content(&evict(&app, &volume["bricks"][0], "").await);
}

/// One brick of a volume at a time, and nothing else on it meanwhile.
#[tokio::test]
async fn while_a_brick_moves() {
    let (app, volume) = four().await;
    let hold = Hold::at(&app, "replace-brick");
    let moving = send(&app.client, "POST", &path(&volume["bricks"][0]), "").await;
    hold.wait().await;
    // The volume has the bricks that it had.
    let shown = app.client.get(&format!("/volumes/{}", id(&volume))).await.json();
    assert_eq!(shown["bricks"], volume["bricks"]);

    let why = "Failed to set up brick eviction: Can not evict brick";
    let first = &volume["bricks"][0];
    let again = send(&app.client, "POST", &path(first), "").await;
    // The same brick, and another of its volume.
    assert_error(&again, 500, &format!("{why} {}: brick is pending", id(first)));
    let second = &volume["bricks"][1];
    let other = send(&app.client, "POST", &path(second), "").await;
    let text =
        format!("{why} {} from volume {}: volume has pending bricks", id(second), id(&volume));
    assert_error(&other, 500, &text);
    let in_use = "The target exists, contains other items, or is in use.";
    let deleted = app.client.delete(&format!("/volumes/{}", id(&volume))).await;
    assert_error(&deleted, 500, &format!("Failed to set up volume delete: {in_use}"));

    let pending = app.client.get("/operations/pending").await.json();
    assert_eq!(pending["pendingoperations"][0]["type_name"], "evict-brick");
    hold.release();
    assert_no_content(&app.client.poll(&moving.location()).await);
}
