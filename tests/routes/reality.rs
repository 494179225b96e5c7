//! `/internal/state/check` and `/internal/state/repair`: each kind of drift is caused, found, named
//! and repaired, and nothing is found afterwards.
use super::{id, keys};
use crate::harness::{TestApp, client::Answer};
use brickyard::node::sim::world::{Node, World};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const CHECK: &str = "/internal/state/check";
const REPAIR: &str = "/internal/state/repair";

async fn check(app: &TestApp) -> Value {
    let answer = app.client.get(CHECK).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

async fn differences(app: &TestApp) -> Vec<Value> {
    let report = check(app).await;
    assert_eq!(report["unknown"], json!([]), "{report}");
    report["differences"].as_array().unwrap().clone()
}

/// The only difference there is.
async fn only(app: &TestApp, kind: &str) -> Value {
    let mut found = differences(app).await;
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0]["kind"], kind, "{found:#?}");
    found.remove(0)
}

async fn repair(app: &TestApp, difference: &Value) -> Answer {
    let body = json!({"id": difference["id"], "repair": difference["repair"]});
    app.client.finish(app.client.post(REPAIR, body).await).await
}

/// It is found, with these words and this proposal; it is repaired, and then nothing is found.
async fn found_and_repaired(app: &TestApp, kind: &str, words: &str, action: &str) {
    let found = only(app, kind).await;
    let text = found["text"].as_str().unwrap();
    assert!(text.contains(words), "{text}");
    assert_eq!(found["repair"]["action"], action, "{found:#?}");
    let answer = repair(app, &found).await;
    assert!(answer.status < 300, "{}", answer.text());
    assert_eq!(differences(app).await, [] as [Value; 0], "after the repair");
}

fn replica_3() -> Value {
    json!({"type": "replicate", "replicate": {"replica": 3}})
}

/// Four nodes with a disk each, and a volume on three of them.
async fn site() -> (TestApp, Value) {
    let app = TestApp::start().await.with_nodes(4, 1).await;
    let options = ["performance.cache-size 1GB", "network.ping-timeout 20"];
    let body = json!({"size": 10, "durability": replica_3(), "glustervolumeoptions": options});
    let volume = app.create_volume(body).await;
    assert_eq!(differences(&app).await, [] as [Value; 0]);
    (app, volume)
}

/// A brick of the volume on its node.
struct Brick {
    id: String,
    group: String,
    host: String,
    point: String,
    device: String,
}

impl Brick {
    fn of(app: &TestApp, volume: &Value) -> Self {
        let brick = &volume["bricks"][0];
        let (id, device) = (id(brick), brick["device"].as_str().unwrap().to_owned());
        let group = format!("vg_{device}");
        let world = app.sim.world();
        let holds = |(_, node): &(&String, &Node)| node.groups.contains_key(&group);
        let host = world.nodes.iter().find(holds).unwrap().0.clone();
        let point = format!("/var/lib/heketi/mounts/{group}/brick_{id}");
        Self { id, group, host, point, device }
    }
    fn lv(&self) -> String {
        format!("brick_{}", self.id)
    }
    fn node<'a>(&self, world: &'a mut World) -> &'a mut Node {
        world.nodes.get_mut(&self.host).unwrap()
    }
}

#[tokio::test]
async fn nothing_to_find() {
    let app = TestApp::start().await;
    let report = check(&app).await;
    assert_eq!(keys(&report), ["nodes", "under_way", "unknown", "differences"]);
    assert_eq!(report["nodes"], 0);
    let (app, _) = site().await;
    assert_eq!(check(&app).await["nodes"], 4);
    for durability in
        [json!({"type": "disperse", "disperse": {"data": 2, "redundancy": 1}}), json!({})]
    {
        let volume = app.create_volume(json!({"size": 7, "durability": durability})).await;
        assert_eq!(differences(&app).await, [] as [Value; 0], "{volume}");
    }
}

