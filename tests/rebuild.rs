//! A database that is lost is made again of what the nodes have, and is the same apart from what
//! docs/CHECKING.md lists.
mod named;

use crate::harness::{Start, TestApp, quick};
use brickyard::{
    adopt,
    api::topology::TopologyFile,
    domain::{Gib, Restriction},
    node::{Nodes, Tools, sim::Sim},
    operation::Settings,
    reality::rebuild::{Rebuilt, rebuild},
};
use named::named;
use serde_json::{Value, json};
use std::{process::Command, sync::Arc};

/// The hosts of [`TestApp::with_nodes`].
fn hosts(count: usize) -> TopologyFile {
    let node = |n: usize| {
        let hostnames = json!({"manage": [format!("n{n}.example.com")], "storage": [format!("10.0.0.{}", n + 1)]});
        json!({"node": {"hostnames": hostnames, "zone": n + 1}, "devices": []})
    };
    let nodes: Vec<_> = (0..count).map(node).collect();
    serde_json::from_value(json!({"clusters": [{"nodes": nodes}]})).unwrap()
}

async fn ask(sim: &Arc<Sim>, count: usize) -> Rebuilt {
    let nodes = Nodes::new(sim.clone(), Tools::default());
    rebuild(&nodes, &hosts(count)).await.unwrap()
}

/// Volumes of every kind, one of them expanded and one a clone.
async fn estate() -> TestApp {
    let app = TestApp::start().await.with_nodes(4, 2).await;
    let replica = |n| json!({"type": "replicate", "replicate": {"replica": n}});
    let disperse = json!({"type": "disperse", "disperse": {"data": 2, "redundancy": 1}});
    let options = ["performance.cache-size 1GB", "user.heketi.arbiter true"];
    let wanted = [
        json!({"name": "plain", "size": 3}),
        json!({"name": "two", "size": 10, "durability": replica(2), "gid": 2000}),
        json!({"name": "arbited", "size": 100, "durability": replica(3), "glustervolumeoptions": options}),
        json!({"name": "spread", "size": 7, "durability": disperse}),
        json!({"name": "roomy", "size": 20, "durability": replica(3), "snapshot": {"enable": true, "factor": 1.5}}),
    ];
    for body in wanted {
        app.create_volume(body).await;
    }
    let volumes = app.client.get("/volumes").await.json()["volumes"].clone();
    for id in volumes.as_array().unwrap().iter().map(|id| id.as_str().unwrap()) {
        let volume = app.client.get(&format!("/volumes/{id}")).await.json();
        let change = match volume["name"].as_str().unwrap() {
            "two" => {
                app.client.post(&format!("/volumes/{id}/expand"), json!({"expand_size": 5})).await
            }
            "roomy" => {
                app.client.post(&format!("/volumes/{id}/clone"), json!({"name": "copy"})).await
            }
            _ => continue,
        };
        let done = app.client.finish(change).await;
        assert!(done.status < 300, "{}", done.text());
    }
    app
}

