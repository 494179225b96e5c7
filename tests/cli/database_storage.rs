//! `setup-openshift-heketi-storage`: what is asked for, what is written, and what is left on errors.
use super::{
    Run, cli, data, run_error,
    scripted::{Answer, Request, Server},
    transcript,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::path::PathBuf;
use tempfile::TempDir;

const VOLUME: &str = "bf69aeafa08d37faeca69586e6768dcc";
const COMMAND: &str = "setup-openshift-heketi-storage";

/// A server with a volume of this name in a cluster, and this backup.
async fn server(name: &'static str, backup: impl Fn() -> Answer + Send + 'static) -> Server {
    let recorded = transcript(&format!("--json volume info {VOLUME}")).stdout;
    let mut volume: Value = serde_json::from_str(&recorded).unwrap();
    let other = volume.to_string();
    volume["name"] = name.into();
    let volume = volume.to_string();
    let cluster = volume_cluster(&other);
    Server::start(move |request: &Request| match request.path.as_str() {
        "/clusters" => Answer::json(&json!({ "clusters": [cluster["id"]] }).to_string()),
        path if path.starts_with("/clusters/") => Answer::json(&cluster.to_string()),
        "/volumes" => Answer::accepted(),
        path if path.starts_with("/queue/") => Answer::see_other("/volumes/made"),
        "/volumes/made" => Answer::json(&volume.replace(name, "heketidbstorage")),
        _ if request.method == "DELETE" => Answer::new(409, "Cannot delete it\n"),
        "/backup/db" => backup(),
        _ => Answer::json(&volume),
    })
    .await
}

fn volume_cluster(volume: &str) -> Value {
    let volume: Value = serde_json::from_str(volume).unwrap();
    json!({"id": volume["cluster"], "nodes": [], "volumes": [volume["id"]], "block": true,
        "file": true, "blockvolumes": []})
}

fn list_file() -> (TempDir, PathBuf, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hs.json");
    let flag = format!("--listfile={}", file.display());
    (folder, file, flag)
}

/// The file that Heketi's tool wrote, but for the database, which was cut out of the recording.
#[tokio::test]
async fn the_file_is_heketis_to_the_byte() {
    let recorded = std::fs::read_to_string(data("heketi-storage.json")).unwrap();
    let database = b"\0\0\0\0 a bolt file \xff";
    let expected = recorded.replace("DATABASE", &STANDARD.encode(database));
    assert_ne!(expected, recorded);
    let server = server("other", || Answer::file(b"\0\0\0\0 a bolt file \xff")).await;
    let (_folder, file, flag) = list_file();
    // A longer one of an earlier day, that everybody could read.
    std::fs::write(&file, "x".repeat(expected.len() * 2)).unwrap();
    let run = cli(&server, &[COMMAND, &flag]).await;
    assert_eq!(run, Run::ok(&format!("Saving {}\n", file.display())));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), expected);
    let body = r#"{"size":2,"name":"heketidbstorage","durability":{"type":"replicate","replicate":{"replica":3},"disperse":{}},"glustervolumeoptions":["performance.stat-prefetch off","performance.write-behind off","performance.open-behind off","performance.quick-read off","performance.strict-o-direct on","performance.read-ahead off","performance.io-cache off","performance.readdir-ahead off","user.heketi.dbstoragelevel 1"],"snapshot":{"enable":false,"factor":0}}"#;
    let asked = server.lines();
    let made = asked.iter().position(|line| *line == format!("POST /volumes {body}"));
    let copied = asked.iter().rposition(|line| line == "GET /backup/db");
    assert!(made.unwrap() < copied.unwrap(), "the copy must know its volume: {asked:#?}");
    let mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata().unwrap().permissions());
    assert_eq!(mode & 0o077, 0, "a database is nobody else's business");
}