/// Nodes without bricks, as they are right after they were added.
#[tokio::test]
async fn new_nodes_are_in_the_pool() {
    let app = TestApp::start().await.with_nodes(3, 0).await;
    assert_eq!(differences(&app).await, [] as [Value; 0]);
}

#[tokio::test]
async fn a_logical_volume_is_removed() {
    let (app, volume) = site().await;
    let brick = Brick::of(&app, &volume);
    {
        let mut world = app.sim.world();
        let node = brick.node(&mut world);
        node.mounts.remove(&brick.point);
        node.fstab.retain(|line| !line.contains(&brick.lv()));
        node.file_systems.remove(&format!("/dev/mapper/{}-{}", brick.group, brick.lv()));
        let group = node.groups.get_mut(&brick.group).unwrap();
        group.volumes.remove(&brick.lv());
        group.pools.remove(&format!("tp_{}", brick.id));
    }
    let words = format!("has no logical volume {}/{}", brick.group, brick.lv());
    found_and_repaired(&app, "logical-volume-missing", &words, "move-brick").await;
    let after = app.client.get(&format!("/volumes/{}", id(&volume))).await.json();
    let bricks = after["bricks"].as_array().unwrap();
    assert_eq!(bricks.len(), 3);
    assert!(bricks.iter().all(|b| b["id"] != brick.id.as_str()));
}

/// What cannot be healed is not promised.
#[tokio::test]
async fn a_volume_without_redundancy_is_not_repaired() {
    let app = TestApp::start().await.with_nodes(2, 1).await;
    let volume = app.create_volume(json!({"size": 10})).await;
    let brick = Brick::of(&app, &volume);
    brick.node(&mut app.sim.world()).groups.get_mut(&brick.group).unwrap().volumes.clear();
    let found = only(&app, "logical-volume-missing").await;
    assert_eq!(found["repair"], Value::Null);
    assert!(found["advice"].as_str().unwrap().contains("vgcfgrestore"), "{found}");
}

#[tokio::test]
async fn a_line_of_the_fstab_is_lost() {
    let (app, volume) = site().await;
    let brick = Brick::of(&app, &volume);
    brick.node(&mut app.sim.world()).fstab.clear();
    let words = format!("brick {} of volume", brick.id);
    found_and_repaired(&app, "fstab-line-missing", &words, "restore-brick").await;
    assert_eq!(brick.node(&mut app.sim.world()).fstab.len(), 1);
}

#[tokio::test]
async fn a_brick_is_unmounted() {
    let (app, volume) = site().await;
    let brick = Brick::of(&app, &volume);
    brick.node(&mut app.sim.world()).mounts.clear();
    let words = format!("on node {} is not mounted", brick.host);
    found_and_repaired(&app, "brick-not-mounted", &words, "restore-brick").await;
}

/// Something else is mounted there: nobody knows what, so nothing is proposed.
#[tokio::test]
async fn another_device_in_the_place_of_a_brick_is_left_alone() {
    let (app, volume) = site().await;
    let brick = Brick::of(&app, &volume);
    let other = "/dev/mapper/other-data".to_owned();
    brick.node(&mut app.sim.world()).mounts.insert(brick.point.clone(), other);
    let found = only(&app, "brick-not-mounted").await;
    assert_eq!(found["repair"], Value::Null);
    assert!(
        found["text"].as_str().unwrap().ends_with("/dev/mapper/other-data is mounted in its place")
    );
}

/// As after going back to an old backup: the volume is there, and the database has lost it.
#[tokio::test]
async fn a_volume_is_created_behind_our_back() {
    let (app, volume) = site().await;
    let before = app.client.get("/db/dump").await.json();
    {
        let mut tx = app.app.store.write().await.unwrap();
        for table in ["bricks", "volumes"] {
            let sql = format!("DELETE FROM {table}");
            sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut *tx).await.unwrap();
        }
        sqlx::query("UPDATE devices SET used_kib = 0").execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
    }
    let words = format!("gluster has volume {}", volume["name"].as_str().unwrap());
    found_and_repaired(&app, "volume-not-in-database", &words, "adopt-volume").await;
    let after = app.client.get("/db/dump").await.json();
    for table in ["brickentries", "deviceentries", "nodeentries"] {
        assert_eq!(after[table], before[table], "{table}");
    }
    let again = app.client.get(&format!("/volumes/{}", id(&volume))).await.json();
    for member in ["id", "name", "size", "cluster", "durability", "mount"] {
        assert_eq!(again[member], volume[member], "{member}");
    }
}

