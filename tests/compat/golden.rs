//! Replays the recorded exchanges against our server and compares status, headers and body.
//!
//! Ids differ, of course: each id of the recording is paired with ours when it is first seen, by
//! its place in the answers. What depends on the placement or on the order of random ids is made
//! equal explicitly, in `normal`, and nothing else is.
use super::{Exchange, exchanges};
use crate::harness::{Start, TestApp, client::Answer, quick};
use brickyard::{domain::Gib, operation::Settings};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashSet};

/// The recording's ids with ours.
#[derive(Default)]
struct Ids(BTreeMap<String, String>);

impl Ids {
    /// The text with our ids in place of the recording's.
    fn ours(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (theirs, ours)| text.replace(theirs, ours))
    }
    fn pair(&mut self, theirs: &str, ours: &str) {
        let is_id = |text: &str| text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        assert!(is_id(theirs) && is_id(ours), "{theirs} {ours}");
        let known = self.0.entry(theirs.to_owned()).or_insert_with(|| ours.to_owned());
        assert_eq!(known, ours, "{theirs} was paired before");
    }
    /// Learns from answers to the same request.
    fn learn(&mut self, theirs: &Exchange, ours: &Answer) {
        if let (Some(a), Some(b)) = (theirs.headers.get("Location"), ours.header("location")) {
            self.pair(a.rsplit('/').next().unwrap(), b.rsplit('/').next().unwrap());
        }
        let Some(recorded) = theirs.json() else { return };
        // It is known before it is asked for.
        if let Some(hosting) = recorded["blockhostingvolume"].as_str() {
            self.pair(hosting, ours.json()["blockhostingvolume"].as_str().unwrap());
        }
        self.learn_object(&recorded, &ours.json());
    }
    fn learn_object(&mut self, theirs: &Value, ours: &Value) {
        if let (Some(a), Some(b)) = (theirs["id"].as_str(), ours["id"].as_str()) {
            self.pair(a, b);
        }
        // The order of devices is that of their random ids: they are known by their names.
        for device in theirs["devices"].as_array().into_iter().flatten() {
            let same = |d: &&Value| d["name"] == device["name"];
            let other = ours["devices"].as_array().unwrap().iter().find(same).expect("a device");
            self.learn_object(device, other);
        }
        // Any brick of a volume will do for any other of the same size, as long as neither it nor
        // its device stands for another one already. One for which there is none is not paired.
        let bricks = |object: &Value| object["bricks"].as_array().cloned().unwrap_or_default();
        let mut free = bricks(ours);
        for brick in bricks(theirs) {
            let agrees = |other: &Value, name: &str| match self.0.get(text(&brick, name)) {
                Some(known) => text(other, name) == known,
                None => !self.0.values().any(|known| text(other, name) == known),
            };
            let fits = |other: &Value| {
                other["size"] == brick["size"] && agrees(other, "id") && agrees(other, "device")
            };
            let Some(at) = free.iter().position(fits) else { continue };
            let other = free.swap_remove(at);
            self.pair(text(&brick, "id"), text(&other, "id"));
            self.pair(text(&brick, "device"), text(&other, "device"));
        }
    }
}

fn text<'a>(object: &'a Value, name: &str) -> &'a str {
    object[name].as_str().unwrap()
}

/// The value without what the placement decides, and without what the recorded server, whose
/// storage nodes were make-believe, could not know.
fn normal(mut value: Value) -> Value {
    let Some(object) = value.as_object_mut() else { return value };
    // The recorded server did not ask LVM.
    object.shift_remove("paths");
    object.shift_remove("pv_uuid");
    // Heketi does not tell.
    object.shift_remove("health");
    for list in ["nodes", "volumes", "clusters", "blockvolumes"] {
        if let Some(Value::Array(ids)) = object.get_mut(list) {
            ids.sort_by_key(ToString::to_string);
        }
    }
    if let Some(Value::Array(devices)) = object.get_mut("devices") {
        for device in &mut *devices {
            *device = normal(device.take());
        }
        devices.sort_by_key(|device| device["name"].to_string());
    }
    if let Some(Value::Array(bricks)) = object.get_mut("bricks") {
        for brick in &mut *bricks {
            *brick = normal_brick(brick);
        }
        bricks.sort_by_key(ToString::to_string);
    }
    if let Some(target) = object.get_mut("blockvolume").filter(|target| target.is_object()) {
        normal_target(target);
    }
    if let Some(glusterfs) = object.get_mut("mount").and_then(|mount| mount.get_mut("glusterfs")) {
        normal_mount(glusterfs);
    }
    value
}

/// Which device, and hence which node and path, is the placement's choice; that the path is made
/// of the ids is not.
fn normal_brick(brick: &Value) -> Value {
    let [id, path, device] = ["id", "path", "device"].map(|name| text(brick, name));
    let expected = format!("/var/lib/heketi/mounts/vg_{device}/brick_{id}/brick");
    assert_eq!(path, expected);
    let mut brick = brick.clone();
    for name in ["id", "path", "device", "node"] {
        brick[name] = json!("*");
    }
    brick
}

/// Which hosts were asked for is the choice of whoever made it; and the recorded server, whose nodes
/// were make-believe, made up its target.
fn normal_target(target: &mut Value) {
    assert!(!text(target, "iqn").is_empty() && !text(target, "password").is_empty());
    target["hosts"] = json!(target["hosts"].as_array().unwrap().len());
    for name in ["iqn", "username", "password"] {
        target[name] = json!("*");
    }
}

