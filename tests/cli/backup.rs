//! `db backup`: a whole file for its owner, or none.
use super::{
    Run, cli, run,
    scripted::{Answer, Request, Server},
};
use crate::harness::{TestApp, names};
use brickyard::store::Store;
use serde_json::json;
use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};
use tempfile::TempDir;

fn file() -> (TempDir, PathBuf, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("copy.db");
    let shown = file.display().to_string();
    (folder, file, shown)
}

#[tokio::test]
async fn the_database_of_a_server_that_works() {
    let app = TestApp::start().await.with_nodes(3, 1).await;
    app.create_volume(json!({"size": 1})).await;
    let (_folder, file, shown) = file();
    let to = format!("--server={}", app.client.base);
    let done = run(&[&to, "db", "backup", &shown]).await;
    let length = fs::metadata(&file).unwrap().len();
    assert_eq!(done, Run::ok(&format!("{shown}: {length} bytes\n")));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let store = Store::open(&file).await.unwrap();
    let copied = brickyard::database::dump_text(&store).await.unwrap();
    assert_eq!(copied + "\n", app.client.get("/db/dump").await.text());
}

#[tokio::test]
async fn a_file_that_is_there_stays() {
    let server = Server::start(|_: &Request| Answer::file(b"db")).await;
    let (_folder, file, shown) = file();
    fs::write(&file, "the backup of yesterday").unwrap();
    let refused = cli(&server, &["db", "backup", &shown]).await;
    let words = format!("{shown} exists already: nothing is overwritten");
    assert_eq!(refused, Run::error(&words));
    assert_eq!(fs::read(&file).unwrap(), b"the backup of yesterday");
    assert!(server.seen().is_empty(), "nothing was asked for");
}

#[tokio::test]
async fn what_does_not_come_leaves_no_file() {
    let server = Server::start(|_: &Request| Answer::new(500, "the disk is full\n")).await;
    let (folder, _, shown) = file();
    let failed = cli(&server, &["db", "backup", &shown]).await;
    let words = "cannot get the database from the server: the disk is full";
    assert_eq!(failed, Run::error(words));
    assert_eq!(names(folder.path()), [] as [&str; 0]);
    let nowhere = cli(&server, &["db", "backup", "/nonexistent/copy.db"]).await;
    assert!(nowhere.err.contains("/nonexistent/copy.db: No such file"), "{}", nowhere.err);
}

/// An empty file is an empty database for SQLite: none has the name before all of it is there.
#[tokio::test]
async fn what_appears_meanwhile_stays() {
    let (folder, file, shown) = file();
    let taken = file.clone();
    let server = Server::start(move |_: &Request| {
        assert!(!taken.exists(), "the file is there before the database is");
        fs::write(&taken, "somebody else's").unwrap();
        Answer::file(b"db")
    })
    .await;
    let refused = cli(&server, &["db", "backup", &shown]).await;
    let words = format!("{shown} exists already: nothing is overwritten");
    assert_eq!(refused, Run::error(&words));
    assert_eq!(fs::read(&file).unwrap(), b"somebody else's");
    assert_eq!(names(folder.path()), ["copy.db"]);
}
