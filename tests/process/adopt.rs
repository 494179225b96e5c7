//! A server that finds the database of a Heketi, and none of its own.
use super::{Running, SERVE, brickyard, folder, run, stderr};
use crate::harness::heketi::{Pair, databases};
use brickyard::{api::database::Dump, database, lenient};
use std::{fs, process::Command};

fn read(text: &[u8]) -> Dump {
    lenient::from_slice(text).unwrap()
}

fn dump(server: &Running) -> Dump {
    let output = server.cli(&["db", "dump"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let mut dump = read(&output.stdout);
    assert_eq!(dump.dbattributeentries.remove("DB_GENERATION_ID").unwrap().value.len(), 32);
    dump
}

#[test]
fn it_goes_on_where_heketi_stopped() {
    for Pair { name, file, export } in databases() {
        let folder = folder();
        let old = folder.path().join("heketi.db");
        fs::write(&old, &file).unwrap();
        let server = Running::start(folder.path(), &["--disable-auth"]);
        assert!(server.begun.contains("Heketi's database was adopted"), "{}", server.begun);
        let told = server.begun.contains("adopted: brick: LvmThinPool of");
        assert_eq!(told, name != "v10-mixed", "{}", server.begun);
        // What Heketi exports of it; what is set right for earlier versions is looked at, member by
        // member, in compat::database.
        let theirs = read(export.as_bytes());
        let mut expected = database::dump(&database::import(theirs.clone()).unwrap().snapshot);
        expected.dbattributeentries.remove("DB_GENERATION_ID");
        assert_eq!(dump(&server), expected, "{name}");
        if name == "v10-mixed" {
            let without = |mut dump: Dump| {
                dump.dbattributeentries.clear();
                dump
            };
            assert_eq!(without(dump(&server)), without(theirs), "{name}");
        }
        let made = server.cli(&["--json", "cluster", "create"]);
        assert!(made.status.success(), "{}", stderr(&made));
        let before = dump(&server);
        server.end();
        // Ours is used from now on.
        let again = Running::start(folder.path(), &["--disable-auth"]);
        assert!(!again.begun.contains("adopted"), "{}", again.begun);
        assert_eq!(dump(&again), before);
        again.end();
        assert_eq!(fs::read(&old).unwrap(), file, "{name}: the old one is as it was");
    }
}

/// A mount that was wrong, or a copy that came late: an empty database of ours hides nothing.
#[test]
fn an_empty_database_beside_one_of_heketi_is_not_served() {
    let folder = folder();
    // A port that is taken leaves nothing that could hide anything.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let arguments = ["serve", "--executor", "sim", "--disable-auth", "--listen", &address];
    assert!(stderr(&run(folder.path(), &arguments)).contains("cannot listen"));
    assert!(!folder.path().join("brickyard.db").exists());

    Running::start(folder.path(), &["--disable-auth"]).end();
    assert!(folder.path().join("brickyard.db").exists());
    let [Pair { file, .. }, ..] = databases();
    let old = folder.path().join("heketi.db");
    fs::write(&old, &file).unwrap();
    let refused = run(folder.path(), &[&SERVE[..], &["--disable-auth"]].concat());
    let why = stderr(&refused);
    assert_eq!(refused.status.code(), Some(1), "{why}");
    assert!(why.contains("knows no cluster") && why.contains("remove brickyard.db"), "{why}");
    assert_eq!(fs::read(&old).unwrap(), file);
    // As it says.
    for name in ["brickyard.db", "brickyard.db-wal", "brickyard.db-shm"] {
        drop(fs::remove_file(folder.path().join(name)));
    }
    let server = Running::start(folder.path(), &["--disable-auth"]);
    assert_eq!(dump(&server).volumeentries.len(), 6);
    server.end();
}

/// As the image of Heketi starts it.
#[test]
fn by_heketis_name_and_configuration() {
    let folder = folder();
    let [Pair { file, .. }, ..] = databases();
    fs::create_dir(folder.path().join("lib")).unwrap();
    fs::write(folder.path().join("lib/heketi.db"), &file).unwrap();
    let db = folder.path().join("lib/heketi.db").display().to_string();
    let config =
        serde_json::json!({"use_auth": false, "glusterfs": {"executor": "mock", "db": db}});
    fs::write(folder.path().join("heketi.json"), config.to_string()).unwrap();
    let heketi = folder.path().join("heketi");
    std::os::unix::fs::symlink(super::BINARY, &heketi).unwrap();
    let mut command = Command::new(heketi);
    command.current_dir(&folder).env_clear().env("PATH", "/usr/bin:/bin");
    command.args(["--config=heketi.json", "--listen=127.0.0.1:0"]);
    let server = Running::spawn(command);
    assert_eq!(dump(&server).volumeentries.len(), 6);
    server.end();
    assert!(folder.path().join("lib/brickyard.db").exists());
}

#[test]
fn what_needs_a_decision_stops_it() {
    let [Pair { file, .. }, ..] = databases();
    let folder = folder();
    let old = folder.path().join("heketi.db");
    let half = &file[..file.len() / 2];
    fs::write(&old, half).unwrap();
    let refused = run(folder.path(), &[&SERVE[..], &["--disable-auth"]].concat());
    assert_eq!(refused.status.code(), Some(1));
    let text = stderr(&refused);
    for words in [
        "heketi.db is the database of a Heketi estate, and was not adopted. Nothing was changed.",
        "`brickyard adopt heketi.db`",
        "Cannot be read, and would be lost",
        "the file ends at byte 131072",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(!folder.path().join("brickyard.db").exists());
    assert_eq!(fs::read(&old).unwrap(), half);
}

#[test]
fn while_heketi_has_it_open_it_is_not_touched() {
    let [Pair { file, .. }, ..] = databases();
    let folder = folder();
    let old = folder.path().join("heketi.db");
    fs::write(&old, &file).unwrap();
    let held = fs::File::open(&old).unwrap();
    held.lock().unwrap();
    let refused = run(folder.path(), &[&SERVE[..], &["--disable-auth"]].concat());
    assert!(stderr(&refused).contains("in use by another program"), "{}", stderr(&refused));
    assert!(!folder.path().join("brickyard.db").exists());
}

/// A file that Heketi had no time to fill is no estate.
#[test]
fn an_empty_file_is_no_database() {
    let folder = folder();
    fs::write(folder.path().join("heketi.db"), "").unwrap();
    let mut command = brickyard(folder.path());
    command.args(SERVE).arg("--disable-auth");
    let server = Running::spawn(command);
    assert!(dump(&server).clusterentries.is_empty());
    server.end();
}

/// `db_read_only`: nothing is written, so nothing is adopted either.
#[test]
fn what_is_only_to_be_read_is_not_adopted() {
    let [Pair { file, .. }, ..] = databases();
    let folder = folder();
    fs::write(folder.path().join("heketi.db"), &file).unwrap();
    fs::write(folder.path().join("h.json"), r#"{"glusterfs": {"db_read_only": true}}"#).unwrap();
    let words = ["--disable-auth", "--config", "h.json"];
    let refused = run(folder.path(), &[&SERVE[..], &words].concat());
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("db_read_only is set"), "{}", stderr(&refused));
    let names = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(names, 2, "something was made");
}
