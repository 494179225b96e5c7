//! `/blockvolumes` (api.md 12).
use super::{
    UNKNOWN, assert_accepted, assert_error, assert_json, assert_no_content,
    hold::{Broken, Hold},
    id, keys, only_cluster, run, send, strings,
};
use crate::harness::{Start, TestApp, client::Answer, quick};
use brickyard::{domain::Gib, operation::Settings};
use serde_json::{Value, json};
use std::sync::Arc;

const IN_USE: &str = "The target exists, contains other items, or is in use.";
const NEW: &str = "Failed to allocate new block volume: ";
const EXPAND: &str = "Failed to allocate block volume expansion: ";

/// Hosting volumes of 100 GiB are made when none has room.
pub fn automatic() -> Start {
    let settings = Settings { create_block_hosting: true, block_hosting_size: Gib(100), ..quick() };
    Start { settings, ..Start::default() }
}
pub async fn with_three_nodes() -> TestApp {
    TestApp::start_with(automatic()).await.with_nodes(3, 1).await
}
pub async fn create(app: &TestApp, body: Value) -> Value {
    let answer = app.client.finish(app.client.post("/blockvolumes", body).await).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}
async fn expand(app: &TestApp, block: &str, to: i64) -> Answer {
    let answer = app.client.post(&format!("{block}/expand"), json!({"new_size": to})).await;
    app.client.finish(answer).await
}
fn path(block: &Value) -> String {
    format!("/blockvolumes/{}", id(block))
}
/// The hosting volume's `blockinfo`.
pub async fn hosting(app: &TestApp, block: &Value) -> Value {
    let volume = block["blockhostingvolume"].as_str().unwrap();
    app.client.get(&format!("/volumes/{volume}")).await.json()["blockinfo"].clone()
}

#[tokio::test]
async fn order_of_checks() {
    let app = TestApp::start().await;
    let post = async |body: Value| app.client.post("/blockvolumes", body).await;
    let unparsable = send(&app.client, "POST", "/blockvolumes", "{").await;
    assert_error(&unparsable, 422, "request unable to be parsed");
    for (body, text) in [
        (json!({}), "size: cannot be blank."),
        (json!({"size": -1, "clusters": ["x"]}), "size: must be no less than 1."),
        (json!({"size": 1, "name": "a b"}), "name: must be in a valid format."),
        (json!({"size": 1, "name": "-a"}), "name: must be in a valid format."),
        (json!({"hacount": -1}), "hacount: must be no less than 1; size: cannot be blank."),
    ] {
        assert_error(&post(body).await, 400, &format!("validation failed: {text}"));
    }
    assert_error(&post(json!({"size": 1, "clusters": ["x"]})).await, 400, "No clusters configured");
    app.add_cluster().await;
    assert_error(&post(json!({"size": 1, "clusters": ["x"]})).await, 400, "Cluster id x not found");
}

/// With nothing to put it on, and none to be made, or none that could be large enough.
#[tokio::test]
async fn without_a_hosting_volume() {
    let app = TestApp::start().await.with_nodes(3, 1).await;
    let disabled =
        "Block Hosting Volume Creation is disabled. Create a Block hosting volume and try again.";
    let answer = app.client.post("/blockvolumes", json!({"size": 1})).await;
    assert_error(&answer, 500, &format!("{NEW}{disabled}"));
    let answer = app.client.post("/blockvolumes", json!({"size": 1004})).await;
    let text = "The size configured for automatic creation of block hosting volumes (1024) is too \
                small to host the requested block volume of size 1004. The available size on this \
                block hosting volume, minus overhead, is 1003. Please create a sufficiently large \
                block hosting volume manually.";
    assert_error(&answer, 500, &format!("{NEW}{text}"));
    let app = with_three_nodes().await;
    let answer = app.client.post("/blockvolumes", json!({"size": 99})).await;
    assert!(answer.text().contains("is 98. Please"), "{}", answer.text());
    // No device is large enough for the hosting volume.
    let settings = Settings { block_hosting_size: Gib(100_000), ..automatic().settings };
    let start = Start { settings, ..Start::default() };
    let app = TestApp::start_with(start).await.with_nodes(3, 1).await;
    let answer = app.client.post("/blockvolumes", json!({"size": 1})).await;
    assert_error(&answer, 500, &format!("{NEW}No space"));
    // No cluster takes block hosting volumes.
    let flags = format!("/clusters/{}/flags", only_cluster(&app).await);
    app.client.post(&flags, json!({"file": true, "block": false})).await;
    let answer = app.client.post("/blockvolumes", json!({"size": 1})).await;
    assert_error(&answer, 500, &format!("{NEW}Cluster does not support requested volume type"));
}

