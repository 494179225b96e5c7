//! `POST /volumes`: the order of checks, and what is made.
use super::{brick_sizes, disperse, of_bricks, replica};
use crate::{
    harness::TestApp,
    routes::{assert_accepted, assert_error, send},
};
use serde_json::{Value, json};

const GIB: u64 = 1024 * 1024;

/// Each body is wrong in its own way and in all ways that are looked at later (api.md 11.1).
#[tokio::test]
async fn order_of_checks() {
    let app = TestApp::start().await;
    let faults: [(&str, Value, &str); 7] = [
        ("size", json!(0), "validation failed: size: cannot be blank."),
        ("gid", json!(-1), "Bad group id less than zero"),
        ("durability", json!({"type": "mirror"}), "Unknown durability type"),
        ("snapshot", json!({"enable": true}), "Invalid snapshot factor"),
        ("durability", replica(4), "Invalid replica value"),
        ("glustervolumeoptions", json!(["a b\nc"]), "a volume option holds a control character"),
        ("clusters", json!(["x"]), "No clusters configured"),
    ];
    for (at, (_, _, text)) in faults.iter().enumerate() {
        let mut body = json!({"size": 1});
        // Those that come later first, so that of two faults of one field the earlier stands.
        for (field, value, _) in faults[at..].iter().rev() {
            body[*field] = value.clone();
        }
        assert_error(&app.client.post("/volumes", body).await, 400, text);
    }
    assert_error(
        &send(&app.client, "POST", "/volumes", "{").await,
        422,
        "request unable to be parsed",
    );
    app.add_cluster().await;
    let body = json!({"size": 1, "clusters": ["x"], "durability": disperse(4, 2)});
    assert_error(&app.client.post("/volumes", body).await, 400, "Cluster id x not found");
    let text =
        "Requested volume size (1 GB) is smaller than the minimum supported volume size (4194304)";
    let body = json!({"size": 1, "durability": disperse(4, 2)});
    assert_error(&app.client.post("/volumes", body).await, 400, text);
}

#[tokio::test]
async fn faults_of_the_request() {
    let app = TestApp::start().await.with_nodes(3, 1).await;
    let cluster = crate::routes::only_cluster(&app).await;
    let upper = cluster.to_uppercase();
    let unknown = format!("Cluster id {upper} not found");
    let validation = |text: &str| format!("validation failed: {text}.");
    let format = "name: must be in a valid format";
    let group = "Bad group id equal or greater than 2**32";
    let snapshot =
        |factor: Value| json!({"size": 1, "snapshot": {"enable": true, "factor": factor}});
    for (body, text) in [
        (json!({}), validation("size: cannot be blank")),
        (json!({"size": -1}), validation("size: must be no less than 1")),
        (
            json!({"size": 0, "name": "a b"}),
            validation(&format!("{format}; size: cannot be blank")),
        ),
        (json!({"size": 1, "name": "a.b"}), validation(format)),
        (json!({"size": 1, "name": "a;reboot"}), validation(format)),
        // gluster would read it as an option; Heketi takes it.
        (json!({"size": 1, "name": "-force"}), validation(format)),
        (json!({"size": 1, "gid": i64::MIN}), "Bad group id less than zero".into()),
        (json!({"size": 1, "gid": 2_147_483_647_i64}), group.into()),
        (json!({"size": 1, "gid": 4_294_967_296_i64}), group.into()),
        (json!({"size": 1, "durability": {"type": "Replicate"}}), "Unknown durability type".into()),
        (snapshot(json!(0.99)), "Invalid snapshot factor".into()),
        (snapshot(json!(100.5)), "Invalid snapshot factor".into()),
        (snapshot(json!(-1)), "Invalid snapshot factor".into()),
        (json!({"size": 1, "durability": replica(4)}), "Invalid replica value".into()),
        // Heketi makes a volume without bricks of it (api.md 17.4).
        (json!({"size": 1, "durability": replica(-1)}), "Invalid replica value".into()),
        (
            json!({"size": 1, "durability": {"type": "disperse"}}),
            "Invalid dispersion combination: 0+0".into(),
        ),
        (
            json!({"size": 1, "durability": disperse(3, 1)}),
            "Invalid dispersion combination: 3+1".into(),
        ),
        (json!({"size": 1, "clusters": [upper]}), unknown),
        (json!({"size": 1, "clusters": [cluster, "zz"]}), "Cluster id zz not found".into()),
    ] {
        assert_error(&app.client.post("/volumes", body).await, 400, &text);
    }
    assert_eq!(app.client.get("/volumes").await.json(), json!({"volumes": []}));
}

