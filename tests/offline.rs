//! Commands on the database while no server runs, by the real binary.
use crate::harness::{self, BusyMounts, Start, TestApp, heketi::Pair, names};
use brickyard::api::{
    database::{Check, Dump},
    json,
};
use serde_json::json;
use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_brickyard");
const V4: &str = include_str!("data/heketi/databases/v40.json");
const V10: &str = include_str!("data/heketi/databases/v10-mixed.json");

/// A run in a folder, without anything of this machine's environment.
fn run_as(program: &Path, folder: &Path, words: &str) -> Output {
    let mut command = Command::new(program);
    command.current_dir(folder).env_clear().env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
    command.args(words.split(' ')).output().unwrap()
}

fn run(folder: &Path, words: &str) -> Output {
    run_as(Path::new(BINARY), folder, words)
}

#[track_caller]
fn good(folder: &Path, words: &str) -> (String, String) {
    let output = run(folder, words);
    let [out, err] =
        [&output.stdout, &output.stderr].map(|b| String::from_utf8_lossy(b).into_owned());
    assert_eq!(output.status.code(), Some(0), "{words}: {err}");
    (out, err)
}

/// What a command that fails says; it prints no result.
#[track_caller]
fn refused(folder: &Path, words: &str) -> String {
    let output = run(folder, words);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{words}: {text}");
    assert!(output.stdout.is_empty(), "{words}");
    text
}

fn read(text: &str) -> Dump {
    brickyard::lenient::from_slice(text.as_bytes()).unwrap()
}

/// The folder of a server that had volumes of several kinds, and has ended.
async fn estate() -> TempDir {
    let app = TestApp::start().await.with_nodes(4, 2).await;
    for body in [
        json!({"size": 100, "durability": {"type": "replicate", "replicate": {"replica": 3}},
            "glustervolumeoptions": ["user.heketi.arbiter true"]}),
        json!({"size": 400, "durability": {"type": "replicate", "replicate": {"replica": 2}},
            "snapshot": {"enable": true, "factor": 1.5}, "gid": 2001}),
        json!({"size": 20, "durability": {"type": "disperse", "disperse": {"data": 2, "redundancy": 1}}}),
        json!({"size": 5}),
    ] {
        let volume = app.create_volume(body).await;
        let path = format!("/volumes/{}/expand", volume["id"].as_str().unwrap());
        let grown = app.client.post(&path, json!({"expand_size": 10})).await;
        assert_eq!(app.client.finish(grown).await.status, 200);
    }
    app.end().await.1
}

#[tokio::test]
async fn what_is_exported_is_imported_and_exported_again() {
    let folder = estate().await;
    let folder = folder.path();
    assert_eq!(
        good(folder, "db export --dbfile brickyard.db --jsonfile one.json"),
        Default::default()
    );
    let (_, told) = good(folder, "db import --jsonfile one.json --dbfile other.db");
    assert!(told.contains("other.db was made: 1 cluster(s), 4 node(s), 8 device(s), 4 volume(s)"));
    assert!(!told.contains("note:"), "{told}");
    let (two, _) = good(folder, "db export --dbfile other.db --jsonfile -");
    let one = fs::read_to_string(folder.join("one.json")).unwrap();
    let (mut one, mut two) = (read(&one), read(&two));
    // A copy is a generation of its own; everything else is the same, places in gluster included.
    let generation = |dump: &mut Dump| dump.dbattributeentries.remove("DB_GENERATION_ID");
    assert_ne!(generation(&mut one).unwrap().value, generation(&mut two).unwrap().value);
    assert_eq!(json::indented(&one).unwrap(), json::indented(&two).unwrap());
    let places = one.brickyard.unwrap().bricks;
    assert!(
        places.values().any(|at| at.set == 1)
            && places.values().all(|at| at.set >= 0 && at.position >= 0)
    );

    // A server goes on with it.
    fs::rename(folder.join("other.db"), folder.join("brickyard.db")).unwrap();
    let app = harness::build(folder, std::sync::Arc::new(sim()), Start::default()).await;
    assert!(app.store.barred().is_none());
}

