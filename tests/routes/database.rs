//! `/db/dump`, `/db/check` and `/backup/db` (api.md 13).
use super::{UNKNOWN, id, keys, run, strings};
use crate::harness::{
    BusyMounts, TestApp,
    client::{Answer, Client},
};
use brickyard::store::Store;
use serde_json::{Value, json};
use std::sync::Arc;

/// Indented JSON, closed by a line break; the value.
#[track_caller]
fn assert_indented(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/json; charset=UTF-8"));
    let text = answer.text();
    assert!(text.starts_with("{\n    \"") && text.ends_with("\n}\n"), "{text}");
    assert_eq!(answer.header("content-length"), Some(text.len().to_string().as_str()));
    answer.json()
}

async fn dump(client: &Client) -> Value {
    assert_indented(&client.get("/db/dump").await)
}

async fn check(client: &Client) -> Value {
    assert_indented(&client.get("/db/check").await)
}

const MAPS: [&str; 8] = [
    "clusterentries",
    "volumeentries",
    "brickentries",
    "nodeentries",
    "deviceentries",
    "blockvolumeentries",
    "dbattributeentries",
    "pendingoperations",
];

#[tokio::test]
async fn an_empty_database() {
    let app = TestApp::start().await;
    let all = dump(&app.client).await;
    assert_eq!(keys(&all), MAPS);
    for map in MAPS {
        let is_empty = all[map].as_object().unwrap().is_empty();
        assert_eq!(is_empty, map != "dbattributeentries", "{map}");
    }
    let attributes = &all["dbattributeentries"];
    let yes = json!({"Key": "DB_HAS_PENDING_OPS_BUCKET", "Value": "yes"});
    assert_eq!(attributes["DB_HAS_PENDING_OPS_BUCKET"], yes);
    let generation = attributes["DB_GENERATION_ID"]["Value"].as_str().unwrap();
    assert_eq!((generation.len(), generation.to_ascii_lowercase().as_str()), (32, generation));
    assert_eq!(attributes.as_object().unwrap().len(), 5);
}

/// Every member of what Heketi wrote, with its type, in its order: our entries look like its own.
#[tokio::test]
async fn entries_have_the_members_of_heketis_own() {
    let app = TestApp::start().await.with_nodes(3, 2).await;
    let tags = json!({"change_type": "set", "tags": {"rack": "r1"}});
    let nodes = super::nodes(&app).await;
    app.client.post(&format!("/nodes/{}/tags", nodes[0]), tags).await;
    app.create_volume(json!({"size": 10, "gid": 2000, "durability": {"type": "replicate",
        "replicate": {"replica": 3}}, "snapshot": {"enable": true, "factor": 1.25},
        "glustervolumeoptions": ["user.heketi.arbiter true"]}))
        .await;
    app.create_volume(json!({"size": 100, "block": true, "durability":
        {"type": "replicate", "replicate": {"replica": 3}}}))
        .await;
    let ours = dump(&app.client).await;
    let golden = include_str!("../data/heketi/databases/v10-mixed.json");
    let golden: Value = serde_json::from_str(golden).unwrap();
    for map in MAPS {
        let known: Vec<&Value> = golden[map].as_object().unwrap().values().collect();
        for (id, entry) in ours[map].as_object().unwrap() {
            for (path, member) in members(entry) {
                // What Heketi's simulation of nodes could not know.
                if [".Info.paths", ".Info.pv_uuid"].contains(&path.as_str()) {
                    continue;
                }
                let same = |other: &&&Value| {
                    members(other).iter().any(|(p, m)| *p == path && kind(m) == kind(member))
                };
                assert!(known.iter().any(|other| same(&other)), "{map} {id} {path}: {member}");
            }
            // And none of those that Heketi always writes is missing.
            for (path, _) in members(known[0]) {
                if known.iter().all(|other| members(other).iter().any(|(p, _)| *p == path)) {
                    assert!(members(entry).iter().any(|(p, _)| *p == path), "{map} {id}: {path}");
                }
            }
        }
    }
    // The order of members, by an ordinary entry of each map.
    let volume = ours["volumeentries"].as_object().unwrap().values().next().unwrap();
    assert_eq!(keys(volume), ["Info", "Bricks", "GlusterVolumeOptions", "Pending"]);
    let brick = ours["brickentries"].as_object().unwrap().values().next().unwrap();
    assert_eq!(
        keys(brick),
        ["Info", "TpSize", "PoolMetadataSize", "Pending", "LvmThinPool", "LvmLv", "SubType"]
    );
    let arbiters = ours["brickentries"].as_object().unwrap().values();
    assert_eq!(arbiters.filter(|b| b["SubType"] == 2).count(), 1);
}

/// Paths and values of all members; those of lists count as the list.
fn members(entry: &Value) -> Vec<(String, &Value)> {
    fn walk<'a>(path: &str, value: &'a Value, found: &mut Vec<(String, &'a Value)>) {
        found.push((path.to_owned(), value));
        // Names of tags are free.
        if let Some(object) = value.as_object().filter(|_| path.rsplit('.').next() != Some("tags"))
        {
            for (name, member) in object {
                walk(&format!("{path}.{name}"), member, found);
            }
        }
    }
    let mut found = vec![];
    walk("", entry, &mut found);
    found
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}

