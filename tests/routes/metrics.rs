//! GET /metrics (api.md 13). Names, help and labels against a recorded scrape stand with
//! `compat::golden`; here are the numbers, and what is ours.
#![expect(clippy::float_cmp, reason = "whole numbers, which floats hold exactly")]
use super::{
    assert_error, devices,
    hold::{Broken, Hold},
    nodes, only_cluster, strings,
};
use crate::harness::{Start, TestApp, client::Answer, many::Many, quick};
use brickyard::operation::Settings;
use serde_json::json;
use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

/// What a line says: its name with labels, and its number.
pub fn samples(text: &str) -> BTreeMap<String, f64> {
    let sample = |line: &str| {
        let (series, number) = line.rsplit_once(' ').unwrap();
        (series.to_owned(), number.parse().unwrap())
    };
    text.lines().filter(|line| !line.starts_with('#')).map(sample).collect()
}

async fn scrape(app: &TestApp) -> BTreeMap<String, f64> {
    let answer = app.client.get("/metrics").await;
    assert_form(&answer);
    samples(&answer.text())
}

/// The text format 0.0.4: one help and one type a family, before its samples and with no other's
/// between; no series twice.
#[track_caller]
fn assert_form(answer: &Answer) {
    assert_eq!(answer.status, 200);
    let content = answer.header("content-type");
    assert_eq!(content, Some("text/plain; version=0.0.4; charset=utf-8"));
    let text = answer.text();
    assert!(text.ends_with('\n'));
    let (mut family, mut seen, mut series) = (String::new(), HashSet::new(), HashSet::new());
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            rest.split_once(' ').unwrap().0.clone_into(&mut family);
            assert!(seen.insert(family.clone()), "{family} twice");
            let kind = lines.next().unwrap().strip_prefix(&format!("# TYPE {family} ")).unwrap();
            assert!(["gauge", "counter", "histogram"].contains(&kind), "{kind}");
            assert_eq!(kind == "counter", family.ends_with("_total"), "{family}");
            continue;
        }
        assert!(line.starts_with(&family), "{line} in {family}");
        assert!(series.insert(line.rsplit_once(' ').unwrap().0), "{line} twice");
    }
}

