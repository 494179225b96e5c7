//! `POST /volumes/{id}/clone` (api.md 11.4).
use super::replica;
use crate::{
    harness::TestApp,
    routes::{
        UNKNOWN, assert_accepted, assert_error, assert_json,
        hold::{Broken, Hold},
        id, send,
    },
};
use brickyard::node::Cmd;
use serde_json::{Value, json};
use std::sync::Arc;

async fn used(app: &TestApp, volume: &Value) -> Vec<u64> {
    let mut all = vec![];
    for brick in volume["bricks"].as_array().unwrap() {
        let device = brick["device"].as_str().unwrap();
        let device = app.client.get(&format!("/devices/{device}")).await.json();
        all.push(device["storage"]["used"].as_u64().unwrap());
    }
    all
}
async fn remove(app: &TestApp, volume: &Value) {
    let gone = app.client.delete(&format!("/volumes/{}", id(volume))).await;
    assert_eq!(app.client.finish(gone).await.status, 204);
}

/// It is like its source, lies beside it and takes no space of its own.
#[tokio::test]
async fn a_volume_of_its_own() {
    let app = TestApp::start().await.with_nodes(3, 1).await;
    let source = app.create_volume(json!({"size": 2, "durability": replica(3)})).await;
    let before = used(&app, &source).await;
    let path = format!("/volumes/{}/clone", id(&source));
    let accepted = app.client.post(&path, json!({"name": "twin"})).await;
    assert_accepted(&accepted);
    let done = app.client.poll(&accepted.location()).await;
    assert_eq!(done.status, 303);
    let clone = assert_json(&app.client.get(&done.location()).await, 200);
    assert_eq!((&clone["name"], &clone["size"]), (&json!("twin"), &json!(2)));
    for same in ["durability", "cluster", "glustervolumeoptions", "snapshot"] {
        assert_eq!(clone[same], source[same], "{same}");
    }
    assert_ne!(clone["id"], source["id"]);
    let paths = clone["bricks"].as_array().unwrap().iter().map(|b| b["path"].as_str().unwrap());
    assert_eq!(paths.filter(|path| path.starts_with("/run/gluster/snaps/")).count(), 3);
    assert_eq!(used(&app, &clone).await, before);
    assert!(app.sim.world().snapshots.is_empty(), "the snapshot on the way is gone");
    let unnamed = app.client.post(&path, json!({})).await;
    let unnamed = app.client.finish(unnamed).await.json();
    assert_eq!(unnamed["name"], format!("vol_{}", id(&unnamed)));
}

/// The pool is there, and accounted for, as long as anything lies in it.
#[tokio::test]
async fn the_space_is_free_when_the_last_is_gone() {
    let app = TestApp::start().await.with_nodes(3, 1).await;
    for source_first in [true, false] {
        let source = app.create_volume(json!({"size": 2, "durability": replica(3)})).await;
        let before = used(&app, &source).await;
        let clone = app.client.post(&format!("/volumes/{}/clone", id(&source)), json!({})).await;
        let clone = app.client.finish(clone).await.json();
        let (first, last) = if source_first { (&source, &clone) } else { (&clone, &source) };
        remove(&app, first).await;
        assert_eq!(used(&app, last).await, before);
        remove(&app, last).await;
        assert_eq!(used(&app, last).await, [0, 0, 0]);
    }
}

