//! Output compared byte for byte with heketi-cli's: the server gives what Heketi gave.
use super::{
    Run, cli,
    scripted::{Answer, Server},
    transcript, transcripts,
};
use brickyard::{api, cli::topology, lenient};
use serde_json::{Value, json};
use std::collections::HashMap;

/// A server that has what `--json topology info` showed.
async fn world() -> Server {
    let tree: Value = serde_json::from_str(&transcript("--json topology info").stdout).unwrap();
    let mut objects = HashMap::new();
    for words in ["--json cluster list", "--json volume list"] {
        let path = if words.contains("cluster") { "/clusters" } else { "/volumes" };
        let last = transcripts().into_iter().rfind(|t| t.argv[1..].join(" ") == words).unwrap();
        objects.insert(path.to_owned(), last.stdout);
    }
    for cluster in tree["clusters"].as_array().unwrap() {
        for node in cluster["nodes"].as_array().unwrap() {
            objects.insert(path_of("nodes", node), node.to_string());
            for device in node["devices"].as_array().unwrap() {
                objects.insert(path_of("devices", device), device.to_string());
            }
        }
        let info = transcript(&format!("--json cluster info {}", cluster["id"].as_str().unwrap()));
        objects.insert(path_of("clusters", cluster), info.stdout);
    }
    let volume = transcript("--json volume info bf69aeafa08d37faeca69586e6768dcc").stdout;
    objects.insert("/volumes/bf69aeafa08d37faeca69586e6768dcc".to_owned(), volume);
    objects.insert("/operations".to_owned(), NO_OPERATIONS.to_owned());
    objects.insert("/operations/pending".to_owned(), r#"{"pendingoperations":[]}"#.to_owned());
    objects.insert("/admin".to_owned(), r#"{"state":"normal"}"#.to_owned());
    objects.insert("/internal/logging".to_owned(), LEVEL.to_owned());
    Server::start(move |request| match objects.get(&request.path) {
        Some(object) => Answer::json(object),
        None => Answer::not_found(),
    })
    .await
}

const NO_OPERATIONS: &str = r#"{"total":0,"in_flight":0,"stale":0,"failed":0,"new":0}"#;
const LEVEL: &str = r#"{"loglevel":{"glusterfs":"error"}}"#;

fn path_of(kind: &str, object: &Value) -> String {
    format!("/{kind}/{}", object["id"].as_str().unwrap())
}

/// Every recorded run that only reads, and every complaint about arguments.
#[tokio::test]
async fn reading_prints_what_heketi_cli_prints() {
    let server = world().await;
    let mut compared = 0;
    for t in transcripts().into_iter().skip(13) {
        let words: Vec<&str> = t.argv[1..].iter().map(String::as_str).collect();
        if !repeatable(&t.argv[1..].join(" ")) {
            continue;
        }
        let got = cli(&server, &words).await;
        assert_eq!(got, Run { code: t.exit, out: t.stdout, err: t.stderr }, "{words:?}");
        compared += 1;
    }
    assert!(compared >= 30, "{compared}");
}

/// Whether the answer does not depend on what was changed in between.
fn repeatable(words: &str) -> bool {
    let words = words.trim_start_matches("--json ");
    let fixed = [
        "topology info",
        "topology load",
        "topology load --json=nothere.json",
        "cluster list",
        "node list",
        "device info f98e0eab8c4af31b123beae78a2d746b",
        "volume create",
        "volume create --size=1 --persistent-volume",
        "node add --zone=1",
        "device add",
    ];
    let starts = ["cluster info", "volume info", "volume endpoint", "server operations"];
    fixed.contains(&words)
        || starts.iter().any(|s| words.starts_with(s))
        || ["server mode get", "loglevel get"].contains(&words)
}

#[tokio::test]
async fn node_info_as_at_its_first_showing() {
    let server = world().await;
    for json in ["", "--json "] {
        let words = format!("{json}node info 2953d7607f9cf4632ca30cc9fd3fcb87");
        let got = cli(&server, &words.split(' ').collect::<Vec<_>>()).await;
        assert_eq!(got, Run::ok(&transcript(&words).stdout));
    }
}

#[tokio::test]
async fn an_empty_server() {
    let server = Server::start(|_| Answer::json(r#"{"clusters":[]}"#)).await;
    assert_eq!(cli(&server, &["cluster", "list"]).await, Run::ok("Clusters:\n"));
    assert_eq!(cli(&server, &["node", "list"]).await, Run::ok(""));
    assert_eq!(cli(&server, &["topology", "info"]).await, Run::ok("\n"));
    let json = r#"{"clusters":[]}"#;
    assert_eq!(cli(&server, &["--json", "cluster", "list"]).await, Run::ok(json));
    assert_eq!(cli(&server, &["topology", "info", "--json"]).await, Run::ok(json));
}

fn volume(change: impl FnOnce(&mut Value)) -> api::volume::VolumeInfo {
    let recorded = transcript("--json volume info bf69aeafa08d37faeca69586e6768dcc").stdout;
    let mut value: Value = serde_json::from_str(&recorded).unwrap();
    change(&mut value);
    lenient::from_value(&value).unwrap()
}

const BLOCK: &str = "d2a28754dd68a596f378da0413520447";
const VOLUME: &str = "bf69aeafa08d37faeca69586e6768dcc";

#[test]
fn volumes_of_other_kinds() {
    let disperse = volume(|v| {
        v["id"] = "c7d3b22fac4628cf0ad870d4c8c1bd92".into();
        v["name"] = "vol_c7d3b22fac4628cf0ad870d4c8c1bd92".into();
        v["size"] = 30.into();
        v["durability"]["type"] = "disperse".into();
        v["durability"]["disperse"] = json!({"data": 2, "redundancy": 1});
        v["snapshot"] = json!({"enable": true, "factor": 1.5});
        v["mount"]["glusterfs"]["device"] = "10.30.0.2:vol_c7d3b22fac4628cf0ad870d4c8c1bd92".into();
    });
    let recorded = transcript(
        "volume create --size=30 --durability=disperse --disperse-data=2 --redundancy=1 \
         --snapshot-factor=1.5",
    );
    assert_eq!(brickyard::cli::render_volume(&disperse), recorded.stdout);

    let hosting = volume(|v| {
        v["block"] = true.into();
        v["durability"]["type"] = "none".into();
        v["blockinfo"] = serde_json::json!({
            "freesize": 7, "reservedsize": 2, "blockvolume": [BLOCK, VOLUME], "restriction": "locked"
        });
    });
    let text = brickyard::cli::render_volume(&hosting);
    let expected = format!(
        "Block: true\nFree Size: 7\nReserved Size: 2\nBlock Hosting Restriction: locked\n\
         Block Volumes: [{BLOCK} {VOLUME}]\nDurability Type: none\nDistribute Count: 3\n"
    );
    assert!(text.ends_with(&expected), "{text}");
}

#[test]
fn a_device_with_everything() {
    let device: api::device::DeviceInfo = lenient::from_slice(
        br#"{"name":"/dev/sdb","tags":{"slot":"3","tier":"ssd"},
            "storage":{"total":524288000,"free":513748992,"used":10539008},
            "id":"49a9bd2e40df882180479024ac4c24c8","paths":["/dev/sdb","/dev/disk/by-id/x"],
            "pv_uuid":"HjXb1z","state":"failed","bricks":[
            {"id":"5963c008913d02b19e74c2e682db6cab","path":"/p","size":10485760,
            "device":"49a9bd2e40df882180479024ac4c24c8","node":"f121ae4e49a9bd2e40df882180479024",
            "volume":"74083c5a49a9bd2e40df882180479024"}]}"#,
    )
    .unwrap();
    assert_eq!(
        brickyard::cli::render_device(&device),
        "Device Id: 49a9bd2e40df882180479024ac4c24c8\nState: removed\nSize (GiB): 500\n\
         Used (GiB): 10\nFree (GiB): 489\nCreate Path: /dev/sdb\nPhysical Volume UUID: HjXb1z\n\
         Known Paths: /dev/sdb /dev/disk/by-id/x\nTags:\n  slot: 3\n  tier: ssd\nBricks:\n\
         Id:5963c008913d02b19e74c2e682db6cab   Size (GiB):10      Path: /p\n"
    );
}

/// A topology with something of everything, and its tree as people see it.
fn full_tree() -> api::topology::TopologyInfo {
    let recorded = transcript("--json topology info").stdout;
    let mut tree: api::topology::TopologyInfo = lenient::from_slice(recorded.as_bytes()).unwrap();
    tree.clusters.truncate(1);
    let cluster = &mut tree.clusters[0];
    cluster.nodes.truncate(1);
    let mut first = volume(|v| v["bricks"].as_array_mut().unwrap().truncate(2));
    first.snapshot.enable = true;
    let second = volume(|v| {
        v["durability"]["type"] = "disperse".into();
        v["bricks"].as_array_mut().unwrap().truncate(1);
    });
    cluster.nodes[0].devices[0].bricks.clone_from(&second.bricks);
    cluster.volumes = vec![first, second];
    tree
}

#[test]
fn the_tree_shows_volumes_and_bricks() {
    assert_eq!(topology::render(&full_tree()), include_str!("topology_tree.txt"));
}

/// The whole tree once more, written as a template over the members of Heketi's Go library: what was
/// recorded from Heketi, and what it did not have.
#[tokio::test]
async fn a_template_can_say_all_that_the_tree_says() {
    let mut full = full_tree();
    let tags = [("b".to_owned(), "2".to_owned()), ("a".to_owned(), "1".to_owned())];
    let nodes = &mut full.clusters[0].nodes;
    nodes[0].tags = tags.clone().into();
    nodes[0].devices[0].tags = tags.into();
    nodes[0].devices[0].paths.clear();
    let template = concat!("--template=", include_str!("topology_tree.tmpl"));
    let server = serving(&full).await;
    let tree = cli(&server, &["topology", "info"]).await;
    assert!(tree.out.contains("Tags: a:1 b:2"), "{}", tree.out);
    assert_eq!(cli(&server, &["topology", "info", template]).await, tree);
    let json = cli(&server, &["--json", "topology", "info"]).await;
    assert_eq!(cli(&server, &["topology", "info", template, "--json"]).await, json);
    let server = world().await;
    let recorded = transcript("topology info").stdout;
    assert_eq!(cli(&server, &["topology", "info", template]).await, Run::ok(&recorded));
}

/// A server that has exactly this.
async fn serving(topology: &api::topology::TopologyInfo) -> Server {
    let mut objects = HashMap::new();
    let ids: Vec<String> = topology.clusters.iter().map(|c| c.id.to_string()).collect();
    objects.insert("/clusters".to_owned(), json!({ "clusters": ids }).to_string());
    for cluster in &topology.clusters {
        for node in &cluster.nodes {
            objects.insert(format!("/nodes/{}", node.id), api::json::compact(node).unwrap());
        }
        for volume in &cluster.volumes {
            objects.insert(format!("/volumes/{}", volume.id), api::json::compact(volume).unwrap());
        }
        let nodes: Vec<String> = cluster.nodes.iter().map(|n| n.id.to_string()).collect();
        let volumes: Vec<String> = cluster.volumes.iter().map(|v| v.id.to_string()).collect();
        let info = json!({ "id": cluster.id, "nodes": nodes, "volumes": volumes,
            "block": cluster.block, "file": cluster.file, "blockvolumes": [] });
        objects.insert(format!("/clusters/{}", cluster.id), info.to_string());
    }
    Server::start(move |request| match objects.get(&request.path) {
        Some(object) => Answer::json(object),
        None => Answer::not_found(),
    })
    .await
}

#[tokio::test]
async fn templates_ask_for_members_and_are_refused_before_the_server_is_asked() {
    let server = world().await;
    let ids = "{{range .ClusterList}}{{.Id}}\n{{end}}".replace("\\n", "\n");
    let run = cli(&server, &["topology", "info", "-T", &ids]).await;
    let recorded = transcript("--json topology info").stdout;
    let tree: Value = serde_json::from_str(&recorded).unwrap();
    let clusters = tree["clusters"].as_array().unwrap();
    let ids_of = |c: &Value| c["id"].as_str().unwrap().to_owned();
    let expected = clusters.iter().map(ids_of).collect::<Vec<_>>().join("\n") + "\n";
    assert_eq!(run, Run::ok(&expected));
    let run = cli(&server, &["topology", "info", "--template", "{{.Clusters}}"]).await;
    let text =
        "cannot carry the template out: line 1: there is no .Clusters here, only .ClusterList";
    assert_eq!(run, Run::error(text));
    let server = world().await;
    let run = cli(&server, &["topology", "info", "--template={{"]).await;
    assert!(run.err.contains("line 1: an action is not closed"), "{}", run.err);
    assert!(server.lines().is_empty(), "{:?}", server.lines());
}