#[tokio::test]
async fn a_foreign_volume_is_told_and_left_alone() {
    let (app, _) = site().await;
    app.sim.world().volumes.push(brickyard::node::sim::world::Volume {
        name: "foreign".into(),
        kind: vec![],
        bricks: vec!["10.0.0.1:/data/brick".into()],
        started: true,
        options: BTreeMap::default(),
        snapshots: 0,
        uuid: "u".into(),
    });
    let found = only(&app, "volume-not-in-database").await;
    assert_eq!(found["repair"], Value::Null);
    let advice = found["advice"].as_str().unwrap();
    assert!(advice.contains("10.0.0.1:/data/brick is no logical volume of ours"), "{advice}");
}

#[tokio::test]
async fn a_volume_is_deleted_behind_our_back() {
    let (app, volume) = site().await;
    app.sim.world().volumes.clear();
    let words = format!("gluster does not have volume {}", volume["name"].as_str().unwrap());
    found_and_repaired(&app, "volume-not-in-gluster", &words, "delete-volume").await;
    let world = app.sim.world();
    assert!(world.nodes.values().all(|n| n.groups.values().all(|g| g.pools.is_empty())));
}

#[tokio::test]
async fn a_logical_volume_belongs_to_nobody() {
    let (app, volume) = site().await;
    let brick = Brick::of(&app, &volume);
    let stray = "0123456789abcdef0123456789abcdef";
    {
        let mut world = app.sim.world();
        let group = brick.node(&mut world).groups.get_mut(&brick.group).unwrap();
        group.pools.insert(format!("tp_{stray}"), 10);
        group.volumes.insert(format!("brick_{stray}"), format!("tp_{stray}"));
        // What has another name is none of our business.
        group.pools.insert("backups".into(), 20);
    }
    let words = format!("brick_{stray}");
    found_and_repaired(&app, "logical-volume-of-nobody", &words, "remove-stray").await;
    let mut world = app.sim.world();
    let group = &brick.node(&mut world).groups[&brick.group];
    let names: Vec<_> = group.pools.keys().map(String::as_str).collect();
    assert_eq!(names, ["backups", &format!("tp_{}", brick.id)]);
}

/// A volume of gluster that uses it makes it somebody's, also when the database knows nothing of it.
#[tokio::test]
async fn a_brick_of_any_volume_is_never_removed() {
    let (app, volume) = site().await;
    let brick = Brick::of(&app, &volume);
    let stray = "0123456789abcdef0123456789abcdef";
    {
        let mut world = app.sim.world();
        let group = brick.node(&mut world).groups.get_mut(&brick.group).unwrap();
        group.pools.insert(format!("tp_{stray}"), 10);
        group.volumes.insert(format!("brick_{stray}"), format!("tp_{stray}"));
    }
    let found = only(&app, "logical-volume-of-nobody").await;
    let path = format!("/var/lib/heketi/mounts/{}/brick_{stray}/brick", brick.group);
    app.sim.world().volumes.push(brickyard::node::sim::world::Volume {
        name: "by-hand".into(),
        kind: vec![],
        bricks: vec![format!("10.0.0.1:{path}")],
        started: true,
        options: BTreeMap::default(),
        snapshots: 0,
        uuid: "u".into(),
    });
    let answer = repair(&app, &found).await;
    assert_eq!(answer.status, 409, "{}", answer.text());
    let mut world = app.sim.world();
    let group = &brick.node(&mut world).groups[&brick.group];
    assert!(group.volumes.contains_key(&format!("brick_{stray}")));
}