#[tokio::test]
async fn entries_say_what_the_objects_say() {
    let app = TestApp::start().await.with_nodes(3, 2).await;
    let volume = app
        .create_volume(json!({"size": 10, "durability": {"type": "replicate",
        "replicate": {"replica": 3}}}))
        .await;
    let all = dump(&app.client).await;
    let entry = &all["volumeentries"][id(&volume)];
    for member in ["size", "name", "durability", "snapshot", "id", "cluster", "mount", "blockinfo"]
    {
        assert_eq!(entry["Info"][member], volume[member], "{member}");
    }
    assert_eq!(entry["GlusterVolumeOptions"], volume["glustervolumeoptions"]);
    assert_eq!(entry["Pending"], json!({"Id": ""}));
    for brick in volume["bricks"].as_array().unwrap() {
        let entry = &all["brickentries"][id(brick)];
        assert_eq!(entry["Info"], *brick);
        assert_eq!(
            (&entry["TpSize"], &entry["PoolMetadataSize"]),
            (&json!(10_485_760), &json!(53_248))
        );
        assert_eq!(entry["LvmThinPool"], format!("tp_{}", id(brick)));
        let device = &all["deviceentries"][brick["device"].as_str().unwrap()];
        assert_eq!(strings(&device["Bricks"]), [id(brick)]);
        let whole =
            app.client.get(&format!("/devices/{}", brick["device"].as_str().unwrap())).await;
        assert_eq!(device["Info"]["storage"], whole.json()["storage"]);
        assert_eq!(device["ExtentSize"], 4096);
        let node = &all["nodeentries"][brick["node"].as_str().unwrap()];
        assert!(strings(&node["Devices"]).contains(&id(&whole.json())));
    }
    let cluster = volume["cluster"].as_str().unwrap();
    let info = app.client.get(&format!("/clusters/{cluster}")).await.json();
    assert_eq!(all["clusterentries"][cluster]["Info"], info);
    // Twice the same is twice the same, to the byte.
    let [one, two] = [app.client.get("/db/dump").await, app.client.get("/db/dump").await];
    assert_eq!(one.text(), two.text());
}

/// A volume whose deletion is stuck: its entry, its bricks and the operation name each other.
#[tokio::test]
async fn an_unfinished_operation_is_in_it() {
    let app = TestApp::start().await.with_nodes(1, 1).await;
    let volume = app.create_volume(json!({"size": 10})).await;
    let other = app.create_volume(json!({"size": 1})).await;
    let path = format!("/volumes/{}", id(&volume));
    assert_eq!(run(&app, &format!("{path}/expand"), json!({"expand_size": 5})).await.status, 303);
    app.sim.set_faults(Some(Arc::new(BusyMounts)));
    let accepted = app.client.delete(&path).await;
    assert_eq!(app.client.poll(&accepted.location()).await.status, 500);
    let operation = accepted.location().trim_start_matches("/queue/").to_owned();

    let all = dump(&app.client).await;
    assert_eq!(keys(&all["pendingoperations"]), [operation.as_str()]);
    let entry = &all["pendingoperations"][&operation];
    assert_eq!(keys(entry), ["Id", "Timestamp", "Type", "Actions", "Status"]);
    assert_eq!((&entry["Id"], &entry["Type"]), (&json!(operation), &json!(2)));
    assert_eq!(entry["Status"], "failed");
    assert!(entry["Timestamp"].as_i64().unwrap() > 1_700_000_000);
    let mut changes = entry["Actions"].as_array().unwrap().clone();
    let last = changes.pop().unwrap();
    assert_eq!(
        last.to_string(),
        json!({"Change": 4, "Id": id(&volume), "Delta": null}).to_string()
    );
    let entry = &all["volumeentries"][id(&volume)];
    assert_eq!(entry["Pending"]["Id"], operation);
    let bricks: Vec<_> = changes.iter().map(|c| c["Id"].as_str().unwrap().to_owned()).collect();
    assert_eq!((bricks.len(), sorted(&bricks)), (2, strings(&entry["Bricks"])));
    for (brick, change) in bricks.iter().zip(&changes) {
        assert_eq!(change["Change"], 3);
        assert_eq!(all["brickentries"][brick]["Pending"]["Id"], operation);
    }
    // Hidden from clients, and in the lists of the database.
    assert_eq!(all["volumeentries"][id(&other)]["Pending"]["Id"], "");
    let cluster = &all["clusterentries"][volume["cluster"].as_str().unwrap()]["Info"];
    assert_eq!(strings(&cluster["volumes"]), sorted(&[id(&volume), id(&other)]));
    let found = check(&app.client).await;
    assert_eq!((&found["bricks"]["pending"], &found["volumes"]["pending"]), (&json!(2), &json!(1)));
    assert_eq!(found["totalinconsistencies"], 0, "{found}");
}

fn sorted(ids: &[String]) -> Vec<String> {
    let mut ids = ids.to_vec();
    ids.sort();
    ids
}