#[tokio::test]
async fn the_object() {
    let app = with_three_nodes().await;
    let accepted = app.client.post("/blockvolumes", json!({"size": 5})).await;
    assert_accepted(&accepted);
    let end = app.client.poll(&accepted.location()).await;
    assert_eq!(end.status, 303);
    let block = assert_json(&app.client.get(&end.location()).await, 200);
    assert_eq!(end.location(), path(&block));
    assert_eq!(
        keys(&block),
        [
            "size",
            "name",
            "hacount",
            "id",
            "blockvolume",
            "cluster",
            "blockhostingvolume",
            "usablesize"
        ]
    );
    assert_eq!(block["name"], format!("blockvol_{}", id(&block)));
    assert_eq!([&block["size"], &block["usablesize"], &block["hacount"]], [5, 5, 3]);
    assert_eq!(block["cluster"], only_cluster(&app).await);
    let target = &block["blockvolume"];
    assert_eq!(keys(target), ["hosts", "iqn", "lun", "username", "password"]);
    assert!(target["iqn"].as_str().unwrap().starts_with("iqn.2016-12.org.gluster-block:"));
    assert_eq!([&target["username"], &target["password"]], ["", ""]);
    assert_eq!(target["lun"], 0);
    // Without a number, on all nodes, in the order of their ids: as volumes show them.
    let volume = format!("/volumes/{}", block["blockhostingvolume"].as_str().unwrap());
    let volume = assert_json(&app.client.get(&volume).await, 200);
    assert_eq!(target["hosts"], volume["mount"]["glusterfs"]["hosts"]);
    // The hosting volume is an ordinary one of three copies.
    assert_eq!([&volume["size"], &volume["durability"]["replicate"]["replica"]], [100, 3]);
    assert_eq!(volume["block"], true);
    assert_eq!(volume["name"], format!("vol_{}", id(&volume)));
    assert_eq!(volume["glustervolumeoptions"], json!(["", "group gluster-block", ""]));
    let info = json!({"freesize": 93, "reservedsize": 2, "blockvolume": [id(&block)]});
    assert_eq!(volume["blockinfo"], info);
    assert_error(&app.client.get(&format!("/blockvolumes/{UNKNOWN}")).await, 404, "Id not found");
}

#[tokio::test]
async fn hosts_and_passwords() {
    let app = TestApp::start_with(automatic()).await.with_nodes(4, 1).await;
    for (hacount, shown) in [(1, 1), (3, 3), (4, 4), (5, 4), (100, 4)] {
        let block = create(&app, json!({"size": 1, "hacount": hacount, "auth": true})).await;
        assert_eq!(block["hacount"], shown, "{hacount}");
        let mut hosts = strings(&block["blockvolume"]["hosts"]);
        hosts.sort_unstable();
        hosts.dedup();
        assert_eq!(hosts.len(), shown);
        let target = &block["blockvolume"];
        let [username, password] = ["username", "password"].map(|m| target[m].as_str().unwrap());
        assert!(target["iqn"].as_str().unwrap().ends_with(username) && !username.is_empty());
        assert_eq!(password, app.sim.world().block_volumes.last().unwrap().password);
    }
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..12 {
        let block = create(&app, json!({"size": 1, "hacount": 1})).await;
        seen.extend(strings(&block["blockvolume"]["hosts"]));
    }
    assert!(seen.len() > 1, "not always the same host: {seen:?}");
}