#[tokio::test]
async fn a_size_is_wrong() {
    let (app, volume) = site().await;
    let brick = Brick::of(&app, &volume);
    let device = format!("/devices/{}", brick.device);
    let right = app.client.get(&device).await.json()["storage"].clone();
    let mut tx = app.app.store.write().await.unwrap();
    let wrong = sqlx::query("UPDATE devices SET used_kib = used_kib + 4096 WHERE id = ?");
    wrong.bind(&brick.device).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    let words = format!("device /dev/sdb of node {}", brick.host);
    found_and_repaired(&app, "device-numbers", &words, "resync-device").await;
    assert_eq!(app.client.get(&device).await.json()["storage"], right);
    brick.node(&mut app.sim.world()).groups.get_mut(&brick.group).unwrap().extents += 100;
    found_and_repaired(&app, "device-numbers", &words, "resync-device").await;
}

#[tokio::test]
async fn a_brick_has_another_size() {
    let (app, volume) = site().await;
    let brick = Brick::of(&app, &volume);
    {
        let mut world = app.sim.world();
        let group = brick.node(&mut world).groups.get_mut(&brick.group).unwrap();
        group.sizes.get_mut(&brick.lv()).unwrap().0 += 8192;
    }
    let found = only(&app, "brick-size").await;
    assert!(found["text"].as_str().unwrap().contains("10493952 KiB"), "{found}");
}

#[tokio::test]
async fn a_peer_is_missing() {
    let (app, volume) = site().await;
    let nodes: Vec<_> = volume["bricks"].as_array().unwrap().iter().map(|b| &b["node"]).collect();
    // The one without a brick: gluster lets no other go.
    let cluster = volume["cluster"].as_str().unwrap();
    let all = app.client.get(&format!("/clusters/{cluster}")).await.json()["nodes"].clone();
    let free = all.as_array().unwrap().iter().find(|node| !nodes.contains(node)).unwrap();
    let free = app.client.get(&format!("/nodes/{}", free.as_str().unwrap())).await.json();
    let storage = free["hostnames"]["storage"][0].as_str().unwrap().to_owned();
    let manage = free["hostnames"]["manage"][0].as_str().unwrap().to_owned();
    {
        let mut world = app.sim.world();
        for peers in world.peers.values_mut() {
            peers.remove(&storage);
        }
        // Whoever was introduced by it is known to another then.
        let own = world.peers.remove(&manage).unwrap_or_default();
        if !own.is_empty() {
            let other = world.addresses.values().find(|other| **other != manage).unwrap().clone();
            world.peers.entry(other).or_default().extend(own);
        }
    }
    found_and_repaired(&app, "peer-missing", &manage, "probe-peer").await;
}

#[tokio::test]
async fn an_option_is_changed() {
    let (app, volume) = site().await;
    let name = volume["name"].as_str().unwrap();
    let set = |key: &str, value: Option<&str>| {
        let mut world = app.sim.world();
        let options = &mut world.volumes[0].options;
        match value {
            Some(value) => drop(options.insert(key.into(), value.into())),
            None => drop(options.remove(key)),
        }
    };
    set("performance.cache-size", Some("32MB"));
    let words =
        format!("volume {name}: performance.cache-size is \"32MB\", and was set to \"1GB\"");
    found_and_repaired(&app, "option-changed", &words, "set-option").await;
    set("network.ping-timeout", None);
    found_and_repaired(&app, "option-changed", "network.ping-timeout is not set", "set-option")
        .await;
    // What nobody asked for is nobody's business.
    set("performance.read-ahead", Some("off"));
    assert_eq!(differences(&app).await, [] as [Value; 0]);
}