#[tokio::test]
async fn refused() {
    let app = TestApp::start().await.with_nodes(3, 1).await;
    let source = id(&app.create_volume(json!({"size": 1, "name": "one"})).await);
    let name = "validation failed: name: must be in a valid format.";
    let clone = |id: &str| format!("/volumes/{id}/clone");
    for volume in [source.as_str(), UNKNOWN] {
        for (body, status, text) in [
            ("", 422, "request unable to be parsed"),
            ("{", 422, "request unable to be parsed"),
            (r#"{"name":"a b"}"#, 400, name),
        ] {
            let answer = send(&app.client, "POST", &clone(volume), body).await;
            assert_error(&answer, status, text);
        }
    }
    assert_error(&app.client.post(&clone(UNKNOWN), json!({})).await, 404, "Id not found");
    let taken = app.client.post(&clone(&source), json!({"name": "one"})).await;
    let text = format!("Failed clone volume {source}: Volume name 'one' already in use");
    assert_error(&taken, 500, &text);
    let hosting = id(&app.create_volume(json!({"size": 1, "block": true})).await);
    let why = "Cloning of block hosting volumes is not supported";
    let answer = app.client.post(&clone(&hosting), json!({})).await;
    assert_error(&answer, 500, &format!("Failed clone volume {hosting}: {why}"));
}

/// Heketi left the clone's id in the cluster, which took no volume from then on.
#[tokio::test]
async fn failed() {
    let app = TestApp::start().await.with_nodes(3, 1).await;
    let source = app.create_volume(json!({"size": 1, "durability": replica(3)})).await;
    let before = app.sim.world().volumes.clone();
    let cluster = format!("/clusters/{}", source["cluster"].as_str().unwrap());
    let listed = app.client.get(&cluster).await.json();
    for command in ["snapshot create", "snapshot activate", "snapshot clone", "volume start"] {
        app.sim.set_faults(Some(Arc::new(Broken(command, "no snapshots today"))));
        let failed = app.client.post(&format!("/volumes/{}/clone", id(&source)), json!({})).await;
        let failed = app.client.finish(failed).await;
        assert_eq!(failed.status, 500);
        assert!(failed.text().starts_with("no snapshots today"), "{}", failed.text());
        app.sim.set_faults(None);
        assert_eq!(app.sim.world().volumes, before, "{command}");
        assert_eq!(app.client.get(&cluster).await.json(), listed);
    }
    app.create_volume(json!({"size": 1})).await;
}

/// What an administrator does by hand.
fn by_hand(app: &TestApp, lines: &[&str]) {
    for line in lines {
        let words = ["gluster", "--mode=script"].into_iter().chain(line.split(' '));
        app.sim.execute(&"n0.example.com".parse().unwrap(), &Cmd::new(words)).unwrap();
    }
}

/// The bricks of one volume lie on the same nodes, one by one, as those of the other.
fn in_the_order_of(app: &TestApp, one: &str, other: &str) {
    let mut world = app.sim.world();
    let host = |brick: &String| brick.split(':').next().unwrap().to_owned();
    let other = world.volumes.iter().find(|volume| volume.name == other).unwrap();
    let order: Vec<_> = other.bricks.iter().map(host).collect();
    let one = world.volumes.iter_mut().find(|volume| volume.name == one).unwrap();
    one.bricks.sort_by_key(|brick| order.iter().position(|of| *of == host(brick)));
}

/// An administrator takes the name after it was found to be free: whatever it has in common with
/// the clone that was to be made, it is neither changed nor deleted.
#[tokio::test]
async fn a_clone_that_others_made_meanwhile() {
    const HEKETIS: &str = "volume set b user.heketi.id 0123456789abcdef0123456789abcdef";
    let app = TestApp::start().await.with_nodes(3, 1).await;
    let of = async |name| {
        app.create_volume(json!({"size": 1, "name": name, "durability": replica(3)})).await
    };
    let (source, other) = (of("a").await, of("b").await);
    in_the_order_of(&app, "b", "a");
    let own = format!("volume set b user.heketi.id {}", id(&source));
    let (start, begun) = ("volume start twin", "volume set twin features.read-only on");
    for (of, unmarked, before, after) in [
        ("b", &[][..], &[][..], &[][..]),
        ("b", &[], &[], &[start, begun]),
        // As its source has it, but not a clone of it.
        ("b", &["a", "b"], &[], &[]),
        ("b", &[], &[own.as_str()], &[start]),
        ("b", &["a"], &[HEKETIS], &[start]),
        // A clone of it, but another's.
        ("a", &[], &[], &[start, "volume set twin user.heketi.id by-hand"]),
    ] {
        let case = format!("{of} {unmarked:?} {before:?} {after:?}");
        let (world, hold) = (app.sim.world().clone(), Hold::at(&app, "tmpsnap_"));
        for volume in &mut app.sim.world().volumes {
            if unmarked.contains(&volume.name.as_str()) {
                volume.options.remove("user.heketi.id");
            }
        }
        let path = format!("/volumes/{}/clone", id(&source));
        let accepted = app.client.post(&path, json!({"name": "twin"})).await;
        hold.wait().await;
        by_hand(&app, before);
        by_hand(
            &app,
            &[&format!("snapshot create kept {of} no-timestamp"), "snapshot clone twin kept"],
        );
        by_hand(&app, after);
        let theirs = app.sim.world().clone();
        hold.release();
        let failed = app.client.finish(accepted).await;
        assert_eq!(failed.status, 500, "{case}");
        assert!(failed.text().contains("twin already exists"), "{case}: {}", failed.text());
        let now = app.sim.world().clone();
        assert_eq!(now, theirs, "{case}");
        app.sim.set_faults(None);
        *app.sim.world() = world;
    }
    assert_eq!(app.client.get("/volumes").await.json()["volumes"].as_array().unwrap().len(), 2);
    remove(&app, &source).await;
    remove(&app, &other).await;
}