/// Hosts stand in the order of the nodes' random ids.
fn normal_mount(glusterfs: &mut Value) {
    let hosts: Vec<String> = serde_json::from_value(glusterfs["hosts"].clone()).unwrap();
    let device = glusterfs["device"].as_str().unwrap().to_owned();
    let (host, volume) = device.split_once(':').unwrap();
    assert_eq!(host, hosts[0], "the first host");
    let backup = glusterfs["options"]["backup-volfile-servers"].as_str().unwrap();
    assert_eq!(backup, hosts[1..].join(","), "all others");
    glusterfs["device"] = json!(format!("*:{volume}"));
    glusterfs["options"]["backup-volfile-servers"] = json!("*");
    let mut hosts = hosts;
    hosts.sort_unstable();
    glusterfs["hosts"] = json!(hosts);
}

/// The device that a volume was placed on is looked at: which of a node's two it is, is the
/// placement's choice as well.
fn of_the_placement(exchange: &Exchange, mut value: Value) -> Value {
    if exchange.note == "device info with a brick" {
        value["name"] = json!("*");
    }
    value
}

async fn ask(app: &TestApp, exchange: &Exchange, ids: &Ids) -> Answer {
    let path = ids.ours(&exchange.path);
    if exchange.path.starts_with("/queue/") {
        return app.client.poll(&path).await;
    }
    let body = exchange.request.as_deref().map(|body| ids.ours(body));
    app.client.send(&exchange.method, &path, &[], body.as_deref().map(str::as_bytes)).await
}

fn compare(at: usize, theirs: &Exchange, ours: &Answer, ids: &Ids) {
    let what = format!("line {}: {} {} ({})", at + 1, theirs.method, theirs.path, theirs.note);
    assert_eq!(ours.status, theirs.status, "{what}: {}", ours.text());
    for name in ["Content-Type", "X-Content-Type-Options", "Location", "Allow", "X-Pending"] {
        let expected = theirs.headers.get(name).map(|value| ids.ours(value));
        assert_eq!(ours.header(name), expected.as_deref(), "{what}: {name}");
    }
    // Long answers of Go's server come in chunks; clients must not care, and ours has a length.
    if theirs.headers.contains_key("Content-Length") {
        let length = ours.body.len().to_string();
        assert_eq!(ours.header("content-length"), Some(length.as_str()), "{what}");
    }
    let recorded = ids.ours(&theirs.response);
    if theirs.path == "/metrics" {
        assert_eq!(series(&ours.text()), series(&recorded), "{what}");
        return;
    }
    let Some(_) = theirs.json() else {
        assert_eq!(ours.text(), recorded, "{what}");
        return;
    };
    assert!(ours.text().ends_with('\n') && recorded.ends_with('\n'), "{what}");
    let [expected, got] = [recorded.as_str(), &ours.text()]
        .map(|text| of_the_placement(theirs, normal(serde_json::from_str(text).unwrap())));
    // As text: the order of the members counts as well.
    assert_eq!(got.to_string(), expected.to_string(), "{what}");
}

/// The settings of the recorded server.
fn as_recorded() -> Start {
    let settings = Settings { create_block_hosting: true, block_hosting_size: Gib(200), ..quick() };
    Start { settings, ..Start::default() }
}

/// Help, type, name and labels of all series that Heketi has of its own, and of the process. The
/// numbers are those of the placement, or of volumes that are not replayed.
fn series(text: &str) -> Vec<String> {
    let ours_too = |line: &&str| {
        let name = line.trim_start_matches("# HELP ").trim_start_matches("# TYPE ");
        name.starts_with("heketi_") || name.starts_with("process_")
    };
    let series = |line: &str| {
        if line.starts_with('#') {
            return line.to_owned();
        }
        let series = line.rsplit_once(' ').unwrap().0;
        // Which of two devices is which is the placement's choice, and the recorded server did not
        // ask LVM.
        ["id=\"", "pv_uuid=\""].into_iter().fold(series.to_owned(), |series, label| {
            match series.split_once(&format!(",{label}")) {
                None => series,
                Some((before, rest)) => {
                    format!("{before},{label}*\"{}", rest.split_once('"').unwrap().1)
                }
            }
        })
    };
    let mut all: Vec<String> = text.lines().filter(ours_too).map(series).collect();
    all.sort_unstable();
    all
}

#[tokio::test]
async fn every_recorded_exchange() {
    let app = TestApp::start_with(as_recorded()).await;
    let mut ids = Ids::default();
    let (mut compared, mut later) = (0, HashSet::new());
    for (at, exchange) in exchanges().iter().enumerate() {
        if exchange.later().is_some() || skipped_poll(exchange, &later) {
            // The answer to its poll names the queue entry only.
            later.extend(exchange.headers.get("Location").cloned());
            continue;
        }
        let answer = ask(&app, exchange, &ids).await;
        ids.learn(exchange, &answer);
        compare(at, exchange, &answer, &ids);
        compared += 1;
    }
    assert_eq!(compared + left_out(), exchanges().len());
    assert!(compared >= 88, "{compared}");
}

/// A poll of something that was not started.
fn skipped_poll(exchange: &Exchange, later: &HashSet<String>) -> bool {
    later.contains(&exchange.path)
}

/// How many exchanges are about later pieces of work, counted without running anything.
fn left_out() -> usize {
    let mut later = HashSet::new();
    let all = exchanges();
    let out = all.iter().filter(|exchange| {
        let out = exchange.later().is_some() || skipped_poll(exchange, &later);
        if out {
            later.extend(exchange.headers.get("Location").cloned());
        }
        out
    });
    out.count()
}

/// The reasons why exchanges are left out are all in use: none outlives its piece of work.
#[test]
fn every_reason_to_leave_out_is_needed() {
    let reasons: HashSet<_> = exchanges().iter().filter_map(Exchange::later).collect();
    assert_eq!(reasons.len(), 2, "{reasons:?}");
}