/// The way back: what Heketi knows and nothing else, and adopting that again gives the same.
#[tokio::test]
async fn back_to_heketi_and_here_again() {
    let folder = estate().await;
    let folder = folder.path();
    good(folder, "db export --heketi --dbfile brickyard.db --jsonfile back.json");
    let text = fs::read_to_string(folder.join("back.json")).unwrap();
    let members: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&text).unwrap();
    // Heketi's own export has these, and no others.
    let heketis: serde_json::Map<String, serde_json::Value> = serde_json::from_str(V10).unwrap();
    assert!(members.keys().eq(heketis.keys()), "{:?}", members.keys());
    let (ours, _) = good(folder, "db export --dbfile brickyard.db --jsonfile -");
    assert!(read(&ours).brickyard.is_some());

    good(folder, "adopt --yes --database again.db back.json");
    let (again, _) = good(folder, "db export --heketi --dbfile again.db --jsonfile -");
    let (mut before, mut after) = (read(&text), read(&again));
    let generation = |dump: &mut Dump| dump.dbattributeentries.remove("DB_GENERATION_ID");
    assert!(generation(&mut before).is_some() && generation(&mut after).is_some());
    assert_eq!(json::indented(&before).unwrap(), json::indented(&after).unwrap());
    assert_eq!(before.volumeentries.len(), 4);

    // What real Heketis wrote comes out as it went in.
    for Pair { name, export, .. } in harness::heketi::databases() {
        let known = read(&export);
        if !known.pendingoperations.is_empty() {
            continue;
        }
        fs::write(folder.join("theirs.json"), &export).unwrap();
        good(folder, &format!("adopt --yes --database {name}.db theirs.json"));
        let (back, _) =
            good(folder, &format!("db export --heketi --dbfile {name}.db --jsonfile -"));
        let back = read(&back);
        assert!(back.brickyard.is_none(), "{name}");
        assert!(back.volumeentries.keys().eq(known.volumeentries.keys()), "{name}");
        assert!(back.brickentries.keys().eq(known.brickentries.keys()), "{name}");
        fs::remove_file(folder.join("theirs.json")).unwrap();
    }
}

/// Heketi does not know of what is left of bricks on nodes that were away, only that space is used.
#[tokio::test]
async fn what_is_left_of_bricks_is_told_on_the_way_back_to_heketi() {
    let app = TestApp::start().await.with_nodes(4, 1).await;
    let replica = json!({"type": "replicate", "replicate": {"replica": 3}});
    let volume = app.create_volume(json!({"size": 10, "durability": replica})).await;
    let brick = &volume["bricks"][0];
    let [node, device] = ["node", "device"].map(|part| brick[part].as_str().unwrap().to_owned());
    let path = format!("/nodes/{node}");
    let host = app.client.get(&path).await.json()["hostnames"]["manage"][0].clone();
    let host = host.as_str().unwrap().to_owned();
    app.sim.world().down.insert(host.clone());
    for state in ["offline", "failed"] {
        let answer = app.client.post(&format!("{path}/state"), json!({"state": state})).await;
        assert_eq!(app.client.finish(answer).await.status, 204);
    }
    let folder = app.end().await.1;
    let folder = folder.path();
    let (ours, told) = good(folder, "db export --dbfile brickyard.db --jsonfile -");
    assert_eq!(told, "");
    let left = read(&ours).brickyard.unwrap().debris[&device];
    assert!(left > 10 << 20, "{left}");
    for to in ["-", "back.json"] {
        let words = format!("db export --heketi --dbfile brickyard.db --jsonfile {to}");
        let told = good(folder, &words).1;
        assert_eq!(told.lines().count(), 1, "{told}");
        let about = format!("device {device} on node {host} has {left} KiB");
        assert!(told.contains(&about), "{told}");
        assert!(told.contains(&format!("heketi-cli device resync {device}")), "{told}");
    }
}

