//! `/operations`: what is not at rest, calling it off, and trying it again (api.md 13).
use super::{
    UNKNOWN, assert_accepted, assert_error, assert_json, assert_no_content,
    hold::{Broken, Hold},
    keys, send,
};
use crate::harness::TestApp;
use brickyard::{
    domain::Hostname,
    node::{
        Cmd,
        sim::{Fault, Faults},
    },
};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::Semaphore;

async fn counts(app: &TestApp) -> Value {
    assert_json(&app.client.get("/operations").await, 200)
}
async fn pending(app: &TestApp) -> Vec<Value> {
    let list = assert_json(&app.client.get("/operations/pending").await, 200);
    assert_eq!(keys(&list), ["pendingoperations"]);
    list["pendingoperations"].as_array().unwrap().clone()
}

#[tokio::test]
async fn how_far_it_is_and_on_which_node() {
    let app = TestApp::start().await.with_nodes(2, 1).await;
    let hold = Hold::at(&app, "mkfs.xfs");
    let two = json!({"type": "replicate", "replicate": {"replica": 2}});
    let accepted = app.client.post("/volumes", json!({"size": 1, "durability": two})).await;
    hold.wait().await;
    hold.wait().await;

    let zero = json!({"total": 1, "in_flight": 1, "stale": 0, "failed": 0, "new": 1});
    assert_eq!(counts(&app).await, zero);
    let list = pending(&app).await;
    let one = &list[0];
    assert_eq!(keys(one), ["id", "type_name", "status", "sub_status", "progress"]);
    let id = one["id"].as_str().unwrap();
    assert_eq!(accepted.location(), format!("/queue/{id}"));
    assert_eq!((&one["type_name"], &one["status"]), (&json!("create-volume"), &json!("")));
    assert_eq!(one["sub_status"], "in-flight");
    let progress = &one["progress"];
    assert_eq!((&progress["state"], &progress["cancellable"]), (&json!("running"), &json!(true)));
    assert_eq!((&progress["steps_done"], &progress["steps"]), (&json!(0), &json!(5)));
    let running = super::strings(&progress["running"]);
    assert!(running[0].starts_with("create-brick on n") && running.len() == 2, "{running:?}");

    let info = assert_json(&app.client.get(&format!("/operations/pending/{id}")).await, 200);
    assert_eq!(info["sub_status"], "", "always empty here, as Heketi has it");
    let described: Vec<_> =
        info["changes"].as_array().unwrap().iter().map(|c| c["description"].clone()).collect();
    assert_eq!(described, ["Add brick", "Add brick", "Add volume"]);
    let states: Vec<_> =
        info["steps"].as_array().unwrap().iter().map(|s| s["state"].clone()).collect();
    assert_eq!(states, ["running", "running", "planned", "planned", "planned"]);
    let hosts: Vec<_> =
        info["commands"].as_array().unwrap().iter().map(|c| c["host"].clone()).collect();
    assert_eq!(hosts.len(), 2);
    assert!(hosts.contains(&json!("n0.example.com")) && hosts.contains(&json!("n1.example.com")));

    hold.release();
    assert_eq!(app.client.finish(accepted).await.status, 200);
    assert!(pending(&app).await.is_empty());
    let gone = app.client.get(&format!("/operations/pending/{id}")).await;
    assert_error(&gone, 404, &format!("Id not found: {id}"));
}

/// One that runs, one that waits for its turn: both leave nothing, and their clients are told.
#[tokio::test]
async fn called_off_before_the_point_of_no_return() {
    let start = crate::harness::Start {
        settings: brickyard::operation::Settings { max_in_flight: 1, ..crate::harness::quick() },
        ..Default::default()
    };
    let app = TestApp::start_with(start).await.with_nodes(1, 1).await;
    let hold = Hold::at(&app, "mkfs.xfs");
    let mut accepted = vec![];
    for name in ["runs", "waits"] {
        accepted.push(app.client.post("/volumes", json!({"size": 1, "name": name})).await);
    }
    hold.wait().await;
    for answer in accepted.iter().rev() {
        let id = answer.location().replace("/queue/", "");
        let cancelled = app.client.delete(&format!("/operations/pending/{id}")).await;
        assert_no_content(&cancelled);
        let told = app.client.poll(&answer.location()).await;
        let text = "The operation was cancelled. What it had done is taken back";
        assert_error(&told, 500, text);
        let again = app.client.delete(&format!("/operations/pending/{id}")).await;
        assert_error(&again, 404, "Id not found");
    }
    assert_eq!(counts(&app).await["total"], 0);
    assert!(app.sim.world().volumes.is_empty());
    assert!(app.sim.world().nodes["n0.example.com"].mounts.is_empty());
    // Its names and its space are free again.
    hold.release();
    app.create_volume(json!({"size": 1, "name": "runs"})).await;
}

/// It failed on a node and is being taken back, to be begun anew elsewhere: it is not.
#[tokio::test]
async fn called_off_while_it_is_taken_back() {
    let app = TestApp::start().await.with_nodes(2, 1).await;
    let fails = Arc::new(FailsThenHolds::default());
    app.sim.set_faults(Some(fails.clone()));
    let accepted = app.client.post("/volumes", json!({"size": 1})).await;
    fails.arrived.acquire().await.unwrap().forget();
    let id = accepted.location().replace("/queue/", "");
    let progress = pending(&app).await[0]["progress"].clone();
    assert_eq!(progress["state"], "unwinding");
    assert_no_content(&app.client.delete(&format!("/operations/pending/{id}")).await);
    fails.gate.close();
    let told = app.client.poll(&accepted.location()).await;
    let text = "The operation was cancelled. What it had done is taken back";
    assert_error(&told, 500, text);
    assert!(app.sim.world().volumes.is_empty());
}