/// Heketi before version 9 marked none; and gluster gives a clone the mark of its source, which
/// Heketi leaves there. By its bricks it is ours.
#[tokio::test]
async fn a_volume_of_heketis_bears_no_mark_or_that_of_another() {
    let (app, volume) = site().await;
    let (id, source) = (id(&volume), "0123456789abcdef0123456789abcdef");
    for (mark, is) in [(None, "is not set".to_owned()), (Some(source), format!("is {source:?}"))] {
        let set = |world: &mut World| {
            let options = &mut world.volumes[0].options;
            options.remove("user.heketi.id");
            options.extend(mark.map(|mark| ("user.heketi.id".to_owned(), mark.to_owned())));
        };
        set(&mut app.sim.world());
        let words = format!("user.heketi.id {is}, and should be {id:?}");
        found_and_repaired(&app, "option-changed", &words, "set-option").await;
        assert_eq!(app.sim.world().volumes[0].options["user.heketi.id"], id);
        // Nothing else waits for that.
        set(&mut app.sim.world());
        app.sim.world().volumes[0].started = false;
        let found = differences(&app).await;
        let stopped = found.iter().find(|found| found["kind"] == "volume-not-started").unwrap();
        assert_eq!(repair(&app, stopped).await.status, 204);
        assert!(app.sim.world().volumes[0].started);
        only(&app, "option-changed").await;
    }
}

/// What bears the mark of a volume that is gone is not that volume when it is another one of ours.
#[tokio::test]
async fn a_clone_with_the_mark_of_its_source_does_not_stand_for_it() {
    let (app, source) = site().await;
    let path = format!("/volumes/{}/clone", id(&source));
    let made = app.client.post(&path, json!({"name": "twin"})).await;
    assert_eq!(app.client.finish(made).await.status, 200);
    {
        let mut world = app.sim.world();
        world.volumes.retain(|volume| volume.name == "twin");
        world.volumes[0].options.insert("user.heketi.id".into(), id(&source));
    }
    let mut found: Vec<_> = differences(&app)
        .await
        .iter()
        .map(|one| one["kind"].as_str().unwrap().to_owned())
        .collect();
    found.sort();
    assert_eq!(found, ["option-changed", "volume-not-in-gluster"]);
}

/// Somebody's volume that has the name of ours, and no mark or its own: it is not marked as ours,
/// so that a deletion of ours never reaches it.
#[tokio::test]
async fn a_volume_that_took_our_name_is_left_alone() {
    for mark in [None, Some("0123456789abcdef0123456789abcdef")] {
        let (app, _) = site().await;
        for volume in &mut app.sim.world().volumes {
            volume.options.clear();
            volume.options.extend(mark.map(|id| ("user.heketi.id".to_owned(), id.to_owned())));
            volume.started = false;
            volume.bricks = (0..3).map(|n| format!("10.0.0.{}:/export/theirs", n + 1)).collect();
        }
        let before = app.sim.world().volumes.clone();
        let found = differences(&app).await;
        let theirs: Vec<_> = found.iter().filter(|d| d["kind"] == "option-changed").collect();
        assert_eq!(theirs.len(), 1, "{found:#?}");
        let text = theirs[0]["text"].as_str().unwrap();
        assert!(text.contains(mark.unwrap_or("without a mark")), "{found:#?}");
        assert!(found.iter().all(|difference| difference["repair"].is_null()), "{found:#?}");
        assert!(app.sim.world().volumes == before);
    }
}

#[tokio::test]
async fn a_volume_is_stopped() {
    let (app, _) = site().await;
    app.sim.world().volumes[0].started = false;
    found_and_repaired(&app, "volume-not-started", "is not started", "start-volume").await;
}

