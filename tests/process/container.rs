//! `container/heketi-start.sh`, the entry point of the image, as the container calls it.
use super::{BINARY, Running, folder, stderr};
use crate::harness::free_port;
use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/container/heketi-start.sh");

/// What a container has: the program by its names, a folder for the database, variables.
fn container(folder: &Path, port: u16) -> Command {
    let programs = folder.join("bin");
    if !programs.exists() {
        fs::create_dir(&programs).unwrap();
        for name in ["brickyard", "heketi", "heketi-cli"] {
            symlink(BINARY, programs.join(name)).unwrap();
        }
    }
    let mut command = Command::new("sh");
    command.arg(SCRIPT).current_dir(folder).env_clear();
    command
        .env("PATH", format!("{}:/usr/bin:/bin", programs.display()))
        .env("HEKETI_PATH", folder.join("data"))
        .env("HEKETI_CONFIG", folder.join("heketi.json"))
        .env("HEKETI_EXECUTOR", "mock")
        .env("HEKETI_ADMIN_KEY", "of the administrator")
        .env("HEKETI_USER_KEY", "of the user")
        .env("HEKETI_HTTP_PORT", port.to_string());
    command
}

fn start(command: Command, port: u16) -> Running {
    Running::spawn_at(command, &format!("127.0.0.1:{port}"))
}

fn cli(server: &Running, arguments: &[&str]) -> Output {
    let key = ["--user", "admin", "--secret", "of the administrator"];
    server.cli(&[&key, arguments].concat())
}

fn archives(folder: &Path) -> Vec<PathBuf> {
    let Ok(files) = fs::read_dir(folder.join("data/archive")) else { return vec![] };
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == "gz"));
    files.sort();
    files
}

#[test]
fn each_state_is_archived_once_and_can_be_put_back() {
    let folder = folder();
    let port = free_port();
    let run = |changes: usize| {
        let mut command = container(folder.path(), port);
        command.env("HEKETI_DB_ARCHIVE_COUNT", "2");
        let server = start(command, port);
        for _ in 0..changes {
            assert!(cli(&server, &["cluster", "create"]).status.success());
        }
        server.end()
    };
    run(1);
    assert!(archives(folder.path()).is_empty(), "there was nothing to keep");
    let log = run(0);
    assert!(!log.contains("cannot"), "{log}");
    let first = archives(folder.path());
    assert_eq!(first.len(), 1, "one cluster");
    run(1);
    assert_eq!(archives(folder.path()), first, "nothing had changed");
    // Names tell seconds.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    run(1);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    run(0);
    let kept = archives(folder.path());
    assert_eq!(kept.len(), 2, "not more than were asked for");
    assert!(!kept.contains(&first[0]), "the oldest goes first");

    let restored = folder.path().join("restored.db");
    let unpacked = Command::new("gzip").arg("-dc").arg(&kept[1]).output().unwrap();
    fs::write(&restored, unpacked.stdout).unwrap();
    let export = Command::new(BINARY)
        .args(["db", "export", "--jsonfile", "-", "--dbfile"])
        .arg(&restored)
        .output()
        .unwrap();
    let text: serde_json::Value = serde_json::from_slice(&export.stdout).unwrap();
    assert_eq!(text["clusterentries"].as_object().unwrap().len(), 3, "{}", stderr(&export));
}

#[test]
fn a_topology_is_loaded_the_first_time_only() {
    let folder = folder();
    let port = free_port();
    let topology = folder.path().join("topology.json");
    let node = r#"{"node": {"hostnames": {"manage": ["n1"], "storage": ["10.0.0.1"]}, "zone": 1}, "devices": ["/dev/sdb"]}"#;
    fs::write(&topology, format!(r#"{{"clusters": [{{"nodes": [{node}]}}]}}"#)).unwrap();
    let run = |first: bool| {
        let mut command = container(folder.path(), port);
        command.env("HEKETI_TOPOLOGY_FILE", &topology).stdout(Stdio::null());
        let mut server = start(command, port);
        if first {
            server.log_until("was loaded");
        }
        let nodes = cli(&server, &["node", "list"]);
        assert_eq!(String::from_utf8_lossy(&nodes.stdout).matches("Id:").count(), 1);
        let log = server.end();
        assert!(!log.contains("was loaded"), "{log}");
    };
    run(true);
    run(false);
}

/// As where a file may be mounted, and is not.
#[test]
fn a_topology_that_is_not_there_is_passed_over() {
    let folder = folder();
    let port = free_port();
    let mut command = container(folder.path(), port);
    command.env("HEKETI_TOPOLOGY_FILE", folder.path().join("topology.json"));
    let mut server = start(command, port);
    let log = server.log_until("serving");
    assert!(log.contains("topology.json is not there"), "{log}");
    let log = server.end();
    assert!(!log.contains("topology"), "{log}");
}

#[test]
fn a_folder_that_cannot_be_written_is_told() {
    let folder = folder();
    fs::write(folder.path().join("data"), "a file").unwrap();
    let output = container(folder.path(), free_port()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("cannot be made"), "{}", stderr(&output));
}

#[test]
fn a_server_that_is_ending_is_waited_for() {
    let folder = folder();
    let port = free_port();
    let server = start(container(folder.path(), port), port);
    let other = free_port();
    let mut next = container(folder.path(), other).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1500));
    assert!(next.try_wait().unwrap().is_none(), "it gave up at once");
    server.end();
    while std::net::TcpStream::connect(("127.0.0.1", other)).is_err() {
        assert!(next.try_wait().unwrap().is_none(), "it ended");
        std::thread::yield_now();
    }
    let told = Command::new("kill").arg("-TERM").arg(next.id().to_string()).status().unwrap();
    assert!(told.success() && next.wait().unwrap().success());
}

#[test]
fn arguments_go_to_the_program() {
    let folder = folder();
    let output = container(folder.path(), free_port()).arg("--version").output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("brickyard"));
}