/// Whoever writes neither waits for a dump nor is waited for, and what is not committed is not in it.
#[tokio::test]
async fn a_dump_is_what_is_committed() {
    let app = TestApp::start().await;
    let first = app.add_cluster().await;
    let mut open = app.app.store.write().await.unwrap();
    let id = brickyard::domain::ClusterId::random();
    let cluster = brickyard::store::clusters::Cluster { id, file: true, block: false };
    brickyard::store::clusters::insert(&mut open, cluster).await.unwrap();
    assert_eq!(keys(&dump(&app.client).await["clusterentries"]), [first.as_str()]);
    open.commit().await.unwrap();
    let both = dump(&app.client).await;
    assert_eq!(keys(&both["clusterentries"]), sorted(&[first, id.to_string()]));
}

#[tokio::test]
async fn what_is_all_right_is_ok() {
    let app = TestApp::start().await.with_nodes(3, 1).await;
    app.create_volume(json!({"size": 1, "durability": {"type": "replicate"}})).await;
    let found = check(&app.client).await;
    let part =
        |n: u64| json!({"total": n, "pending": 0, "ok": n, "notok": 0, "inconsistencies": null});
    let expected = json!({
        "clusters": part(1), "volumes": part(1), "bricks": part(2), "nodes": part(3),
        "devices": part(3), "blockvolumes": part(0), "dbattributes": part(0),
        "pendingoperations": part(0), "totalinconsistencies": 0
    });
    assert_eq!(found.to_string(), expected.to_string());
}

#[tokio::test]
async fn a_device_whose_space_does_not_add_up_is_found() {
    let app = TestApp::start().await.with_nodes(1, 1).await;
    let device = super::devices(&app, &super::nodes(&app).await[0]).await.remove(0);
    let mut tx = app.app.store.write().await.unwrap();
    let all = brickyard::domain::Kib(500 * 1024 * 1024);
    let used = brickyard::domain::Kib(4096);
    let key = id(&device).parse().unwrap();
    brickyard::store::devices::set_space(&mut tx, key, all, used).await.unwrap();
    tx.commit().await.unwrap();
    let found = check(&app.client).await;
    let words =
        format!("Device {} size values differ Used(4096) != aggregateBricksSize(0)", id(&device));
    assert_eq!(found["devices"]["inconsistencies"], json!([words]));
    assert_eq!(
        (&found["devices"]["notok"], &found["totalinconsistencies"]),
        (&json!(1), &json!(1))
    );
}

#[tokio::test]
async fn a_backup_is_a_whole_database() {
    let app = TestApp::start().await.with_nodes(3, 1).await;
    let volume = app.create_volume(json!({"size": 1})).await;
    let backup = app.client.get("/backup/db").await;
    assert_eq!(backup.status, 200);
    assert_eq!(backup.header("content-type"), Some("application/octet-stream"));
    let name = "attachment; filename=\"brickyard.db\"";
    assert_eq!(backup.header("content-disposition"), Some(name));
    let length = backup.body.len().to_string();
    assert_eq!(backup.header("content-length"), Some(length.as_str()));

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("brickyard.db");
    std::fs::write(&file, &backup.body).unwrap();
    let store = Store::open(&file).await.unwrap();
    let restored = brickyard::database::dump_text(&store).await.unwrap();
    assert_eq!(restored + "\n", app.client.get("/db/dump").await.text());
    assert!(volume["id"] != UNKNOWN);
    // Nothing stays beside the database of the server.
    let files = std::fs::read_dir(app.folder.path()).unwrap().map(|f| f.unwrap().file_name());
    let strange: Vec<_> = files
        .map(|name| name.into_string().unwrap())
        .filter(|name| !["db", "db-wal", "db-shm", "lock"].iter().any(|e| name.ends_with(e)))
        .collect();
    assert!(strange.is_empty(), "{strange:?}");
}

/// Outside of Kubernetes; how it looks within is in `backup::process`.
#[tokio::test]
async fn backups_that_are_off() {
    let app = TestApp::start().await;
    let status = app.client.get("/backup").await;
    assert_eq!(status.status, 200);
    let status = status.json();
    assert_eq!((status["state"].as_str(), status["number"].as_u64()), (Some("off"), Some(0)));
    let metrics = app.client.get("/metrics").await.text();
    assert!(!metrics.contains("brickyard_backup"), "{metrics}");
}

/// What we keep beside Heketi's attributes is nothing to it.
#[tokio::test]
async fn our_own_attributes_are_in_no_dump() {
    let app = TestApp::start().await;
    let before = app.client.get("/db/dump").await.json();
    let store = &app.app.store;
    brickyard::store::mode::set(store, "read-only").await.unwrap();
    assert_eq!(brickyard::store::mode::get(store).await.unwrap().as_deref(), Some("read-only"));
    assert_eq!(app.client.get("/db/dump").await.json(), before);
    // A server that is alone forgets it with its end, as Heketi does.
    app.client.post("/admin", json!({"state": "local-client"})).await;
    assert_eq!(brickyard::store::mode::get(store).await.unwrap().as_deref(), Some("read-only"));
}
