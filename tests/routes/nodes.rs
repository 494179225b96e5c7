//! `/nodes` (api.md 9); states and tags have files of their own.
use super::{
    UNKNOWN, assert_accepted, assert_error, assert_json, assert_no_content, devices, hold::Broken,
    id, keys, nodes, only_cluster, send,
};
use crate::harness::{TestApp, client::Answer};
use serde_json::{Value, json};
use std::sync::Arc;

fn body(cluster: &str, manage: &str, storage: &str) -> Value {
    let hostnames = json!({"manage": [manage], "storage": [storage]});
    json!({"zone": 1, "cluster": cluster, "hostnames": hostnames})
}

#[tokio::test]
async fn the_object() {
    let app = TestApp::start().await;
    let cluster = app.add_cluster().await;
    let mut full = body(&cluster, "node1.example", "192.168.10.100");
    full["zone"] = 7.into();
    full["tags"] = json!({"rack": "7"});
    full["hostnames"]["manage"] = json!(["node1.example", "b.example", "a.example"]);
    let accepted = app.client.post("/nodes", full.clone()).await;
    assert_accepted(&accepted);
    let made = app.client.poll(&accepted.location()).await;
    let node = assert_json(&app.client.get(&made.location()).await, 200);
    assert_eq!(
        keys(&node),
        ["zone", "hostnames", "cluster", "tags", "id", "state", "devices", "health"]
    );
    assert_eq!(made.location(), format!("/nodes/{}", id(&node)));
    full["id"] = node["id"].clone();
    full["state"] = "online".into();
    full["devices"] = json!([]);
    full["health"] = node["health"].clone();
    assert_eq!(node, full, "names keep their order");

    let plain = app.client.post("/nodes", body(&cluster, "n2", "10.0.0.2")).await;
    let plain = app.client.finish(plain).await.json();
    assert_eq!(keys(&plain), ["zone", "hostnames", "cluster", "id", "state", "devices", "health"]);
}

/// What the work on a node has shown of it, since when, and why; shown as a number as well.
#[tokio::test]
async fn how_a_node_is() {
    let app = TestApp::start().await.with_nodes(2, 1).await;
    let cluster = only_cluster(&app).await;
    let node = nodes(&app).await[0].clone();
    let path = format!("/nodes/{node}");
    let health = async || app.client.get(&path).await.json()["health"].clone();
    let host = app.client.get(&path).await.json()["hostnames"]["manage"][0].clone();
    let host = host.as_str().unwrap();
    let number = async |series: &str| {
        let series =
            format!("brickyard_node_{series}{{cluster=\"{cluster}\",hostname=\"{host}\"}}");
        super::metrics::samples(&app.client.get("/metrics").await.text()).remove(&series)
    };
    let well = health().await;
    assert_eq!(keys(&well), ["state", "since", "seen"]);
    assert_eq!(well["state"], "well");
    assert_eq!(number("healthy").await, Some(1.0));

    app.sim.world().down.insert(host.to_owned());
    let answer = app.client.post("/devices", json!({"node": node, "name": "/dev/sdx"})).await;
    assert_eq!(app.client.finish(answer).await.status, 500);
    let unwell = health().await;
    assert_eq!(keys(&unwell), ["state", "since", "seen", "why"]);
    assert_eq!(unwell["state"], "unwell");
    assert!(unwell["why"].as_str().unwrap().contains("the node is down"), "{unwell}");
    let time = |health: &Value, name: &str| -> jiff::Timestamp {
        health[name].as_str().unwrap().parse().unwrap()
    };
    assert!(time(&unwell, "since") > time(&well, "since"));
    assert!(time(&unwell, "seen") >= time(&unwell, "since"));
    assert_eq!(number("healthy").await, Some(0.0));
    let since = number("health_changed_timestamp_seconds").await.unwrap();
    assert_eq!(since.to_string(), time(&unwell, "since").as_second().to_string());

    // A server that has just started has seen nothing of it.
    let (sim, folder) = app.end().await;
    let app = TestApp::start_on(sim, folder, crate::harness::Start::default()).await;
    let fresh = app.client.get(&path).await.json()["health"].clone();
    assert_eq!(fresh, json!({"state": "unknown"}));
    assert!(!app.client.get("/metrics").await.text().contains("brickyard_node_healthy"));
}