/// Somebody has made a brick by hand, as ours are made, and given it to gluster.
#[tokio::test]
async fn a_brick_is_replaced() {
    let (app, volume) = site().await;
    let brick = Brick::of(&app, &volume);
    let new = "fedcba9876543210fedcba9876543210";
    {
        let mut world = app.sim.world();
        let node = brick.node(&mut world);
        let group = node.groups.get_mut(&brick.group).unwrap();
        let (pool, lv) = (format!("tp_{new}"), format!("brick_{new}"));
        let old = format!("tp_{}", brick.id);
        let (extents, metadata) = (group.pools[&old], group.metadata[&old]);
        group.pools.insert(pool.clone(), extents);
        group.metadata.insert(pool.clone(), metadata);
        group.sizes.insert(lv.clone(), group.sizes[&brick.lv()]);
        group.volumes.insert(lv.clone(), pool);
        let device = format!("/dev/mapper/{}-{lv}", brick.group);
        let point = format!("/var/lib/heketi/mounts/{}/{lv}", brick.group);
        let content = node.file_systems.values().next().unwrap().clone();
        node.file_systems.insert(device.clone(), content);
        node.fstab.push(format!("{device} {point} xfs rw,inode64,noatime,nouuid 1 2"));
        node.directories.insert(point.clone());
        node.mounts.insert(point, device);
        for address in &mut world.volumes[0].bricks {
            *address = address.replace(&brick.lv(), &lv);
        }
    }
    let found = only(&app, "brick-replaced").await;
    assert_eq!(found["repair"]["action"], "adopt-brick", "{found:#?}");
    assert!(repair(&app, &found).await.status < 300);
    let after = app.client.get(&format!("/volumes/{}", id(&volume))).await.json();
    assert!(after["bricks"].as_array().unwrap().iter().any(|b| b["id"] == new), "{after}");
    // What is left of the old one is for a person to decide, and takes its space until then.
    let stray = only(&app, "logical-volume-of-nobody").await;
    assert!(stray["text"].as_str().unwrap().contains(&brick.lv()), "{stray}");
    assert!(repair(&app, &stray).await.status < 300);
    found_and_repaired(&app, "device-numbers", "are used", "resync-device").await;
}

/// A node that does not answer is not known; nothing of it is missing.
#[tokio::test]
async fn what_is_not_known_is_not_missing() {
    let (app, volume) = site().await;
    let brick = Brick::of(&app, &volume);
    app.sim.world().down.insert(brick.host.clone());
    let report = check(&app).await;
    assert_eq!(report["differences"], json!([]), "{report:#}");
    assert_eq!(report["unknown"][0]["place"], brick.host);
    assert_eq!(report["unknown"][0]["what"], "everything");
    // Nobody else has the volume: the node that is away may have it.
    app.sim.world().volumes.clear();
    let report = check(&app).await;
    assert_eq!(report["differences"], json!([]), "{report:#}");
    assert_eq!(report["unknown"][1]["what"], "whether gluster has it");
    app.sim.world().down.clear();
    app.sim.world().no_glusterd.insert(brick.host.clone());
    let report = check(&app).await;
    assert_eq!(report["differences"], json!([]), "{report:#}");
}

/// An outdated finding is refused, and so is what nobody proposed.
#[tokio::test]
async fn only_what_is_found_now_is_repaired() {
    let (app, volume) = site().await;
    let brick = Brick::of(&app, &volume);
    brick.node(&mut app.sim.world()).fstab.clear();
    let found = only(&app, "fstab-line-missing").await;
    let mut other = found.clone();
    other["repair"] = json!({"action": "delete-volume", "volume": volume["id"]});
    let answer = repair(&app, &other).await;
    assert_eq!(answer.status, 409, "{}", answer.text());
    assert!(repair(&app, &found).await.status < 300);
    let answer = repair(&app, &found).await;
    assert_eq!(answer.status, 409);
    assert!(answer.text().contains("is not found any more"), "{}", answer.text());
    let answer = app.client.post(REPAIR, json!({"id": "x", "repair": {"action": "format"}})).await;
    assert_eq!(answer.status, 422, "{}", answer.text());
}

/// What an operation is at work on is no difference.
#[tokio::test]
async fn what_is_under_way_is_not_judged() {
    let (app, _) = site().await;
    app.sim.set_faults(Some(std::sync::Arc::new(crate::harness::BusyMounts)));
    let volume = app.create_volume(json!({"size": 5})).await;
    let gone = app.client.delete(&format!("/volumes/{}", id(&volume))).await;
    assert_eq!(app.client.finish(gone).await.status, 500);
    let report = check(&app).await;
    assert_eq!(report["differences"], json!([]), "{report:#}");
    assert!(report["under_way"].as_u64().unwrap() >= 2, "{report:#}");
    app.sim.set_faults(None);
}