#[tokio::test]
async fn a_lost_database_is_made_of_the_nodes() {
    let app = estate().await;
    let before = named(&app.client.get("/db/dump").await.json());
    let (sim, folder) = app.end().await;
    let world = sim.world().clone();
    std::fs::remove_file(folder.path().join("brickyard.db")).unwrap();

    let Rebuilt { import, lacking } = ask(&sim, 4).await;
    assert!(lacking.is_empty(), "{lacking:#?}");
    assert!(import.notes.is_empty(), "{:#?}", import.notes);
    assert!(*sim.world() == world, "something was changed on the nodes");
    adopt::make(&import, &folder.path().join("brickyard.db")).await.unwrap();

    let app = TestApp::start_on(sim, folder, Start::default()).await;
    let after = named(&app.client.get("/db/dump").await.json());
    for table in ["clusterentries", "nodeentries", "deviceentries", "brickentries"] {
        assert_eq!(after[table], before[table], "{table}");
    }
    let ids = |dump: &Value| {
        dump["volumeentries"].as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(ids(&after).len(), ids(&before).len());
    for (id, was) in before["volumeentries"].as_object().unwrap() {
        let name = was["Info"]["name"].as_str().unwrap();
        let is = after["volumeentries"]
            .as_object()
            .unwrap()
            .values()
            .find(|v| v["Info"]["name"] == name);
        assert_eq!(is.unwrap(), was, "{name} {id}");
    }
    let check = app.client.get("/db/check").await.json();
    assert_eq!(check["totalinconsistencies"], 0, "{check:#}");
    let report = app.client.get("/internal/state/check").await.json();
    assert_eq!(report["differences"], json!([]), "{report:#}");
    // It is a database like any other.
    let plain = app.create_volume(json!({"size": 4})).await;
    assert_eq!(
        app.client
            .finish(app.client.delete(&format!("/volumes/{}", plain["id"].as_str().unwrap())).await)
            .await
            .status,
        204
    );
}

/// Which block volumes there are is not found out: that is told, and their host takes no others.
#[tokio::test]
async fn block_volumes_are_missed() {
    let settings = Settings { create_block_hosting: true, block_hosting_size: Gib(10), ..quick() };
    let app =
        TestApp::start_with(Start { settings, ..Start::default() }).await.with_nodes(3, 1).await;
    let made = app.client.post("/blockvolumes", json!({"size": 2})).await;
    assert_eq!(app.client.finish(made).await.status, 200);
    let Rebuilt { import, lacking } = ask(&app.sim, 3).await;
    let volume = &import.snapshot.volumes[0];
    assert_eq!(
        lacking,
        [format!("volume {} hosts block volumes, which are not rebuilt", volume.name)]
    );
    assert!(volume.block);
    assert_eq!(import.snapshot.hosting[&volume.id].restriction, Restriction::Locked);
}

/// What a node that is away has would be missing: that is told, and nothing is made by itself.
#[tokio::test]
async fn a_node_that_does_not_answer_is_missed() {
    let app = TestApp::start().await.with_nodes(3, 1).await;
    app.create_volume(
        json!({"size": 3, "durability": {"type": "replicate", "replicate": {"replica": 3}}}),
    )
    .await;
    app.sim.world().down.insert("n1.example.com".into());
    let Rebuilt { import, lacking } = ask(&app.sim, 3).await;
    assert_eq!(lacking.len(), 1, "{lacking:#?}");
    assert!(lacking[0].starts_with("n1.example.com: "), "{lacking:#?}");
    assert_eq!(import.snapshot.devices.len(), 2);
    // Half a volume is none.
    assert!(import.snapshot.volumes.is_empty());
    assert!(
        import.notes[0].contains("no node of the cluster that answered"),
        "{:#?}",
        import.notes
    );
}

/// The command itself, on nodes that have nothing: it tells, and makes only what it is told to make.
#[test]
fn the_command_makes_a_new_database_only() {
    let folder = tempfile::tempdir().unwrap();
    let hosts = folder.path().join("hosts.json");
    let names = json!({"manage": ["n0"], "storage": ["10.0.0.1"]});
    let node = json!({"node": {"hostnames": names, "zone": 1}, "devices": []});
    std::fs::write(&hosts, json!({"clusters": [{"nodes": [node]}]}).to_string()).unwrap();
    let run = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_brickyard"));
        command.args(["rebuild", "--executor=sim", "--database=new.db", "--hosts=hosts.json"]);
        let output = command.args(more).current_dir(folder.path()).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout), text(&output.stderr))
    };
    let what = "1 cluster(s), 1 node(s), 0 device(s), 0 volume(s), 0 brick(s)";
    let (ok, out, err) = run(&[]);
    assert!(ok, "{err}");
    assert_eq!(out, format!("found: {what}\nnothing was written: --yes makes new.db\n"));
    assert!(!folder.path().join("new.db").exists());
    let (ok, out, err) = run(&["--yes"]);
    assert!(ok, "{err}");
    assert_eq!(out, format!("new.db was made: {what}\n"));
    let (ok, _, err) = run(&["--yes"]);
    assert!(!ok);
    assert!(err.contains("new.db exists already: nothing is overwritten"), "{err}");
}
