//! `/devices` (api.md 10); states and tags have files of their own.
use super::{
    UNKNOWN, assert_accepted, assert_error, assert_json, assert_no_content, devices, hold::Hold,
    id, keys, nodes, send, wire,
};
use crate::harness::{TestApp, client::Answer};
use brickyard::{app::Mode, node::sim::world::Pv};
use serde_json::{Value, json};

const HOST: &str = "n0.example.com";

async fn one() -> (TestApp, String, String) {
    let app = TestApp::start().await.with_nodes(1, 1).await;
    let node = nodes(&app).await[0].clone();
    let device = format!("/devices/{}", id(&devices(&app, &node).await[0]));
    (app, node, device)
}

async fn add(app: &TestApp, node: &str, name: &str, destroy: bool) -> Answer {
    let body = json!({"node": node, "name": name, "destroydata": destroy});
    super::run(app, "/devices", body).await
}

#[tokio::test]
async fn the_object() {
    let (app, node, _) = one().await;
    let body = json!({"node": node, "name": "/dev/nvme0n1", "tags": {"slot": "3"}});
    let accepted = app.client.post("/devices", body).await;
    assert_accepted(&accepted);
    // The id of the new device is never told: clients read the node again.
    assert_no_content(&app.client.poll(&accepted.location()).await);
    let all = devices(&app, &node).await;
    let new = all.iter().find(|d| d["name"] == "/dev/nvme0n1").unwrap();
    let device = assert_json(&app.client.get(&format!("/devices/{}", id(new))).await, 200);
    assert_eq!(
        keys(&device),
        ["name", "tags", "storage", "id", "paths", "pv_uuid", "state", "bricks"]
    );
    assert_eq!(keys(&device["storage"]), ["total", "free", "used"]);
    assert_eq!(device["storage"]["total"], 524_288_000, "KiB");
    assert_eq!(device["storage"]["used"], 0);
    assert_eq!((&device["state"], &device["tags"]), (&json!("online"), &json!({"slot": "3"})));
    assert_eq!(device["bricks"], json!([]));

    let volume = app.create_volume(json!({"size": 10})).await;
    let device = volume["bricks"][0]["device"].as_str().unwrap();
    let device = app.client.get(&format!("/devices/{device}")).await.json();
    assert_eq!(device["bricks"], volume["bricks"]);
    let brick = &device["bricks"][0];
    assert_eq!(keys(brick), ["id", "path", "device", "node", "volume", "size"]);
    let path = format!("/var/lib/heketi/mounts/vg_{}/brick_{}/brick", id(&device), id(brick));
    assert_eq!(brick["path"], path);
    // 10 GiB and half a percent for the metadata, both in whole extents (api.md 11.6).
    let used = 10_485_760 + 53_248;
    assert_eq!(device["storage"]["used"], used);
    assert_eq!(device["storage"]["free"], 524_288_000 - used);
}

#[tokio::test]
async fn all_fields_are_checked_at_once() {
    let app = TestApp::start().await;
    let name = "name: must be in a valid format";
    let mut table: Vec<(Value, String)> = vec![
        (json!({}), "name: cannot be blank; node: cannot be blank".into()),
        (json!({"name": "/dev/x", "node": "x"}), "node: x is not a valid UUID".into()),
        (json!({"name": "/dev/x", "node": ""}), "node: cannot be blank".into()),
        (
            json!({"name": "/dev/x", "node": UNKNOWN, "tags": {"a b": ""}}),
            "tags: invalid characters in tag name a b".into(),
        ),
    ];
    for bad in ["/", "dev/sdb", "/dev/sd b", "/dev/sdb;reboot", "/dev/$(x)", "/dev/ä", "/dev/x\n"]
    {
        table.push((json!({"name": bad, "node": UNKNOWN}), name.into()));
    }
    for (body, text) in table {
        let answer = app.client.post("/devices", body).await;
        assert_error(&answer, 400, &format!("validation failed: {text}."));
    }
}

#[tokio::test]
async fn the_node_must_be_there() {
    let (app, node, _) = one().await;
    let upper = node.to_uppercase();
    for node in [UNKNOWN, &UNKNOWN.to_uppercase(), &upper] {
        let answer = app.client.post("/devices", json!({"node": node, "name": "/dev/x"})).await;
        assert_error(&answer, 404, "Node id does not exist");
    }
    // Its state does not matter.
    super::run(&app, &format!("/nodes/{node}/state"), json!({"state": "offline"})).await;
    assert_no_content(&add(&app, &node, "/dev/sdx", false).await);
}

/// Heketi 5 to 9 said so; 10 has lost the check and lets LVM refuse it in the background.
#[tokio::test]
async fn added_twice() {
    let app = TestApp::start().await.with_nodes(2, 1).await;
    let all = nodes(&app).await;
    let device = id(&devices(&app, &all[0]).await[0]);
    for destroy in [false, true] {
        let body = json!({"node": all[0], "name": "/dev/sdb", "destroydata": destroy});
        let text = format!("Device /dev/sdb is already used on node {} by device {device}", all[0]);
        assert_error(&app.client.post("/devices", body).await, 409, &text);
    }
    assert_no_content(&add(&app, &all[1], "/dev/sdz", false).await);
}

#[tokio::test]
async fn a_disk_with_data() {
    let (app, node, _) = one().await;
    app.sim.world().nodes.get_mut(HOST).unwrap().foreign.insert("/dev/sdf".into());
    let refused = add(&app, &node, "/dev/sdf", false).await;
    assert_eq!(refused.status, 500);
    let text = refused.text();
    let words =
        "Initializing device /dev/sdf failed (already initialized or contains data?): 1 existing";
    assert!(text.starts_with(words), "{text}");
    assert_eq!(devices(&app, &node).await.len(), 1, "nothing of it is left");
    assert!(app.sim.world().nodes[HOST].foreign.contains("/dev/sdf"), "and nothing was wiped");

    assert_no_content(&add(&app, &node, "/dev/sdf", true).await);
    assert_eq!(devices(&app, &node).await.len(), 2);
    assert!(!app.sim.world().nodes[HOST].foreign.contains("/dev/sdf"));
}