/// The fullest one that has the room, unless it has a block volume of that name or is locked.
#[tokio::test]
async fn the_choice_of_the_hosting_volume() {
    let app = TestApp::start().await.with_nodes(3, 2).await;
    let mut made = vec![];
    for size in [50, 20, 100] {
        let durability = json!({"type": "replicate", "replicate": {"replica": 3}});
        let body = json!({"size": size, "block": true, "durability": durability});
        made.push(id(&app.create_volume(body).await));
    }
    let [middle, small, large] = made.try_into().unwrap();
    let lands = async |body: Value, on: &str| {
        let block = create(&app, body).await;
        assert_eq!(block["blockhostingvolume"], on);
    };
    lands(json!({"size": 10, "name": "a"}), &small).await;
    lands(json!({"size": 10, "name": "b"}), &middle).await;
    lands(json!({"size": 9, "name": "c"}), &small).await;
    lands(json!({"size": 39, "name": "d"}), &middle).await;
    lands(json!({"size": 90, "name": "e"}), &large).await;
    let full = app.client.post("/blockvolumes", json!({"size": 9})).await;
    assert!(full.text().contains("Creation is disabled"), "{}", full.text());
    let restriction = format!("/volumes/{large}/block-restriction");
    assert_eq!(run(&app, &restriction, json!({"restriction": "locked"})).await.status, 303);
    let locked = app.client.post("/blockvolumes", json!({"size": 1})).await;
    assert!(locked.text().contains("Creation is disabled"), "{}", locked.text());
    assert_eq!(run(&app, &restriction, json!({})).await.status, 303);
    let same = app.client.post("/blockvolumes", json!({"size": 1, "name": "e"})).await;
    assert!(same.text().contains("Creation is disabled"), "{}", same.text());
    lands(json!({"size": 8, "name": "f"}), &large).await;
}

#[tokio::test]
async fn lists() {
    let app = with_three_nodes().await;
    assert_eq!(app.client.get("/blockvolumes").await.text(), "{\"blockvolumes\":[]}\n");
    let mut made = vec![];
    for _ in 0..4 {
        made.push(create(&app, json!({"size": 2})).await);
    }
    let mut ids: Vec<_> = made.iter().map(id).collect();
    ids.sort_unstable();
    let list = assert_json(&app.client.get("/blockvolumes").await, 200);
    assert_eq!(strings(&list["blockvolumes"]), ids);
    let cluster = format!("/clusters/{}", only_cluster(&app).await);
    let cluster_info = app.client.get(&cluster).await.json();
    assert_eq!(strings(&cluster_info["blockvolumes"]), ids);
    assert_eq!(strings(&cluster_info["volumes"]).len(), 1);
    let info = hosting(&app, &made[0]).await;
    assert_eq!((strings(&info["blockvolume"]), &info["freesize"]), (ids, &json!(90)));
}

#[tokio::test]
async fn expanding() {
    let app = with_three_nodes().await;
    let block = create(&app, json!({"size": 10})).await;
    let path = path(&block);
    let post = async |body: Value| app.client.post(&format!("{path}/expand"), body).await;
    let unparsable = send(&app.client, "POST", &format!("{path}/expand"), "").await;
    assert_error(&unparsable, 422, "request unable to be parsed");
    for (body, text) in [
        (json!({"size": 20}), "new_size: cannot be blank."),
        (json!({"new_size": -5}), "new_size: must be no less than 1."),
    ] {
        assert_error(&post(body).await, 400, &format!("validation failed: {text}"));
    }
    let unknown = format!("/blockvolumes/{UNKNOWN}/expand");
    let unknown = app.client.post(&unknown, json!({"new_size": 20})).await;
    assert_error(&unknown, 404, "Id not found");
    for (size, text) in [
        (10, "Requested new-size 10 is same as current block volume size 10, nothing to be done."),
        (
            9,
            "Requested new-size 9 is less than current block volume size 10, shrinking is not \
             allowed.",
        ),
        (99, "No space"),
    ] {
        assert_error(&post(json!({"new_size": size})).await, 500, &format!("{EXPAND}{text}"));
    }
    let accepted = post(json!({"new_size": 98})).await;
    assert_accepted(&accepted);
    let end = app.client.poll(&accepted.location()).await;
    assert_eq!((end.status, end.location()), (303, path.clone()));
    let grown = app.client.get(&path).await.json();
    assert_eq!([&grown["size"], &grown["usablesize"]], [98, 98]);
    assert_eq!(hosting(&app, &block).await["freesize"], Value::Null);
    assert_eq!(app.sim.world().block_volumes[0].size, 98);
}

