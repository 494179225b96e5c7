//! `DELETE /volumes/{id}` (api.md 11.4).
use crate::{
    harness::TestApp,
    routes::{UNKNOWN, assert_accepted, assert_error, assert_no_content, devices, id, nodes},
};
use serde_json::json;

#[tokio::test]
async fn nothing_is_left() {
    let app = TestApp::start().await.with_nodes(3, 1).await;
    let body = json!({"size": 5, "name": "mine", "durability": super::replica(3)});
    // The first brick of a device makes a directory that stays as long as the device.
    let first = format!("/volumes/{}", id(&app.create_volume(body.clone()).await));
    assert_eq!(app.client.finish(app.client.delete(&first).await).await.status, 204);
    let before = app.sim.world().nodes.clone();
    let volume = format!("/volumes/{}", id(&app.create_volume(body.clone()).await));
    let accepted = app.client.delete(&volume).await;
    assert_accepted(&accepted);
    assert_no_content(&app.client.poll(&accepted.location()).await);
    assert_error(&app.client.get(&volume).await, 404, "Id not found");
    assert_error(&app.client.delete(&volume).await, 404, "Id not found");
    assert_eq!(app.client.get("/volumes").await.json(), json!({"volumes": []}));
    for node in nodes(&app).await {
        let device = &devices(&app, &node).await[0];
        assert_eq!((&device["storage"]["used"], &device["bricks"]), (&json!(0), &json!([])));
    }
    assert!(app.sim.world().volumes.is_empty());
    assert_eq!(app.sim.world().nodes, before, "mounts, fstab, volumes and directories are gone");
    // The name is free again.
    app.create_volume(body).await;
}

#[tokio::test]
async fn the_volume_with_the_database() {
    let app = TestApp::start().await.with_nodes(1, 1).await;
    let volume = app.create_volume(json!({"size": 1, "name": "heketidbstorage"})).await;
    let answer = app.client.delete(&format!("/volumes/{}", id(&volume))).await;
    assert_error(&answer, 409, "Cannot delete volume containing the Heketi database");
}

#[tokio::test]
async fn unknown() {
    let app = TestApp::start().await;
    assert_error(&app.client.delete(&format!("/volumes/{UNKNOWN}")).await, 404, "Id not found");
}

/// Snapshots would go with it; it comes back into view as it was.
#[tokio::test]
async fn a_volume_with_snapshots() {
    let app = TestApp::start().await.with_nodes(1, 1).await;
    let object = app.create_volume(json!({"size": 1})).await;
    let volume = format!("/volumes/{}", id(&object));
    app.sim.world().volumes[0].snapshots = 2;
    let refused = app.client.finish(app.client.delete(&volume).await).await;
    assert_eq!(refused.status, 500);
    assert!(refused.text().contains("snapshot"), "{}", refused.text());
    assert_eq!(app.client.get(&volume).await.json(), object);
    app.sim.world().volumes[0].snapshots = 0;
    assert_eq!(app.client.finish(app.client.delete(&volume).await).await.status, 204);
}