/// A disk of ours under another name is not wiped, whatever is asked for.
#[tokio::test]
async fn a_disk_of_ours() {
    let (app, node, device) = one().await;
    let shown = app.client.get(&device).await.json();
    let uuid = shown["pv_uuid"].as_str().unwrap().to_owned();
    let pv = Pv { uuid, group: Some(format!("vg_{}", id(&shown))) };
    app.sim.world().nodes.get_mut(HOST).unwrap().pvs.insert("/dev/other".into(), pv.clone());
    let refused = add(&app, &node, "/dev/other", true).await;
    assert_error(&refused, 500, &format!("Device already in use (ID: {})", id(&shown)));
    assert_eq!(app.sim.world().nodes[HOST].pvs["/dev/other"], pv);
}

#[tokio::test]
async fn life_cycle() {
    let (app, node, device) = one().await;
    let text = format!("device: {} is not in failed state", device.rsplit('/').next().unwrap());
    let path = format!("{device}/state");
    for to in ["online", "offline"] {
        super::run(&app, &path, json!({"state": to})).await;
        assert_error(&app.client.delete(&device).await, 400, &text);
        // What the body says comes first, then whether the device may go.
        let bad = send(&app.client, "DELETE", &device, "{").await;
        assert_error(&bad, 422, "request unable to be parsed");
        // A body that comes in chunks is not looked at.
        assert_error(&wire::chunked(&app, "DELETE", &device, b"{").await, 400, &text);
    }
    super::run(&app, &path, json!({"state": "failed"})).await;
    let accepted = send(&app.client, "DELETE", &device, r#"{"forceforget":false}"#).await;
    assert_accepted(&accepted);
    assert_no_content(&app.client.poll(&accepted.location()).await);
    assert_error(&app.client.get(&device).await, 404, "Id not found");
    assert_error(&app.client.delete(&device).await, 404, "Id not found");
    assert!(app.sim.world().nodes[HOST].pvs.is_empty(), "the disk is given back");
    assert!(app.sim.world().nodes[HOST].groups.is_empty());
    assert_no_content(&add(&app, &node, "/dev/sdb", false).await);
}

/// Bodies that clients send along: none, `{}`, what heketi-cli sends, and that of a library.
#[tokio::test]
async fn bodies_of_delete() {
    for body in [None, Some("{}"), Some("null"), Some(r#"{"FORCEFORGET":true}"#)] {
        let (app, _, device) = one().await;
        for to in ["offline", "failed"] {
            super::run(&app, &format!("{device}/state"), json!({"state": to})).await;
        }
        let accepted = app.client.send("DELETE", &device, &[], body.map(str::as_bytes)).await;
        assert_accepted(&accepted);
        assert_no_content(&app.client.poll(&accepted.location()).await);
    }
}

/// Its record stays as it was, and goes when it is asked for by force.
#[tokio::test]
async fn a_device_of_a_dead_node() {
    let (app, _, device) = one().await;
    for to in ["offline", "failed"] {
        super::run(&app, &format!("{device}/state"), json!({"state": to})).await;
    }
    app.sim.world().down.insert(HOST.into());
    for _ in 0..2 {
        let failed = app.client.finish(app.client.delete(&device).await).await;
        assert_eq!(failed.status, 500);
        assert!(failed.text().contains("cannot be reached"), "{}", failed.text());
        assert_eq!(app.client.get(&device).await.json()["state"], "failed");
    }
    let accepted = send(&app.client, "DELETE", &device, r#"{"forceforget":true}"#).await;
    assert_accepted(&accepted);
    assert_no_content(&app.client.poll(&accepted.location()).await);
    assert_error(&app.client.get(&device).await, 404, "Id not found");
}

/// What LVM says counts from then on, in every administrative mode: the method is GET.
#[tokio::test]
async fn resync() {
    let (app, _, device) = one().await;
    app.create_volume(json!({"size": 1})).await;
    app.app.gate.set(Mode::ReadOnly);
    for (extents, used) in [(128_000, 1_056_768), (1_000, 1_056_768)] {
        let name = format!("vg_{}", device.rsplit('/').next().unwrap());
        let group = |extents| {
            app.sim.world().nodes.get_mut(HOST).unwrap().groups.get_mut(&name).unwrap().extents =
                extents;
        };
        group(extents);
        let accepted = app.client.get(&format!("{device}/resync")).await;
        assert_no_content(&app.client.poll(&accepted.location()).await);
        let storage = app.client.get(&device).await.json()["storage"].clone();
        let total = extents * 4096;
        assert_eq!(storage, json!({"total": total, "free": total - used, "used": used}));
    }
    let unknown = app.client.get(&format!("/devices/{UNKNOWN}/resync")).await;
    assert_error(&unknown, 404, "Id not found");
}

/// While bricks come or go, LVM's numbers are neither those of before nor those of after.
#[tokio::test]
async fn resync_while_bricks_come() {
    let (app, _, device) = one().await;
    let hold = Hold::at(&app, "volume create");
    let creating = app.client.post("/volumes", json!({"size": 1})).await;
    hold.wait().await;
    let accepted = app.client.get(&format!("{device}/resync")).await;
    let refused = app.client.poll(&accepted.location()).await;
    let text = "The target exists, contains other items, or is in use.";
    assert_error(&refused, 500, text);
    hold.release();
    assert_eq!(app.client.finish(creating).await.status, 200);
}
