//! `GET /volumes/{id}` and `GET /volumes` (api.md 11.2, 11.3).
use super::{of_bricks, replica};
use crate::{
    harness::{Start, TestApp, quick},
    routes::{UNKNOWN, assert_error, assert_json, id, keys, nodes, strings},
};
use brickyard::{domain::VolumeOption, operation::Settings};
use serde_json::{Value, json};

#[tokio::test]
async fn the_object() {
    let app = TestApp::start().await.with_nodes(3, 1).await;
    let cluster = crate::routes::only_cluster(&app).await;
    let body = json!({"size": 7, "durability": replica(3), "gid": 2000, "clusters": [cluster],
        "snapshot": {"enable": true, "factor": 1}});
    let id = id(&app.create_volume(body).await);
    let volume = assert_json(&app.client.get(&format!("/volumes/{id}")).await, 200);
    let order = [
        "size",
        "name",
        "durability",
        "gid",
        "glustervolumeoptions",
        "snapshot",
        "id",
        "cluster",
        "mount",
        "blockinfo",
        "bricks",
    ];
    assert_eq!(keys(&volume), order, "and `clusters` is not echoed");
    let mut hosts = vec![];
    let mut all = nodes(&app).await;
    all.sort_unstable();
    for node in all {
        let node = app.client.get(&format!("/nodes/{node}")).await.json();
        hosts.push(node["hostnames"]["storage"][0].as_str().unwrap().to_owned());
    }
    let name = format!("vol_{id}");
    let device = format!("{}:{name}", hosts[0]);
    let options = json!({"backup-volfile-servers": hosts[1..].join(",")});
    let mount = json!({"glusterfs": {"hosts": hosts, "device": device, "options": options}});
    let expected = json!({
        "size": 7, "name": name,
        "durability": {"type": "replicate", "replicate": {"replica": 3}, "disperse": {}},
        "gid": 2000, "glustervolumeoptions": ["", ""], "snapshot": {"enable": true, "factor": 1},
        "id": id, "cluster": cluster, "mount": mount, "blockinfo": {}, "bricks": volume["bricks"],
    });
    assert_eq!(volume.to_string(), expected.to_string());
    let bricks = volume["bricks"].as_array().unwrap();
    let ids: Vec<String> = bricks.iter().map(crate::routes::id).collect();
    assert_eq!(ids, of_bricks(&volume, "id"), "sorted");
    for brick in bricks {
        assert_eq!(keys(brick), ["id", "path", "device", "node", "volume", "size"]);
        assert_eq!((&brick["volume"], &brick["size"]), (&json!(id), &json!(7_340_032)));
    }
}

/// The request is echoed with the type filled in, whatever was made of it.
#[tokio::test]
async fn durability_is_echoed() {
    let app = TestApp::start().await.with_nodes(3, 1).await;
    for (given, shown) in [
        (Value::Null, json!({"type": "none", "replicate": {}, "disperse": {}})),
        (
            json!({"type": "replicate"}),
            json!({"type": "replicate", "replicate": {}, "disperse": {}}),
        ),
        (
            json!({"type": "replicate", "disperse": {"data": 4, "redundancy": 2}}),
            json!({"type": "replicate", "replicate": {}, "disperse": {"data": 4, "redundancy": 2}}),
        ),
    ] {
        let volume = app.create_volume(json!({"size": 1, "durability": given})).await;
        assert_eq!(volume["durability"].to_string(), shown.to_string());
    }
}

#[tokio::test]
async fn on_a_single_node() {
    let app = TestApp::start().await.with_nodes(1, 1).await;
    let volume = app.create_volume(json!({"size": 1, "name": "solo"})).await;
    let mount = json!({"glusterfs": {"hosts": ["10.0.0.1"], "device": "10.0.0.1:solo",
        "options": {"backup-volfile-servers": ""}}});
    assert_eq!(volume["mount"], mount);
    for absent in ["gid", "block", "clusters"] {
        assert_eq!(volume.get(absent), None, "{absent}");
    }
}

/// Configured options stand around those of the request; each that is not configured is one empty
/// string. Block hosting volumes have options of their own in between.
#[tokio::test]
async fn options_are_shown_with_their_surroundings() {
    let list = |text: &str| VolumeOption::list(text).unwrap();
    let set = Settings {
        pre_request_options: list("features.a on,features.b off"),
        post_request_options: list("features.z 1"),
        ..quick()
    };
    let block = || Settings { block_hosting_options: list("group gluster-block"), ..quick() };
    for (settings, body, shown) in [
        (quick(), json!({}), json!(["", ""])),
        (
            quick(),
            json!({"glustervolumeoptions": ["user.x b", "user.c d  e"]}),
            json!(["", "user.x b", "user.c d  e", ""]),
        ),
        (block(), json!({"block": true}), json!(["", "group gluster-block", ""])),
        (
            set.clone(),
            json!({"glustervolumeoptions": ["user.x b"]}),
            json!(["features.a on", "features.b off", "user.x b", "features.z 1"]),
        ),
        (set, json!({}), json!(["features.a on", "features.b off", "features.z 1"])),
    ] {
        let start = Start { settings, ..Start::default() };
        let app = TestApp::start_with(start).await.with_nodes(1, 1).await;
        let mut body = body;
        body["size"] = 1.into();
        assert_eq!(app.create_volume(body).await["glustervolumeoptions"], shown);
    }
}

/// 98 in a hundred are for block volumes, in whole GiB (api.md 11.7).
#[tokio::test]
async fn block_hosting() {
    let app = TestApp::start().await.with_nodes(1, 1).await;
    for (size, info) in [
        (1, json!({"reservedsize": 1})),
        (90, json!({"freesize": 88, "reservedsize": 2})),
        (100, json!({"freesize": 98, "reservedsize": 2})),
    ] {
        let volume = app.create_volume(json!({"size": size, "block": true})).await;
        assert_eq!(volume["block"], true);
        assert_eq!(volume["blockinfo"], info);
    }
}

#[tokio::test]
async fn the_list() {
    let app = TestApp::start().await.with_nodes(1, 1).await;
    assert_eq!(app.client.get("/volumes").await.text(), "{\"volumes\":[]}\n");
    let mut made = vec![];
    for _ in 0..5 {
        made.push(id(&app.create_volume(json!({"size": 1})).await));
    }
    made.sort_unstable();
    let list = assert_json(&app.client.get("/volumes").await, 200);
    assert_eq!(strings(&list["volumes"]), made);
    let cluster = crate::routes::only_cluster(&app).await;
    let cluster = app.client.get(&format!("/clusters/{cluster}")).await.json();
    assert_eq!(strings(&cluster["volumes"]), made);
    assert_error(&app.client.get(&format!("/volumes/{UNKNOWN}")).await, 404, "Id not found");
}