/// Some hosts could not follow: told as an error, shown as it is.
#[tokio::test]
async fn expanding_in_part() {
    let app = with_three_nodes().await;
    let path = path(&create(&app, json!({"size": 10})).await);
    app.sim.world().ill_targets.insert("10.0.0.2".into());
    let failed = expand(&app, &path, 20).await;
    assert_eq!(failed.status, 500);
    assert!(failed.text().contains("only 10 GiB can be used"), "{}", failed.text());
    let block = app.client.get(&path).await.json();
    assert_eq!([&block["size"], &block["usablesize"]], [20, 10]);
    app.sim.world().ill_targets.clear();
    assert_eq!(expand(&app, &path, 20).await.json()["usablesize"], 20);
}

#[tokio::test]
async fn deleting() {
    let app = with_three_nodes().await;
    let block = create(&app, json!({"size": 10})).await;
    let kept = create(&app, json!({"size": 1})).await;
    let path = path(&block);
    let volume = format!("/volumes/{}", block["blockhostingvolume"].as_str().unwrap());
    let used = "Cannot delete a block hosting volume containing block volumes";
    assert_error(&app.client.delete(&volume).await, 409, used);
    let accepted = app.client.delete(&path).await;
    assert_accepted(&accepted);
    assert_no_content(&app.client.poll(&accepted.location()).await);
    for answer in [app.client.get(&path).await, app.client.delete(&path).await] {
        assert_error(&answer, 404, "Id not found");
    }
    assert_eq!(hosting(&app, &kept).await["freesize"], 97);
    assert_eq!(app.sim.world().block_volumes.len(), 1);
    // The hosting volume stays, and goes like any other when nothing is on it.
    app.client.finish(app.client.delete(&super::block_volumes::path(&kept)).await).await;
    assert_eq!(app.client.get(&volume).await.json()["blockinfo"]["freesize"], 98);
    assert_eq!(app.client.finish(app.client.delete(&volume).await).await.status, 204);
}

/// What others see meanwhile (api.md 11.8).
#[tokio::test]
async fn while_something_is_being_done() {
    let app = with_three_nodes().await;
    let first = create(&app, json!({"size": 10})).await;
    let ids = async || strings(&app.client.get("/blockvolumes").await.json()["blockvolumes"]);
    let free = async || hosting(&app, &first).await["freesize"].clone();
    let only_first = vec![id(&first)];

    let hold = Hold::at(&app, "gluster-block create");
    let creating = app.client.post("/blockvolumes", json!({"size": 20})).await;
    hold.wait().await;
    assert_eq!((ids().await, free().await), (only_first.clone(), json!(68)));
    assert_eq!(strings(&hosting(&app, &first).await["blockvolume"]), only_first);
    let pending = app.client.get("/operations/pending").await.json();
    let operation = &pending["pendingoperations"][0];
    assert_eq!(operation["type_name"], "create-block-volume");
    let details = format!("/operations/pending/{}", id(operation));
    let details = app.client.get(&details).await.json();
    assert_eq!(details["changes"][0]["description"], "Add block volume");
    hold.release();
    let second = app.client.finish(creating).await.json();

    let second_path = path(&second);
    let hold = Hold::at(&app, "gluster-block modify");
    let growing = app.client.post(&format!("{second_path}/expand"), json!({"new_size": 30})).await;
    hold.wait().await;
    assert_eq!((free().await, ids().await.len()), (json!(58), 2), "visible, with the old size");
    assert_eq!(app.client.get(&second_path).await.json()["size"], 20);
    let delete = app.client.delete(&second_path).await;
    assert_error(&delete, 500, &format!("Failed to set up block volume delete: {IN_USE}"));
    hold.release();
    assert_eq!(app.client.finish(growing).await.json()["size"], 30);

    let hold = Hold::at(&app, "gluster-block delete");
    let deleting = app.client.delete(&second_path).await;
    hold.wait().await;
    assert_eq!((free().await, ids().await), (json!(58), only_first.clone()));
    assert_error(&app.client.get(&second_path).await, 404, "Id not found");
    hold.release();
    assert_eq!(app.client.finish(deleting).await.status, 204);
    assert_eq!(free().await, json!(88));
}