/// No file system can be made, and nothing can be taken back until the gate is closed.
struct FailsThenHolds {
    arrived: Semaphore,
    gate: Semaphore,
}
impl Default for FailsThenHolds {
    fn default() -> Self {
        Self { arrived: Semaphore::new(0), gate: Semaphore::new(0) }
    }
}
#[async_trait::async_trait]
impl Faults for FailsThenHolds {
    async fn before(&self, _: &Hostname, cmd: &Cmd, _: bool) -> Option<Fault> {
        let text = cmd.to_string();
        if text.contains("lvremove") {
            self.arrived.add_permits(1);
            drop(self.gate.acquire().await);
        }
        let first = text.contains("mkfs.xfs") && !self.gate.is_closed();
        first.then(|| Fault::Fail("the disk is on fire".into()))
    }
    async fn after(&self, _: &Hostname, _: &Cmd, _: bool) -> Option<Fault> {
        None
    }
}

#[tokio::test]
async fn what_can_only_be_finished_is_not_called_off() {
    let app = TestApp::start().await.with_nodes(1, 1).await;
    let volume = super::id(&app.create_volume(json!({"size": 1})).await);
    let hold = Hold::at(&app, "volume delete");
    let accepted = app.client.delete(&format!("/volumes/{volume}")).await;
    assert_accepted(&accepted);
    hold.wait().await;
    let id = accepted.location().replace("/queue/", "");
    let refused = app.client.delete(&format!("/operations/pending/{id}")).await;
    let text = format!(
        "Operation {id} (delete-volume) is past its point of no return and can only be finished"
    );
    assert_error(&refused, 409, &text);
    let progress = pending(&app).await[0]["progress"].clone();
    assert_eq!(progress["cancellable"], false);
    hold.release();
    assert_no_content(&app.client.poll(&accepted.location()).await);
    let unknown = app.client.delete(&format!("/operations/pending/{UNKNOWN}")).await;
    assert_error(&unknown, 404, "Id not found");
}

#[tokio::test]
async fn stuck_ones_are_tried_again_on_demand() {
    let app = TestApp::start().await.with_nodes(1, 1).await;
    let mut stuck = vec![];
    app.sim.set_faults(None);
    for _ in 0..2 {
        stuck.push(super::id(&app.create_volume(json!({"size": 1})).await));
    }
    app.sim.set_faults(Some(Arc::new(Broken("umount", "target is busy"))));
    let mut ids = vec![];
    for volume in &stuck {
        let accepted = app.client.delete(&format!("/volumes/{volume}")).await;
        assert_eq!(app.client.poll(&accepted.location()).await.status, 500);
        ids.push(accepted.location().replace("/queue/", ""));
    }
    let counted = json!({"total": 2, "in_flight": 0, "stale": 0, "failed": 2, "new": 0});
    assert_eq!(counts(&app).await, counted);
    let list = pending(&app).await;
    assert_eq!((&list[0]["status"], &list[0]["sub_status"]), (&json!("failed"), &json!("")));
    assert_eq!(list[0]["progress"]["tries"], 1);
    let error = list[0]["progress"]["error"].as_str().unwrap();
    assert!(error.contains("target is busy"), "{error}");

    // What cannot be cleaned up is no error, and stays.
    let clean_up = "/operations/pending/cleanup";
    assert_no_content(&super::run(&app, clean_up, json!({})).await);
    assert_eq!(pending(&app).await[1]["progress"]["tries"], 2);
    app.sim.set_faults(None);
    let one = json!({"operations": [ids[0], UNKNOWN]});
    assert_no_content(&super::run(&app, clean_up, one).await);
    assert_eq!(counts(&app).await["total"], 1);
    assert_no_content(&super::run(&app, clean_up, json!({})).await);
    assert_eq!(counts(&app).await["total"], 0);
    assert!(app.sim.world().volumes.is_empty());
    // Who polls the deletion itself learns that it was done after all.
    assert_no_content(&app.client.get(&format!("/queue/{}", ids[0])).await);

    // A named operation that is not there is nothing, and never everything.
    let stuck = super::id(&app.create_volume(json!({"size": 1})).await);
    app.sim.set_faults(Some(Arc::new(Broken("umount", "target is busy"))));
    let accepted = app.client.delete(&format!("/volumes/{stuck}")).await;
    assert_eq!(app.client.poll(&accepted.location()).await.status, 500);
    app.sim.set_faults(None);
    let unknown = json!({"operations": [UNKNOWN.to_uppercase()]});
    assert_no_content(&super::run(&app, clean_up, unknown).await);
    assert_eq!(counts(&app).await["total"], 1);
    let shouted = accepted.location().replace("/queue/", "").to_uppercase();
    assert_no_content(&super::run(&app, clean_up, json!({"operations": [shouted]})).await);
    assert_eq!(counts(&app).await["total"], 0);

    let many: Vec<&str> = vec![UNKNOWN; 33];
    for (body, status, text) in [
        ("{", 422, "request unable to be parsed"),
        (r#"{"operations":["x"]}"#, 400, "validation failed: operations: x is not a valid UUID."),
        (
            json!({"operations": many}).to_string().as_str(),
            400,
            "validation failed: operations: too many ids specified (33), up to 32 supported.",
        ),
    ] {
        assert_error(&send(&app.client, "POST", clean_up, body).await, status, text);
    }
}