#[tokio::test]
async fn all_fields_are_checked_at_once() {
    let app = TestApp::start().await;
    let blank = "cluster: cannot be blank; hostnames: (manage: cannot be blank; storage: cannot be \
                 blank.); zone: cannot be blank";
    let good = r#""zone":1,"cluster":"0123456789abcdef0123456789ABCDEF""#;
    let names = r#""hostnames":{"manage":["a"],"storage":["b"]}"#;
    for (fields, text) in [
        (String::new(), blank.to_owned()),
        (
            format!(r#""zone":-1,{names},"cluster":"xyz""#),
            "cluster: xyz is not a valid UUID; zone: must be no less than 1".to_owned(),
        ),
        (
            format!(r#""zone":1,{names},"cluster":"{UNKNOWN}0""#),
            format!("cluster: {UNKNOWN}0 is not a valid UUID"),
        ),
        (
            format!(r#"{good},"hostnames":{{"manage":["a b","c"],"storage":[]}}"#),
            "hostnames: (manage: [a b c] is not a valid manage hostname; storage: cannot be blank.)"
                .to_owned(),
        ),
        (
            format!(r#"{good},"hostnames":{{"manage":["a"],"storage":["b","-x"]}}"#),
            "hostnames: (storage: [b -x] is not a valid storage hostname.)".to_owned(),
        ),
        (
            format!(r#"{good},{names},"tags":{{"":""}}"#),
            "tags: tag names may not be empty".to_owned(),
        ),
    ] {
        let answer = send(&app.client, "POST", "/nodes", &format!("{{{fields}}}")).await;
        assert_error(&answer, 400, &format!("validation failed: {text}."));
    }
}

#[tokio::test]
async fn names() {
    let app = TestApp::start().await;
    let cluster = app.add_cluster().await;
    let label = "a".repeat(63);
    let good = ["10.0.0.9", "fe80::1", "node", "node-1.x", "x.", "_x", "x_", "1a", &label];
    for name in good {
        let made = app.client.finish(app.client.post("/nodes", body(&cluster, name, name)).await);
        assert_eq!(made.await.status, 200, "{name}");
    }
    let longer = "a".repeat(65);
    for name in ["", "-a", "a..b", "a b", "a;reboot", "$(reboot)", "a\n", &longer, "a/b", "ä"] {
        let answer = app.client.post("/nodes", body(&cluster, name, "b")).await;
        let why = format!("(manage: [{name}] is not a valid manage hostname.)");
        assert_error(&answer, 400, &format!("validation failed: hostnames: {why}."));
    }
}

/// What is looked at first is told first: each body is wrong in its own way and in all later ones.
#[tokio::test]
async fn order_of_checks() {
    let app = TestApp::start().await;
    let cluster = app.add_cluster().await;
    let taken = app.add_node(&cluster, 0, 1).await;
    app.sim.world().no_glusterd.insert("n0.example.com".into());
    let in_use = format!("Hostname n0.example.com already used by node with id {taken}\n");
    let upper = UNKNOWN.to_uppercase();
    assert_error(
        &send(&app.client, "POST", "/nodes", "{").await,
        422,
        "request unable to be parsed",
    );
    for (body, status, text) in [
        (
            body("x", "n0.example.com", "10.0.0.9"),
            400,
            "validation failed: cluster: x is not a valid UUID.",
        ),
        (body(UNKNOWN, "n0.example.com", "10.0.0.9"), 404, "Cluster id does not exist"),
        (body(&upper, "n0.example.com", "10.0.0.9"), 404, "Cluster id does not exist"),
        (body(&cluster, "n0.example.com", "10.0.0.9"), 409, &in_use),
        (
            body(&cluster, "n1.example.com", "10.0.0.9"),
            400,
            "None of the nodes in cluster has glusterd running: Connection failed. Please check if \
             gluster daemon is operational. (`gluster --mode=script --timeout=600 pool list` on \
             n0.example.com ended with exit status 1)",
        ),
    ] {
        assert_error(&app.client.post("/nodes", body).await, status, text);
    }
}

/// Names are compared with those of the same kind, on all clusters.
#[tokio::test]
async fn names_in_use() {
    let app = TestApp::start().await;
    let (one, other) = (app.add_cluster().await, app.add_cluster().await);
    let first = app.add_node(&one, 0, 1).await;
    let second = app.add_node(&one, 1, 1).await;
    let used =
        |name: &str, by: &str| format!("Hostname {name} already used by node with id {by}\n");
    for cluster in [&one, &other] {
        let manage = app.client.post("/nodes", body(cluster, "n0.example.com", "10.0.0.9")).await;
        assert_error(&manage, 409, &used("n0.example.com", &first));
        let storage = app.client.post("/nodes", body(cluster, "n9", "10.0.0.1")).await;
        assert_error(&storage, 409, &used("10.0.0.1", &first));
        // Management names are looked at first.
        let both = app.client.post("/nodes", body(cluster, "n1.example.com", "10.0.0.1")).await;
        assert_error(&both, 409, &used("n1.example.com", &second));
        assert!(both.text().ends_with("\n\n"));
    }
    let crossed = app.client.post("/nodes", body(&other, "10.0.0.1", "n0.example.com")).await;
    assert_eq!(app.client.finish(crossed).await.status, 200);
}

#[tokio::test]
async fn glusterd_must_run() {
    let app = TestApp::start().await;
    let cluster = app.add_cluster().await;
    let first = "New Node doesn't have glusterd running";
    app.sim.world().no_glusterd.insert("n0.example.com".into());
    let refused = |answer: &Answer, words: &str, reason: &str| {
        let text = answer.text();
        assert_eq!(answer.status, 400, "{text}");
        let rest = text.strip_prefix(words).unwrap_or_else(|| panic!("{text}"));
        assert!(rest.starts_with(": ") && rest.contains(reason), "{rest}");
    };
    for _ in 0..2 {
        let answer = app.client.post("/nodes", body(&cluster, "n0.example.com", "10.0.0.1")).await;
        refused(&answer, first, "pool list` on n0.example.com");
    }
    app.sim.world().no_glusterd.clear();
    app.sim.world().down.insert("n0.example.com".into());
    let answer = app.client.post("/nodes", body(&cluster, "n0.example.com", "10.0.0.1")).await;
    refused(&answer, first, "n0.example.com");
    // The names were not kept: the next attempt is not told that they are in use.
    app.sim.world().down.clear();
    let zero = app.add_node(&cluster, 0, 1).await;
    app.add_node(&cluster, 1, 1).await;

    // One that joins others is not asked itself, and any of the others will do.
    app.sim.world().no_glusterd.extend(["n0.example.com".into(), "n2.example.com".into()]);
    app.add_node(&cluster, 2, 1).await;
    app.sim.world().down.insert("n1.example.com".into());
    let none = "None of the nodes in cluster has glusterd running";
    let answer = app.client.post("/nodes", body(&cluster, "n3", "10.0.0.4")).await;
    refused(&answer, none, "n1.example.com");
    // A node that is offline is not asked to introduce others.
    app.sim.world().no_glusterd.clear();
    for node in nodes(&app).await.iter().filter(|node| **node != zero) {
        super::run(&app, &format!("/nodes/{node}/state"), json!({"state": "offline"})).await;
    }
    super::run(&app, &format!("/nodes/{zero}/state"), json!({"state": "offline"})).await;
    let answer = app.client.post("/nodes", body(&cluster, "n3", "10.0.0.4")).await;
    refused(&answer, none, "none is online");
}

/// The probe fails in the background; what was kept for the node is given up.
#[tokio::test]
async fn a_probe_that_fails() {
    let app = TestApp::start().await.with_nodes(1, 0).await;
    let cluster = only_cluster(&app).await;
    app.sim.set_faults(Some(Arc::new(Broken("peer probe", "peer probe: failed: no route"))));
    let accepted = app.client.post("/nodes", body(&cluster, "n1", "10.0.0.2")).await;
    assert_accepted(&accepted);
    let failed = app.client.poll(&accepted.location()).await;
    assert_eq!(failed.status, 500);
    assert!(failed.text().starts_with("peer probe: failed: no route"), "{}", failed.text());
    assert_eq!(nodes(&app).await.len(), 1);
    app.sim.set_faults(None);
    let again = app.client.post("/nodes", body(&cluster, "n1", "10.0.0.2")).await;
    assert_eq!(app.client.finish(again).await.status, 200);
}

#[tokio::test]
async fn life_cycle() {
    let app = TestApp::start().await.with_nodes(2, 1).await;
    let cluster = only_cluster(&app).await;
    let full = nodes(&app).await[0].clone();
    let node = app.add_node(&cluster, 5, 1).await;
    let peers = || app.sim.world().peers.values().flatten().cloned().collect::<Vec<_>>();
    assert!(peers().contains(&"10.0.0.6".to_owned()));
    let volume = format!("/volumes/{}", id(&app.create_volume(json!({"size": 1})).await));
    let hosts = || async { app.client.get(&volume).await.json()["mount"]["glusterfs"].clone() };
    assert_eq!(hosts().await["hosts"].as_array().unwrap().len(), 3);

    let text = format!("Unable to delete node [{full}] because it contains devices");
    assert_error(&app.client.delete(&format!("/nodes/{full}")).await, 409, &text);
    let accepted = app.client.delete(&format!("/nodes/{node}")).await;
    assert_accepted(&accepted);
    assert_no_content(&app.client.poll(&accepted.location()).await);
    for method in ["GET", "DELETE"] {
        let answer = app.client.send(method, &format!("/nodes/{node}"), &[], None).await;
        assert_error(&answer, 404, "Id not found");
    }
    assert!(!peers().contains(&"10.0.0.6".to_owned()), "it left gluster's pool as well");
    // Volumes are mounted from the nodes there are.
    assert_eq!(hosts().await["hosts"].as_array().unwrap().len(), 2);
    app.add_node(&cluster, 5, 1).await;
    assert_eq!(hosts().await["hosts"].as_array().unwrap().len(), 3);
}

/// A node that is gone can be put out of the books all the same, and the last one as well.
#[tokio::test]
async fn a_dead_node_goes() {
    let app = TestApp::start().await.with_nodes(2, 0).await;
    app.sim.world().down.insert("n1.example.com".into());
    for node in nodes(&app).await {
        let answer = app.client.finish(app.client.delete(&format!("/nodes/{node}")).await).await;
        assert_eq!(answer.status, 204);
    }
    let cluster = only_cluster(&app).await;
    assert_eq!(app.client.delete(&format!("/clusters/{cluster}")).await.status, 200);
}

/// Devices stand in a node by id, each as it stands alone.
#[tokio::test]
async fn devices_of_a_node() {
    let app = TestApp::start().await.with_nodes(1, 3).await;
    app.create_volume(json!({"size": 1})).await;
    let all = devices(&app, &nodes(&app).await[0]).await;
    let mut ids: Vec<_> = all.iter().map(id).collect();
    for device in &all {
        assert_eq!(*device, app.client.get(&format!("/devices/{}", id(device))).await.json());
    }
    ids.sort_unstable();
    assert_eq!(all.iter().map(id).collect::<Vec<_>>(), ids);
}

/// gluster lists who has taken in the others by what name service calls it: that it was a peer before
/// is seen from its UUID, and it stays one.
#[tokio::test]
async fn a_peer_of_another_name_stays_one() {
    for (manage, stays) in [("n2.example.com", true), ("stranger.example.com", false)] {
        let app = TestApp::start().await.with_nodes(2, 0).await;
        {
            let mut world = app.sim.world();
            let names = [("10.0.0.1", "n0.example.com"), ("10.0.0.2", "n1.example.com")];
            for (storage, manage) in names.into_iter().chain([("10.0.0.3", manage)]) {
                world.addresses.insert(storage.to_owned(), manage.to_owned());
            }
            let storage = "10.0.0.3".to_owned();
            world.aliases.insert(storage.clone(), "node-of-another-name".into());
            world.peers.get_mut("n0.example.com").unwrap().insert(storage);
        }
        app.sim.set_faults(Some(Arc::new(Broken("peer probe", "not today"))));
        let body = body(&only_cluster(&app).await, "n2.example.com", "10.0.0.3");
        let failed = app.client.finish(app.client.post("/nodes", body).await).await;
        assert_eq!(failed.status, 500, "{}", failed.text());
        assert_eq!(app.sim.world().peers["n0.example.com"].contains("10.0.0.3"), stays, "{manage}");
    }
}