#[tokio::test]
async fn flags_and_names() {
    let table: [(&[&str], &str); 4] = [
        (&["--durability=none"], r#""durability":{"type":"none","replicate":{},"disperse":{}}"#),
        (&["--replica=2"], r#""replicate":{"replica":2}"#),
        (
            &["--gluster-volume-options=a 1,b 2", "--append-volume-options=c 3"],
            r#""glustervolumeoptions":["a 1","b 2","user.heketi.dbstoragelevel custom","c 3"]"#,
        ),
        (
            &["--append-volume-options=c 3,d 4"],
            r#""user.heketi.dbstoragelevel 1","c 3","d 4"],"snapshot""#,
        ),
    ];
    for (flags, part) in table {
        let server = server("other", || Answer::file(b"db")).await;
        let (_folder, _file, flag) = list_file();
        let run =
            cli(&server, &[&["setup-heketi-db-storage", flag.as_str()], flags].concat()).await;
        assert_eq!(run.code, 0, "{}", run.err);
        let asked = server.lines();
        assert!(
            asked.iter().any(|l| l.starts_with("POST /volumes ") && l.contains(part)),
            "{part}"
        );
    }
    let wrong = format!("{COMMAND} --durability=disperse");
    let text = "Error: Durability disperse is not supported for heketi database storage\n";
    assert_eq!(run_error(&wrong).await, text);
    assert!(run_error(&format!("{COMMAND} --durability=x")).await.contains("durability"));
}

#[tokio::test]
async fn the_job_knows_image_hosts_and_kind_of_database() {
    for (selector, expected) in [
        ("storage=yes", json!({"storage": "yes"})),
        ("a=b=c", Value::Null),
        ("nothing", Value::Null),
    ] {
        let server = server("other", || Answer::file(b"SQLite format 3\0 and more")).await;
        let (_folder, file, flag) = list_file();
        let selector = format!("--node-selector={selector}");
        let words = ["setup-kubernetes-heketi-storage", &flag, "--image=brickyard:1", &selector];
        assert_eq!(cli(&server, &words).await.code, 0);
        let list: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        assert!(list["items"][0]["data"]["brickyard.db"].is_string(), "{list:#}");
        let pod = &list["items"][3]["spec"]["template"]["spec"];
        assert_eq!(pod["nodeSelector"], expected, "{selector}");
        assert_eq!(pod["containers"][0]["image"], "brickyard:1");
        assert_eq!(pod["containers"][0]["command"], json!(["cp", "/db/brickyard.db", "/heketi"]));
    }
}

/// Servers do not let the volume go again, so nothing is made that could not be finished.
#[tokio::test]
async fn what_cannot_be_finished_is_not_begun() {
    type Backup = fn() -> Answer;
    let no_backup: Backup = || Answer::not_found();
    let too_large: Backup = || Answer::file(&vec![0; (1 << 20) + 1]);
    let table: [(&str, Backup, &str, &str); 4] = [
        (
            "heketidbstorage",
            || Answer::file(b"db"),
            "/tmp/x",
            "Volume heketidbstorage already exists",
        ),
        ("other", no_backup, "/tmp/x", "cannot get the database from the server: Id not found"),
        ("other", too_large, "/tmp/x", "Kubernetes takes no Secret of more than 1048576"),
        ("other", || Answer::file(b"db"), "/nowhere/x", "cannot write /nowhere/x"),
    ];
    for (name, backup, file, text) in table {
        let server = server(name, backup).await;
        let flag = format!("--listfile={file}");
        let run = cli(&server, &[COMMAND, &flag]).await;
        assert_eq!((run.code, run.out.as_str()), (255, ""), "{}", run.err);
        assert!(run.err.contains(text), "{}", run.err);
        assert!(server.lines().iter().all(|line| line.starts_with("GET ")), "{:?}", server.lines());
    }
}

#[tokio::test]
async fn a_later_error_deletes_the_volume_and_says_when_it_cannot() {
    let times = std::sync::atomic::AtomicUsize::new(0);
    let once = move || match times.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
        0 => Answer::file(b"db"),
        _ => Answer::new(500, "gone\n"),
    };
    let server = server("other", once).await;
    let (_folder, _file, flag) = list_file();
    let run = cli(&server, &[COMMAND, &flag]).await;
    let expected = format!(
        "Cleaning up\nUnable to delete volume {VOLUME}: Cannot delete it\n\
         Error: cannot get the database from the server: gone\n"
    );
    assert_eq!((run.code, run.err), (255, expected));
    assert_eq!(server.lines().last().unwrap(), &format!("DELETE /volumes/{VOLUME}"));
}