/// Heketi would have operations that it cannot finish.
#[tokio::test]
async fn nothing_unfinished_goes_back_to_heketi() {
    let app = TestApp::start().await.with_nodes(3, 1).await;
    let volume = app.create_volume(json!({"size": 5})).await;
    app.sim.set_faults(Some(std::sync::Arc::new(BusyMounts)));
    let path = format!("/volumes/{}", volume["id"].as_str().unwrap());
    let gone = app.client.delete(&path).await;
    assert_eq!(app.client.finish(gone).await.status, 500);
    let folder = app.end().await.1;
    let folder = folder.path();
    let told = refused(folder, "db export --heketi --dbfile brickyard.db --jsonfile out.json");
    assert!(told.contains("1 operation(s) are not finished, and Heketi cannot"), "{told}");
    assert!(!folder.join("out.json").exists());
    good(folder, "db export --dbfile brickyard.db --jsonfile out.json");
}

fn sim() -> brickyard::node::sim::Sim {
    brickyard::node::sim::Sim::new(brickyard::domain::Gib(500).to_kib())
}

#[tokio::test]
async fn a_server_that_runs_keeps_everybody_away() {
    let app = TestApp::start().await;
    let folder = app.folder.path();
    fs::write(folder.join("in.json"), V4).unwrap();
    for words in [
        "db export --dbfile brickyard.db --jsonfile out.json",
        "db export --dbfile heketi.db --jsonfile out.json",
        "db import --dbfile brickyard.db --jsonfile in.json",
        "db consistency-check --dbfile brickyard.db",
        "db delete-bricks-with-empty-path --dbfile brickyard.db --all",
        "offline cleanup-operations --executor sim --database brickyard.db",
    ] {
        let text = refused(folder, words);
        assert!(text.contains("is in use by another server"), "{words}: {text}");
    }
    assert!(!folder.join("out.json").exists(), "half a file");
}

#[test]
fn nothing_is_overwritten_and_nothing_is_made_by_the_way() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("in.json"), V4).unwrap();
    let missing = refused(folder, "db export --dbfile nothere.db --jsonfile out.json");
    assert!(missing.contains("nothere.db: there is no such database"), "{missing}");
    assert_eq!(names(folder), ["in.json"]);

    good(folder, "db import --dbfile a.db --jsonfile in.json");
    assert_eq!(names(folder), ["a.db", "a.lock", "in.json"]);
    let before = fs::read(folder.join("a.db")).unwrap();
    let twice = refused(folder, "db import --dbfile a.db --jsonfile in.json");
    assert!(twice.contains("a.db exists already: nothing is overwritten"), "{twice}");
    let taken = refused(folder, "db export --dbfile a.db --jsonfile in.json");
    assert!(taken.contains("in.json: File exists"), "{taken}");
    assert_eq!(fs::read(folder.join("a.db")).unwrap(), before);
    assert_eq!(fs::read_to_string(folder.join("in.json")).unwrap(), V4);
}

/// Heketi's own database is never written; ours stands beside it, by its name.
#[test]
fn heketis_database_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let [Pair { file: bolt, export, .. }, ..] = harness::heketi::databases();
    fs::write(folder.join("heketi.db"), &bolt).unwrap();
    fs::write(folder.join("in.json"), V4).unwrap();
    // As long as ours is not there, theirs is read.
    let (out, told) = good(folder, "db export --dbfile heketi.db --jsonfile -");
    assert_eq!((out.as_str(), told.as_str()), (export.as_str(), ""));
    let (out, _) = good(folder, "db consistency-check --dbfile heketi.db");
    let check: Check = serde_json::from_str(&out).unwrap();
    assert_eq!((check.bricks.total, check.totalinconsistencies), (18, 0));
    let text = refused(folder, "db delete-bricks-with-empty-path --dbfile heketi.db --all");
    assert!(text.contains("(BoltDB)") && text.contains("brickyard adopt heketi.db"), "{text}");
    assert_eq!(names(folder), ["heketi.db", "in.json"]);
    good(folder, "db import --dbfile heketi.db --jsonfile in.json");
    assert_eq!(fs::read(folder.join("heketi.db")).unwrap(), bolt);
    // The same words, by the name that scripts call.
    let heketi = folder.join("heketi");
    std::os::unix::fs::symlink(BINARY, &heketi).unwrap();
    let output = run_as(&heketi, folder, "db export --dbfile heketi.db --jsonfile -");
    assert!(output.status.success());
    let dump = read(&String::from_utf8(output.stdout).unwrap());
    assert_eq!(dump.volumeentries.len(), read(V4).volumeentries.len());
}