/// One operation makes both, and takes both back.
#[tokio::test]
async fn with_its_hosting_volume() {
    let app = with_three_nodes().await;
    let hold = Hold::at(&app, "volume create");
    let accepted = app.client.post("/blockvolumes", json!({"size": 1})).await;
    hold.wait().await;
    let second = app.client.post("/blockvolumes", json!({"size": 1})).await;
    assert_error(&second, 429, "Server busy. Retry operation later.");
    let pending = app.client.get("/operations/pending").await.json();
    let details = format!("/operations/pending/{}", id(&pending["pendingoperations"][0]));
    let changes = app.client.get(&details).await.json()["changes"].clone();
    let words: Vec<_> =
        changes.as_array().unwrap().iter().map(|c| c["description"].clone()).collect();
    assert_eq!(words, ["Add brick", "Add brick", "Add brick", "Add volume", "Add block volume"]);
    hold.release();
    assert_eq!(app.client.finish(accepted).await.status, 200);

    let app = with_three_nodes().await;
    app.sim.set_faults(Some(Arc::new(Broken("gluster-block create", "the target is on fire"))));
    let failed = app.client.post("/blockvolumes", json!({"size": 1})).await;
    let failed = app.client.finish(failed).await;
    assert_eq!(failed.status, 500);
    assert!(failed.text().starts_with("the target is on fire"), "{}", failed.text());
    assert_eq!(app.client.get("/volumes").await.json(), json!({"volumes": []}));
    assert!(app.sim.world().volumes.is_empty() && app.sim.world().block_volumes.is_empty());
    let device = &super::devices(&app, &super::nodes(&app).await[0]).await[0];
    assert_eq!(device["storage"]["used"], 0);
}

#[tokio::test]
async fn throttled() {
    let settings = Settings { max_in_flight: 1, max_waiting: 0, ..automatic().settings };
    let start = Start { settings, ..Start::default() };
    let app = TestApp::start_with(start).await.with_nodes(3, 1).await;
    let block = create(&app, json!({"size": 1})).await;
    let (path, volume) = (path(&block), block["blockhostingvolume"].as_str().unwrap().to_owned());
    let hold = Hold::at(&app, "gluster-block create");
    let running = app.client.post("/blockvolumes", json!({"size": 1})).await;
    hold.wait().await;
    for (method, path, body) in [
        ("POST", "/blockvolumes".to_owned(), r#"{"size":1}"#),
        ("POST", format!("{path}/expand"), r#"{"new_size":9}"#),
        ("DELETE", path.clone(), ""),
        ("POST", format!("/volumes/{volume}/block-restriction"), "{}"),
    ] {
        let answer = send(&app.client, method, &path, body).await;
        assert_error(&answer, 429, "Server busy. Retry operation later.");
    }
    let unknown = app.client.delete(&format!("/blockvolumes/{UNKNOWN}")).await;
    assert_error(&unknown, 404, "Id not found");
    hold.release();
    app.client.finish(running).await;
}
