//! What others see of a volume while something is being done to it (api.md 11.8).
use crate::{
    harness::TestApp,
    routes::{assert_error, assert_no_content, devices, hold::Hold, id, nodes, only_cluster},
};
use serde_json::json;

const IN_USE: &str = "The target exists, contains other items, or is in use.";

/// What lists show: volumes, volumes of the cluster, bricks on the device.
async fn shown(app: &TestApp) -> [usize; 3] {
    let volumes = app.client.get("/volumes").await.json();
    let cluster = format!("/clusters/{}", only_cluster(app).await);
    let cluster = app.client.get(&cluster).await.json();
    let device = &devices(app, &nodes(app).await[0]).await[0];
    [&volumes["volumes"], &cluster["volumes"], &device["bricks"]]
        .map(|list| list.as_array().unwrap().len())
}

#[tokio::test]
async fn being_created() {
    let app = TestApp::start().await.with_nodes(1, 1).await;
    let hold = Hold::at(&app, "volume create");
    let accepted = app.client.post("/volumes", json!({"size": 1, "name": "mine"})).await;
    hold.wait().await;
    assert_eq!(shown(&app).await, [0, 0, 1], "its bricks are there, it is not");
    let device = devices(&app, &nodes(&app).await[0]).await[0].clone();
    let volume = format!("/volumes/{}", device["bricks"][0]["volume"].as_str().unwrap());
    assert_eq!(device["storage"]["used"], 1_056_768);
    assert_error(&app.client.get(&volume).await, 404, "Id not found");
    let expand = app.client.post(&format!("{volume}/expand"), json!({"expand_size": 1})).await;
    assert!([404, 500].contains(&expand.status), "{}", expand.text());
    let delete = app.client.delete(&volume).await;
    assert_error(&delete, 500, &format!("Failed to set up volume delete: {IN_USE}"));
    let again = app.client.post("/volumes", json!({"size": 1, "name": "mine"})).await;
    let text = "Failed to allocate new volume: Volume name 'mine' already in use";
    assert_error(&again, 500, text);
    let cluster = format!("/clusters/{}", only_cluster(&app).await);
    assert_eq!(app.client.delete(&cluster).await.status, 409);
    hold.release();
    let done = app.client.poll(&accepted.location()).await;
    assert_eq!(done.location(), volume);
    assert_eq!(shown(&app).await, [1, 1, 1]);
}

#[tokio::test]
async fn being_deleted() {
    let app = TestApp::start().await.with_nodes(1, 1).await;
    let object = app.create_volume(json!({"size": 1, "name": "mine"})).await;
    let volume = format!("/volumes/{}", id(&object));
    let hold = Hold::at(&app, "volume delete");
    let accepted = app.client.delete(&volume).await;
    hold.wait().await;
    assert_eq!(shown(&app).await, [0, 0, 1]);
    assert_error(&app.client.get(&volume).await, 404, "Id not found");
    let again = app.client.delete(&volume).await;
    assert_error(&again, 500, &format!("Failed to set up volume delete: {IN_USE}"));
    let same = app.client.post("/volumes", json!({"size": 1, "name": "mine"})).await;
    let text = "Failed to allocate new volume: Volume name 'mine' already in use";
    assert_error(&same, 500, text);
    hold.release();
    assert_no_content(&app.client.poll(&accepted.location()).await);
    assert_eq!(shown(&app).await, [0, 0, 0]);
}

#[tokio::test]
async fn being_expanded() {
    let app = TestApp::start().await.with_nodes(1, 1).await;
    let object = app.create_volume(json!({"size": 1})).await;
    let volume = format!("/volumes/{}", id(&object));
    let hold = Hold::at(&app, "add-brick");
    let path = format!("{volume}/expand");
    let accepted = app.client.post(&path, json!({"expand_size": 2})).await;
    hold.wait().await;
    assert_eq!(shown(&app).await, [1, 1, 2]);
    let seen = app.client.get(&volume).await.json();
    assert_eq!((&seen["size"], super::brick_sizes(&seen).len()), (&json!(1), 2), "old size");
    let delete = app.client.delete(&volume).await;
    assert_error(&delete, 500, &format!("Failed to set up volume delete: {IN_USE}"));
    let again = app.client.post(&path, json!({"expand_size": 1})).await;
    assert_error(&again, 500, &format!("Failed to allocate volume expansion: {IN_USE}"));
    hold.release();
    assert_eq!(app.client.finish(accepted).await.json()["size"], 3);
}
