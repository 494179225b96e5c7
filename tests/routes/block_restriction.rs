//! `POST /volumes/{id}/block-restriction`, and hosting volumes that grow (api.md 11.4, 11.7).
use super::{
    UNKNOWN, assert_accepted, assert_error,
    block_volumes::{create, hosting, with_three_nodes},
    id, run, send,
};
use crate::harness::TestApp;
use serde_json::json;

const SET: &str = "Failed to set block restriction: ";

#[tokio::test]
async fn order_of_checks() {
    let app = TestApp::start().await.with_nodes(1, 1).await;
    let plain = format!("/volumes/{}", id(&app.create_volume(json!({"size": 1})).await));
    let path = format!("{plain}/block-restriction");
    let unparsable = send(&app.client, "POST", &path, "[]").await;
    assert_error(&unparsable, 422, "request unable to be parsed");
    let unknown = format!("/volumes/{UNKNOWN}/block-restriction");
    for word in ["unlocked", "locked-by-update", "LOCKED"] {
        let answer = app.client.post(&unknown, json!({"restriction": word})).await;
        let text = "validation failed: restriction: must be a valid value.";
        assert_error(&answer, 400, text);
    }
    let answer = app.client.post(&unknown, json!({"restriction": "locked"})).await;
    assert_error(&answer, 404, "Id not found");
    for word in ["", "locked"] {
        let answer = app.client.post(&path, json!({"restriction": word})).await;
        let text = "Block restrictions can only be set on block hosting volumes";
        assert_error(&answer, 500, &format!("{SET}{text}"));
    }
}

#[tokio::test]
async fn locking_and_unlocking() {
    let app = with_three_nodes().await;
    let block = create(&app, json!({"size": 10})).await;
    let volume = format!("/volumes/{}", block["blockhostingvolume"].as_str().unwrap());
    let path = format!("{volume}/block-restriction");
    let blocks = json!([id(&block)]);
    let open = json!({"freesize": 88, "reservedsize": 2, "blockvolume": blocks});
    let locked = json!({"freesize": 88, "reservedsize": 2, "blockvolume": blocks,
        "restriction": "locked"});
    for (word, info) in
        [("locked", &locked), ("locked", &locked), ("", &open), ("", &open), ("locked", &locked)]
    {
        let accepted = app.client.post(&path, json!({"restriction": word})).await;
        assert_accepted(&accepted);
        let end = app.client.poll(&accepted.location()).await;
        assert_eq!((end.status, end.location()), (303, volume.clone()));
        assert_eq!(hosting(&app, &block).await, *info);
    }
    // What is on it may still grow.
    let expand = format!("/blockvolumes/{}/expand", id(&block));
    let grown = app.client.post(&expand, json!({"new_size": 20})).await;
    assert_eq!(app.client.finish(grown).await.json()["size"], 20);
}

/// As old databases have them: nothing is kept back yet, and the lock says so.
#[tokio::test]
async fn unlocking_after_an_update() {
    let app = with_three_nodes().await;
    let block = create(&app, json!({"size": 97})).await;
    let volume = block["blockhostingvolume"].as_str().unwrap().to_owned();
    let path = format!("/volumes/{volume}/block-restriction");
    let mut tx = app.app.store.write().await.unwrap();
    let old = "UPDATE volumes SET block_reserved_gib = 0, block_restriction = 'locked-by-update'";
    sqlx::query(old).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    let info = hosting(&app, &block).await;
    assert_eq!(info["restriction"], "locked-by-update");
    assert_eq!((&info["freesize"], info.get("reservedsize")), (&json!(3), None));
    // 2 GiB are needed, and 3 are free; after 99 of 100 are taken, 1 is.
    let expand = format!("/blockvolumes/{}/expand", id(&block));
    let grown = app.client.post(&expand, json!({"new_size": 99})).await;
    assert_eq!(app.client.finish(grown).await.status, 200);
    let refused = app.client.post(&path, json!({})).await;
    let text = "Can not unlock volume. 2GiB free space is required, but found 1GiB";
    assert_error(&refused, 500, &format!("{SET}{text}"));
    // With more room it can be unlocked, and keeps back as much as any other of its size.
    let expand = format!("/volumes/{volume}/expand");
    let expanded = app.client.post(&expand, json!({"expand_size": 50})).await;
    assert_eq!(app.client.finish(expanded).await.status, 200);
    assert_eq!(run(&app, &path, json!({"restriction": ""})).await.status, 303);
    let info = hosting(&app, &block).await;
    assert_eq!((&info["reservedsize"], &info["freesize"]), (&json!(3), &json!(48)));
}

/// What is added is shared out like what was there, step by step.
#[tokio::test]
async fn a_hosting_volume_grows() {
    let app = with_three_nodes().await;
    let block = create(&app, json!({"size": 10})).await;
    let volume = format!("/volumes/{}", block["blockhostingvolume"].as_str().unwrap());
    for (by, free, reserved) in [(100, 186, 4), (1, 186, 5), (49, 234, 6)] {
        let answer = app.client.post(&format!("{volume}/expand"), json!({"expand_size": by})).await;
        let grown = app.client.finish(answer).await.json();
        assert_eq!(
            [&grown["blockinfo"]["freesize"], &grown["blockinfo"]["reservedsize"]],
            [free, reserved],
            "{by}"
        );
    }
}