#[tokio::test]
async fn an_empty_server_says_that_it_is_up() {
    let app = TestApp::start().await;
    let found = scrape(&app).await;
    for (name, number) in [
        ("heketi_up", 1.0),
        ("heketi_cluster_count", 0.0),
        ("heketi_operations_total_count", 0.0),
        ("heketi_operations_inFlight_count", 0.0),
        ("heketi_operations_stale_count", 0.0),
        ("heketi_operations_failed_count", 0.0),
        ("heketi_operations_new_count", 0.0),
        ("brickyard_operations_waiting", 0.0),
        ("brickyard_operations_working", 0.0),
        (concat!("brickyard_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"}"), 1.0),
    ] {
        assert_eq!(found.get(name), Some(&number), "{name}");
    }
    let labelled = found.keys().filter(|series| series.contains('{'));
    assert_eq!(labelled.count(), 1, "without clusters there are no labels: {found:#?}");
}

/// Every number is one that the objects of the API show as well.
#[tokio::test]
async fn the_numbers_are_those_of_the_objects() {
    let app = TestApp::start().await.with_nodes(3, 2).await;
    let bare = app.add_node(&only_cluster(&app).await, 3, 1).await;
    app.create_volume(json!({"size": 30})).await;
    app.create_volume(json!({"size": 100, "durability": {"type": "replicate"}})).await;
    app.create_volume(json!({"size": 100, "block": true})).await;
    let block = app.client.post("/blockvolumes", json!({"size": 1})).await;
    assert_eq!(app.client.finish(block).await.status, 200);
    let found = scrape(&app).await;
    let cluster = only_cluster(&app).await;
    let of_cluster = |name: &str| found[&format!("heketi_{name}{{cluster=\"{cluster}\"}}")];
    assert!((of_cluster("nodes_count"), of_cluster("volumes_count")) == (4.0, 3.0));
    assert!(of_cluster("block_volumes_count") == 1.0);
    let (mut bricks, mut seen) = (0.0, 0);
    for id in nodes(&app).await {
        let node = app.client.get(&format!("/nodes/{id}")).await.json();
        let name = |kind: &str| strings(&node["hostnames"][kind])[0].clone();
        let host = format!("hostname=\"{}\"", name("manage"));
        let storage = format!("storage_hostname=\"{}\"", name("storage"));
        let count = &format!("heketi_device_count{{cluster=\"{cluster}\",{host},{storage}}}");
        assert!(found[count] == if id == bare { 0.0 } else { 2.0 }, "{count}");
        for device in devices(&app, &id).await {
            let text = |name: &str| device[name].as_str().unwrap();
            assert!(!text("pv_uuid").is_empty());
            let of_device = |series: &str| {
                let labels = format!(
                    "cluster=\"{cluster}\",device=\"{}\",{host},id=\"{}\",pv_uuid=\"{}\",{storage}",
                    text("name"),
                    text("id"),
                    text("pv_uuid"),
                );
                found[&format!("heketi_device_{series}{{{labels}}}")]
            };
            for (series, member) in [("size", "total"), ("free", "free"), ("used", "used")] {
                let kib = device["storage"][member].as_f64().unwrap();
                assert!(of_device(series) == kib, "{series} of {device}");
                assert!(of_device(&format!("{series}_bytes")) == kib * 1024.0);
            }
            let on_device = device["bricks"].as_array().unwrap().len();
            assert_eq!(of_device("brick_count").to_string(), on_device.to_string());
            bricks += of_device("brick_count");
            seen += 1;
        }
    }
    assert!(bricks == 4.0 && seen == 6, "{bricks} {seen}");
}

/// Sums that were known before: the statements count what they should, and nothing twice.
#[tokio::test]
async fn a_large_estate_is_counted_right() {
    let app = TestApp::start().await;
    let many = Many { clusters: 3, nodes: 5, devices: 4, volumes: 1000, operations: 40 };
    many.write(&app.folder.path().join("brickyard.db")).await;
    let found = scrape(&app).await;
    let all = |name: &str| -> Vec<f64> {
        let start = format!("heketi_{name}{{");
        found.iter().filter(|(s, _)| s.starts_with(&start)).map(|(_, number)| *number).collect()
    };
    assert!(found["heketi_cluster_count"] == 3.0);
    assert_eq!(all("nodes_count"), [5.0; 3]);
    // Ten of each cluster are being created: hidden, but their bricks are there.
    assert_eq!(all("volumes_count"), [990.0; 3]);
    assert_eq!(all("device_count"), [4.0; 15]);
    assert_eq!(all("device_brick_count"), [150.0; 60]);
    let sum = |name: &str| -> f64 { all(name).iter().sum() };
    // Device number x has 1000 + x KiB, of which x are used.
    assert!(sum("device_size") == 61_770.0 && sum("device_used") == 1770.0);
    assert!(sum("device_free") == 60_000.0 && sum("device_free_bytes") == 60_000.0 * 1024.0);
    // Nobody drives them: what is stuck has failed, and the others this version cannot read.
    for (name, number) in [("total", 40.0), ("failed", 20.0), ("stale", 20.0), ("new", 0.0)] {
        assert!(found[&format!("heketi_operations_{name}_count")] == number, "{name}");
    }
}

/// For everybody, in every mode, and like `/hello` only with GET.
#[tokio::test]
async fn it_stands_outside_of_tokens_and_modes() {
    let app = super::auth::guarded().await;
    app.app.gate.set(brickyard::app::Mode::ReadOnly);
    for headers in [&[][..], &[("authorization", "junk")]] {
        let answer = app.client.send("GET", "/metrics", headers, None).await;
        assert_form(&answer);
    }
    assert_eq!(app.client.get("/metrics?x=1").await.status, 200);
    assert_eq!(app.client.get("/%6detrics").await.status, 200);
    let missing = "Required authorization token not found";
    for (method, path) in [("POST", "/metrics"), ("GET", "/metrics/"), ("DELETE", "/metrics")] {
        let answer = app.client.send(method, path, &[], None).await;
        assert_error(&answer, 401, missing);
    }
    assert_eq!(app.client.send("HEAD", "/metrics", &[], None).await.status, 401);
    let open = TestApp::start().await;
    assert_error(&open.client.post("/metrics", json!({})).await, 404, "Invalid path or request");
}

#[tokio::test]
async fn without_the_database_it_says_so_and_what_it_knows_itself() {
    let app = TestApp::start().await.with_nodes(1, 1).await;
    app.app.store.clone().close().await;
    let found = scrape(&app).await;
    let heketis: Vec<_> =
        found.iter().filter(|(series, _)| series.starts_with("heketi_")).collect();
    assert_eq!(heketis, [(&"heketi_up".to_owned(), &0.0)]);
    assert!(found["brickyard_operations_total{kind=\"add-node\",outcome=\"done\"}"] == 1.0);
}

#[tokio::test]
async fn work_is_counted_as_it_ends() {
    let app = TestApp::start().await.with_nodes(3, 1).await;
    app.create_volume(json!({"size": 10, "durability": {"type": "replicate"}})).await;
    assert_eq!(app.try_create(json!({"size": 1_000_000})).await.status, 500);
    app.sim.set_faults(Some(Arc::new(Broken("mkfs.xfs", "broken"))));
    assert_eq!(app.try_create(json!({"size": 10})).await.status, 500);
    let found = scrape(&app).await;
    let of =
        |name: &str, labels: &str| found.get(&format!("brickyard_{name}{{{labels}}}")).copied();
    let ended = |kind: &str, outcome: &str| {
        let labels = format!("kind=\"{kind}\",outcome=\"{outcome}\"");
        (of("operations_total", &labels), of("operation_duration_seconds_count", &labels))
    };
    assert_eq!(ended("add-device", "done"), (Some(3.0), Some(3.0)));
    assert_eq!(ended("create-volume", "done"), (Some(1.0), Some(1.0)));
    assert_eq!(ended("create-volume", "failed"), (Some(1.0), Some(1.0)));
    assert_eq!(ended("create-volume", "refused"), (Some(1.0), None));
    assert_eq!(ended("create-volume", "stuck"), (None, None));
    let took = of("operation_duration_seconds_sum", "kind=\"create-volume\",outcome=\"done\"");
    assert!((0.0..60.0).contains(&took.unwrap()), "{took:?}");
    let commands = |tool: &str, outcome: &str| {
        let labels = format!("outcome=\"{outcome}\",tool=\"{tool}\"");
        of("node_command_duration_seconds_count", &labels)
    };
    assert_eq!(commands("pvcreate", "ok"), Some(3.0));
    assert_eq!(commands("mkfs.xfs", "ok"), Some(2.0));
    assert!(commands("mkfs.xfs", "failed") >= Some(1.0));
    assert!(commands("gluster", "ok") >= Some(1.0));
    assert_eq!(commands("other", "ok"), None, "{found:#?}");
}

/// Who is at work, and who waits.
#[tokio::test]
async fn the_queue_is_shown() {
    let settings = Settings { max_in_flight: 1, max_waiting: 9, ..quick() };
    let start = Start { settings, ..Start::default() };
    let app = TestApp::start_with(start).await.with_nodes(2, 1).await;
    let hold = Hold::at(&app, "mkfs.xfs");
    let mut accepted = vec![];
    for _ in 0..3 {
        accepted.push(app.client.post("/volumes", json!({"size": 1})).await);
    }
    hold.wait().await;
    let found = scrape(&app).await;
    for (name, number) in [
        ("brickyard_operations_working", 1.0),
        ("brickyard_operations_waiting", 2.0),
        ("heketi_operations_inFlight_count", 1.0),
        ("heketi_operations_new_count", 3.0),
        ("heketi_operations_total_count", 3.0),
    ] {
        assert_eq!(found.get(name), Some(&number), "{name}");
    }
    hold.release();
    for accepted in accepted {
        assert_eq!(app.client.finish(accepted).await.status, 200);
    }
}