/// Durability, then the sizes of the bricks and what gluster is told of their kind.
#[tokio::test]
async fn durabilities() {
    let app = TestApp::start().await.with_nodes(12, 1).await;
    for (size, durability, bricks, kind) in [
        (3, Value::Null, vec![3 * GIB], vec![]),
        (3, json!({}), vec![3 * GIB], vec![]),
        (3, json!({"type": ""}), vec![3 * GIB], vec![]),
        (3, json!({"type": "none", "replicate": {"replica": 9}}), vec![3 * GIB], vec![]),
        (3, json!({"type": "replicate"}), vec![3 * GIB; 2], vec!["replica", "2"]),
        (3, replica(1), vec![3 * GIB], vec![]),
        (3, replica(2), vec![3 * GIB; 2], vec!["replica", "2"]),
        (3, replica(3), vec![3 * GIB; 3], vec!["replica", "3"]),
        (4, disperse(2, 1), vec![2 * GIB; 3], vec!["disperse-data", "2", "redundancy", "1"]),
        (8, disperse(4, 2), vec![2 * GIB; 6], vec!["disperse-data", "4", "redundancy", "2"]),
        (8, disperse(8, 3), vec![GIB; 11], vec!["disperse-data", "8", "redundancy", "3"]),
        (8, disperse(8, 4), vec![GIB; 12], vec!["disperse-data", "8", "redundancy", "4"]),
    ] {
        let volume = app.create_volume(json!({"size": size, "durability": durability})).await;
        assert_eq!(brick_sizes(&volume), bricks, "{durability}");
        let mut nodes = of_bricks(&volume, "node");
        nodes.dedup();
        assert_eq!(nodes.len(), bricks.len(), "each brick on a node of its own");
        let world = app.sim.world();
        let name = volume["name"].as_str().unwrap();
        let made = world.volumes.iter().find(|v| v.name == name).unwrap();
        assert_eq!(made.kind, kind, "{durability}");
        assert!(made.started);
    }
}

/// The space that snapshots may take is taken at once (api.md 11.6).
#[tokio::test]
async fn snapshot_factors() {
    let app = TestApp::start().await.with_nodes(1, 1).await;
    let node = &crate::routes::nodes(&app).await[0];
    let mut used = 0;
    for (size, snapshot, shown, takes) in [
        (1, json!({}), json!({"enable": false, "factor": 1}), 1_048_576 + 8192),
        (
            1,
            json!({"enable": false, "factor": 5}),
            json!({"enable": false, "factor": 1}),
            1_048_576 + 8192,
        ),
        (
            10,
            json!({"enable": true, "factor": 1.5}),
            json!({"enable": true, "factor": 1.5}),
            15_728_640 + 81_920,
        ),
        (
            1,
            json!({"enable": true, "factor": 1}),
            json!({"enable": true, "factor": 1}),
            1_048_576 + 8192,
        ),
    ] {
        let volume = app.create_volume(json!({"size": size, "snapshot": snapshot})).await;
        // Compared as text: the factor is written without digits that nobody gave.
        assert_eq!(volume["snapshot"].to_string(), shown.to_string(), "{snapshot}");
        assert_eq!(brick_sizes(&volume), [size * GIB], "the brick itself does not grow");
        used += takes;
        let device = &crate::routes::devices(&app, node).await[0];
        assert_eq!(device["storage"]["used"], used, "{snapshot}");
    }
    let odd = app.create_volume(json!({"size": 1, "snapshot": {"enable": true, "factor": 1.1}}));
    let volume = format!("/volumes/{}", crate::routes::id(&odd.await));
    let text = app.client.get(&volume).await.text();
    assert!(text.contains(r#""snapshot":{"enable":true,"factor":1.1}"#), "{text}");
}

/// What Kubernetes and heketi-cli send for the most usual volume.
#[tokio::test]
async fn bodies_of_known_clients() {
    let app = TestApp::start().await.with_nodes(3, 1).await;
    let cluster = crate::routes::only_cluster(&app).await;
    let kubernetes = json!({"size": 2, "clusters": [cluster], "name": "", "durability":
        {"type": "replicate", "replicate": {"replica": 3}, "disperse": {}}, "gid": 2000,
        "snapshot": {"enable": true, "factor": 1}});
    let cli = r#"{"size":2,"name":"","durability":{"type":"replicate","replicate":{"replica":3},
        "disperse":{"data":4,"redundancy":2}},"snapshot":{"enable":false,"factor":0}}"#;
    for body in [kubernetes.to_string(), cli.to_owned()] {
        let accepted = send(&app.client, "POST", "/volumes", &body).await;
        assert_accepted(&accepted);
        let volume = app.client.finish(accepted).await.json();
        assert_eq!(brick_sizes(&volume), [2 * GIB; 3]);
        let name = format!("vol_{}", crate::routes::id(&volume));
        assert_eq!(volume["name"], name, "the persistent volume's path is taken apart for the id");
    }
}

/// Large volumes are made of several brick sets when no device has the room.
#[tokio::test]
async fn several_sets() {
    let app = TestApp::start().await.with_nodes(3, 2).await;
    let body = json!({"size": 700, "durability": replica(3)});
    let volume = app.create_volume(body).await;
    assert_eq!(brick_sizes(&volume), [350 * GIB; 6]);
    let name = volume["name"].as_str().unwrap().to_owned();
    let world = app.sim.world();
    assert_eq!(world.volumes.iter().find(|v| v.name == name).unwrap().bricks.len(), 6);
}

/// Twelve bricks do not fit into one line of a gluster session, which would cut it.
#[tokio::test]
async fn a_set_of_twelve_bricks() {
    let app = TestApp::start().await.with_nodes(12, 1).await;
    let durability = json!({"type": "disperse", "disperse": {"data": 8, "redundancy": 4}});
    let volume = app.create_volume(json!({"size": 8, "durability": durability})).await;
    assert_eq!(volume["bricks"].as_array().unwrap().len(), 12);
    let kept = app.sim.world().volumes[0].clone();
    assert_eq!((kept.bricks.len(), kept.started), (12, true));
}
