//! `POST /volumes/{id}/expand` (api.md 11.4).
use super::{brick_sizes, replica};
use crate::{
    harness::{Start, TestApp, quick},
    routes::{UNKNOWN, assert_accepted, assert_error, assert_json, hold::Broken, id, send},
};
use brickyard::operation::Settings;
use serde_json::json;
use std::sync::Arc;

const GIB: u64 = 1024 * 1024;

#[tokio::test]
async fn grows_by_whole_sets() {
    let app = TestApp::start().await.with_nodes(3, 1).await;
    let object = app.create_volume(json!({"size": 2, "durability": replica(3)})).await;
    let volume = format!("/volumes/{}", id(&object));
    let accepted = app.client.post(&format!("{volume}/expand"), json!({"expand_size": 3})).await;
    assert_accepted(&accepted);
    let done = app.client.poll(&accepted.location()).await;
    assert_eq!((done.status, done.location()), (303, volume.clone()));
    let grown = assert_json(&app.client.get(&volume).await, 200);
    assert_eq!(grown["size"], 5);
    assert_eq!(brick_sizes(&grown), [2 * GIB, 2 * GIB, 2 * GIB, 3 * GIB, 3 * GIB, 3 * GIB]);
    assert_eq!(app.sim.world().volumes[0].bricks.len(), 6);
    for unchanged in ["name", "durability", "mount", "glustervolumeoptions", "snapshot"] {
        assert_eq!(grown[unchanged], object[unchanged], "{unchanged}");
    }
}

#[tokio::test]
async fn what_the_body_says() {
    let app = TestApp::start().await.with_nodes(1, 1).await;
    let made = id(&app.create_volume(json!({"size": 1})).await);
    let blank = "validation failed: expand_size: cannot be blank.";
    for id in [made.as_str(), UNKNOWN] {
        let path = format!("/volumes/{id}/expand");
        for (body, status, text) in [
            ("{", 422, "request unable to be parsed"),
            ("{}", 400, blank),
            (r#"{"size":5}"#, 400, blank),
            (r#"{"expand_size":0}"#, 400, blank),
            (
                r#"{"expand_size":-1}"#,
                400,
                "validation failed: expand_size: must be no less than 1.",
            ),
        ] {
            assert_error(&send(&app.client, "POST", &path, body).await, status, text);
        }
    }
    let path = format!("/volumes/{UNKNOWN}/expand");
    assert_error(&app.client.post(&path, json!({"expand_size": 1})).await, 404, "Id not found");
}

/// Unlike a new volume, an expansion is told which limit ended the search.
#[tokio::test]
async fn no_room() {
    let settings = Settings::default();
    let limit = settings.limits.max_bricks;
    assert_eq!(limit, 32);
    let app = TestApp::start().await.with_nodes(2, 1).await;
    let volume = id(&app.create_volume(json!({"size": 1, "durability": replica(2)})).await);
    let path = format!("/volumes/{volume}/expand");
    for (by, cause) in [
        (i64::MAX, "Maximum number of bricks reached."),
        (100_000, "Maximum number of bricks reached."),
    ] {
        let answer = app.client.post(&path, json!({"expand_size": by})).await;
        assert_error(&answer, 500, &format!("Failed to allocate volume expansion: {cause}"));
    }
    let mut settings = quick();
    settings.limits.brick_min = brickyard::domain::Gib(400).to_kib();
    let app =
        TestApp::start_with(Start { settings, ..Start::default() }).await.with_nodes(2, 1).await;
    let volume = id(&app.create_volume(json!({"size": 400, "durability": replica(2)})).await);
    let path = format!("/volumes/{volume}/expand");
    let answer = app.client.post(&path, json!({"expand_size": 400})).await;
    let cause = "Minimum brick size limit reached.  Out of space.";
    assert_error(&answer, 500, &format!("Failed to allocate volume expansion: {cause}"));
}

/// What was begun is taken back; the volume is as it was. That holds for what gluster refuses as
/// well, as long as it took none of the bricks.
#[tokio::test]
async fn failed() {
    let app = TestApp::start().await.with_nodes(1, 1).await;
    let object = app.create_volume(json!({"size": 1})).await;
    let volume = format!("/volumes/{}", id(&object));
    for command in ["mkfs.xfs", "add-brick"] {
        app.sim.set_faults(Some(Arc::new(Broken(command, "the disk is on fire"))));
        let failed = app.client.post(&format!("{volume}/expand"), json!({"expand_size": 1})).await;
        let failed = app.client.finish(failed).await;
        assert_eq!(failed.status, 500);
        assert!(failed.text().starts_with("the disk is on fire"), "{}", failed.text());
        assert_eq!(app.client.get(&volume).await.json(), object, "{command}");
    }
    app.sim.set_faults(None);
    let again = app.client.post(&format!("{volume}/expand"), json!({"expand_size": 1})).await;
    assert_eq!(app.client.finish(again).await.json()["size"], 2);
}