#[test]
fn what_cannot_be_taken_over_is_told_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let broken = V10.replace("\"zone\": 1,", "\"zone\": 0,");
    for (text, words) in [
        (broken.as_str(), ["zone 0 is below 1", "thing(s) cannot be taken over"]),
        ("{\"nodeentries\": []}", ["in.json: nodeentries: ", "invalid type"]),
        ("{", ["in.json: ", "EOF"]),
    ] {
        fs::write(folder.join("in.json"), text).unwrap();
        let told = refused(folder, "db import --dbfile a.db --jsonfile in.json");
        assert!(words.iter().all(|w| told.contains(w)), "{told}");
        assert_eq!(names(folder), ["a.lock", "in.json"]);
    }
}

#[test]
fn what_the_check_finds_is_printed_and_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut dump = read(V4);
    let device = dump.deviceentries.values_mut().find(|d| d.bricks.len() == 1).unwrap();
    let size = device.info.storage;
    (device.info.storage.used, device.info.storage.free) = (size.total, brickyard::domain::Kib(0));
    let id = device.info.id.clone();
    fs::write(folder.join("in.json"), json::compact(&dump).unwrap()).unwrap();
    let (_, told) = good(folder, "db import --dbfile a.db --jsonfile in.json");
    let words = format!("Device {id} size values differ Used({})", size.total.0);
    assert!(told.contains(&format!("note: {words}")), "{told}");
    let (out, _) = good(folder, "db consistency-check --dbfile a.db");
    let check: Check = serde_json::from_str(&out).unwrap();
    assert_eq!(check.totalinconsistencies, 1);
    assert!(check.devices.inconsistencies.unwrap()[0].starts_with(&words));
}

#[test]
fn bricks_without_a_path_go_and_give_their_space_back() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut dump = read(V4);
    let (id, brick) = dump.brickentries.iter_mut().next().unwrap();
    brick.info.path.clear();
    let (id, brick) = (id.clone(), brick.clone());
    let other = dump.nodeentries.keys().find(|node| **node != brick.info.node).unwrap().clone();
    let used = dump.deviceentries[&brick.info.device].info.storage.used.0;
    fs::write(folder.join("in.json"), json::compact(&dump).unwrap()).unwrap();
    good(folder, "db import --dbfile a.db --jsonfile in.json");

    let which = refused(folder, "db delete-bricks-with-empty-path --dbfile a.db");
    assert!(which.contains("say which: --all"), "{which}");
    let delete = |selection: &str| {
        good(folder, &format!("db delete-bricks-with-empty-path --dbfile a.db {selection}")).1
    };
    assert!(delete(&format!("--nodes {other}")).contains("0 brick(s)"));
    let cluster = dump.clusterentries.keys().next().unwrap();
    let told = delete(&format!("--nodes {other} --clusters {cluster}"));
    assert!(
        told.contains(&format!("brick {id} of volume")) && told.contains("1 brick(s)"),
        "{told}"
    );
    assert!(delete("--all").contains("0 brick(s)"));

    let after = read(&good(folder, "db export --dbfile a.db --jsonfile -").0);
    assert!(!after.brickentries.contains_key(&id));
    assert_eq!(after.brickentries.len() + 1, dump.brickentries.len());
    let freed = brick.pool_size + brick.metadata_size;
    let device = &after.deviceentries[&brick.info.device];
    assert_eq!(device.info.storage.used.0, used - freed);
}

