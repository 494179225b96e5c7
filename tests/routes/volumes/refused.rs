//! Volumes that no cluster takes: 500 at once, never in the background (api.md 11.1, 12).
use super::{disperse, replica};
use crate::{
    harness::{Start, TestApp, quick},
    routes::{assert_accepted, assert_error, hold::Hold, only_cluster},
};
use brickyard::operation::Settings;
use serde_json::{Value, json};

const ATTEMPT: &str = "Failed to allocate new volume: ";

async fn refused(app: &TestApp, body: Value, cause: &str) {
    let answer = app.client.post("/volumes", body).await;
    assert_error(&answer, 500, &format!("{ATTEMPT}{cause}"));
}

async fn cluster(app: &TestApp, file: bool, block: bool) -> String {
    let answer = app.client.post("/clusters", json!({"file": file, "block": block})).await;
    answer.json()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn nothing_to_put_it_on() {
    let app = TestApp::start().await;
    let cluster = app.add_cluster().await;
    refused(&app, json!({"size": 1}), "No nodes in cluster").await;
    let node = app.add_node(&cluster, 0, 1).await;
    refused(&app, json!({"size": 1}), "No online storage devices in cluster").await;
    app.add_device(&node, "/dev/sdb").await;
    refused(&app, json!({"size": 500}), "No space").await;
    refused(&app, json!({"size": 1, "durability": replica(2)}), "No space").await;
    refused(&app, json!({"size": 2, "durability": disperse(2, 1)}), "No space").await;
    let other = json!({"size": 1, "glustervolumeoptions": ["user.heketi.device-tag-match a=b"]});
    refused(&app, other, "No space").await;
    assert_eq!(app.client.get("/volumes").await.json(), json!({"volumes": []}));
    app.create_volume(json!({"size": 1})).await;
}

#[tokio::test]
async fn names_are_unique_in_a_cluster() {
    let app = TestApp::start().await.with_nodes(1, 1).await;
    let cluster = only_cluster(&app).await;
    app.create_volume(json!({"size": 1, "name": "mine"})).await;
    for clusters in [json!([]), json!([cluster])] {
        let body = json!({"size": 1, "name": "mine", "clusters": clusters});
        refused(&app, body, "Volume name 'mine' already in use").await;
    }
    app.create_volume(json!({"size": 1, "name": "Mine"})).await;
    // The name is told before the space.
    let body = json!({"size": 100_000, "name": "mine"});
    refused(&app, body, "Volume name 'mine' already in use").await;
    // In another cluster it is free, and that one is found by itself. Only whether it is accepted
    // is looked at: the simulated nodes do not tell volumes of one name in two pools apart.
    let other = app.add_cluster().await;
    let node = app.add_node(&other, 5, 1).await;
    app.add_device(&node, "/dev/sdb").await;
    let hold = Hold::at(&app, "volume create");
    assert_accepted(&app.client.post("/volumes", json!({"size": 1, "name": "mine"})).await);
    hold.wait().await;
    let device = &crate::routes::devices(&app, &node).await[0];
    assert_eq!(device["bricks"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_limit_of_a_cluster() {
    let settings = Settings { max_volumes_per_cluster: Some(2), ..quick() };
    let app =
        TestApp::start_with(Start { settings, ..Start::default() }).await.with_nodes(1, 1).await;
    for name in ["a", "b"] {
        app.create_volume(json!({"size": 1, "name": name})).await;
    }
    refused(&app, json!({"size": 1}), "Cluster has 2 volumes and limit is 2").await;
    refused(&app, json!({"size": 1, "name": "a"}), "Volume name 'a' already in use").await;
}

#[tokio::test]
async fn flags() {
    let app = TestApp::start().await;
    let closed = "Cluster has disabled all volume types";
    let unfit = "Cluster does not support requested volume type";
    for (file, block, wants_block, cause) in [
        (false, false, false, closed),
        (false, false, true, closed),
        (true, false, true, unfit),
        (false, true, false, unfit),
        (true, false, false, "No nodes in cluster"),
        (false, true, true, "No nodes in cluster"),
    ] {
        let cluster = cluster(&app, file, block).await;
        let body = json!({"size": 1, "block": wants_block, "clusters": [cluster]});
        refused(&app, body, cause).await;
    }
}

/// One cluster is one cause; several are told one by one, under a headline of the phase.
#[tokio::test]
async fn several_clusters() {
    let app = TestApp::start().await;
    let (none, block) = (cluster(&app, false, false).await, cluster(&app, false, true).await);
    let body = json!({"size": 1, "clusters": [none, block]});
    let text = format!(
        "No eligible cluster for volume\nCluster {none}: Cluster has disabled all volume types\n\
         Cluster {block}: Cluster does not support requested volume type"
    );
    refused(&app, body, &text).await;
    // One that passes the first phase: only what it says then counts.
    let empty = cluster(&app, true, false).await;
    let body = json!({"size": 1, "clusters": [none, empty]});
    refused(&app, body, "No nodes in cluster").await;
    let full = cluster(&app, true, false).await;
    let node = app.add_node(&full, 0, 1).await;
    app.add_device(&node, "/dev/sdb").await;
    let body = json!({"size": 1000, "clusters": [full, none, empty]});
    let text = format!(
        "Unable to create volume on any cluster:\nCluster {full}: No space\n\
         Cluster {empty}: No nodes in cluster"
    );
    refused(&app, body, &text).await;
    // The first that has room is taken, in the order that was asked for.
    let body = json!({"size": 1, "clusters": [empty, full]});
    assert_eq!(app.create_volume(body).await["cluster"], json!(full));
}

/// A rule that makes no sense is no lack of space.
#[tokio::test]
async fn tag_rules() {
    let app = TestApp::start().await.with_nodes(1, 1).await;
    for rule in ["tier", "=x", "a=", "a b=c"] {
        let option = format!("user.heketi.device-tag-match {rule}");
        let body = json!({"size": 1, "glustervolumeoptions": [option]});
        let cause = format!("Invalid tag matching rule: Invalid tag match rule: {rule}");
        refused(&app, body, &cause).await;
    }
}

/// Bricks have a smallest and a largest size, and a volume so many of them.
#[tokio::test]
async fn bounds_of_bricks() {
    let mut settings = quick();
    settings.limits.brick_min = brickyard::domain::Gib(4).to_kib();
    settings.limits.brick_max = brickyard::domain::Gib(10).to_kib();
    settings.limits.max_bricks = 4;
    let app =
        TestApp::start_with(Start { settings, ..Start::default() }).await.with_nodes(3, 2).await;
    let small = |n: i64, kib: i64| {
        format!(
            "Requested volume size ({n} GB) is smaller than the minimum supported volume size ({kib})"
        )
    };
    for (body, text) in [
        (json!({"size": 3}), small(3, 4_194_304)),
        (json!({"size": 7, "durability": disperse(2, 1)}), small(7, 8_388_608)),
    ] {
        assert_error(&app.client.post("/volumes", body).await, 400, &text);
    }
    let volume = app.create_volume(json!({"size": 4})).await;
    assert_eq!(super::brick_sizes(&volume), [4_194_304]);
    let volume = app.create_volume(json!({"size": 40})).await;
    assert_eq!(super::brick_sizes(&volume), [10_485_760; 4]);
    refused(&app, json!({"size": 41}), "No space").await;
    refused(&app, json!({"size": 11, "durability": replica(3)}), "No space").await;
}