/// On nodes that have nothing of what the database says.
#[tokio::test]
async fn the_nodes_are_looked_at_without_a_server() {
    let folder = estate().await;
    let words = "offline state examine gluster --executor sim --database brickyard.db";
    let (out, _) = good(folder.path(), words);
    let (head, rest) = out.split_once("EXAMINER_OUTPUT_STARTS\n").unwrap();
    let (text, end) = rest.split_once("\nEXAMINER_OUTPUT_ENDS").unwrap();
    assert_eq!((head.lines().count(), end), (2, "\n"));
    let found: serde_json::Value = serde_json::from_str(text).unwrap();
    let report: Vec<_> =
        found["report"].as_array().unwrap().iter().map(|l| l.as_str().unwrap()).collect();
    let about = |words: &str| report.iter().filter(|line| line.contains(words)).count();
    let bricks = found["heketidb"]["brickentries"].as_object().unwrap().len();
    assert_eq!(about("has no logical volume on node"), bricks, "{report:#?}");
    assert_eq!(about("does not match with volume list of node"), 4, "{report:#?}");
}

/// A deletion that is stuck, since its node was down.
async fn interrupted() -> (std::sync::Arc<brickyard::node::sim::Sim>, TempDir) {
    let app = TestApp::start().await.with_nodes(2, 1).await;
    let volume = app.create_volume(json!({"size": 10, "durability": {"type": "replicate"}})).await;
    // Gluster on the other node does its part; the brick of this one is left.
    app.sim.set_faults(Some(std::sync::Arc::new(BusyMounts)));
    let deleting = app.client.delete(&format!("/volumes/{}", volume["id"].as_str().unwrap())).await;
    assert_eq!(app.client.poll(&deleting.location()).await.status, 500);
    app.end().await
}

#[tokio::test]
async fn operations_are_brought_to_rest_without_a_server() {
    let (sim, folder) = interrupted().await;
    let app = harness::build(folder.path(), sim.clone(), Start::default()).await;
    let left = app.operations.settle().await.unwrap().pendingoperations;
    assert_eq!(left.len(), 1, "the fault is still there");
    sim.set_faults(None);
    let left = app.operations.settle().await.unwrap().pendingoperations;
    assert!(left.is_empty(), "{left:?}");
    assert!(sim.world().nodes.values().all(|node| node.mounts.is_empty()));
    app.operations.end().await;
    app.store.clone().close().await;
}

/// On nodes that have nothing any more there is nothing to do.
#[tokio::test]
async fn operations_are_brought_to_rest_by_the_command() {
    let (_, folder) = interrupted().await;
    let folder = folder.path();
    let export = "db export --dbfile brickyard.db --jsonfile -";
    let (out, told) = good(folder, export);
    assert!(told.contains("1 operation(s) are not finished"), "{told}");
    let entry = read(&out).pendingoperations.into_values().next().unwrap();
    assert_eq!((entry.kind, entry.status.as_str()), (2, "failed"));
    // The nodes tell how far it is, so it comes along.
    fs::write(folder.join("in.json"), &out).unwrap();
    let (_, told) = good(folder, "db import --dbfile other.db --jsonfile in.json");
    assert!(told.contains(&format!("note: operation {} was to delete volume", entry.id)), "{told}");
    let (other, _) = good(folder, "db export --dbfile other.db --jsonfile -");
    let other = read(&other).pendingoperations.into_values().next().unwrap();
    assert_eq!((&other.id, other.kind, other.status.as_str()), (&entry.id, 2, ""));

    let words = "offline cleanup-operations --executor sim --database brickyard.db";
    assert_eq!(good(folder, words).0, "1 operation(s) brought to rest, 0 left\n");
    let (out, told) = good(folder, export);
    assert!(read(&out).pendingoperations.is_empty() && told.is_empty(), "{told}");
    assert!(read(&out).volumeentries.is_empty());
}
