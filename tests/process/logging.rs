//! What is logged.
use super::{Running, brickyard, folder, stderr};
use std::process::Output;

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", stderr(output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The level is changed in the running server, up and down, by the command line.
#[test]
fn the_log_obeys_at_once() {
    let folder = folder();
    let file = r#"{"use_auth": false, "glusterfs": {"loglevel": "warning"}}"#;
    std::fs::write(folder.path().join("heketi.json"), file).unwrap();
    let mut command = brickyard(folder.path());
    // Nothing tells where it listens at this level, so it is told a port that was free just now.
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let address = format!("127.0.0.1:{port}");
    let arguments = ["serve", "--executor", "sim", "--config", "heketi.json", "--listen", &address];
    command.args(arguments);
    let mut server = Running::spawn_at(command, &address);
    assert_eq!(said(&server.cli(&["loglevel", "get"])), "warning\n");
    said(&server.cli(&["cluster", "list"]));
    assert_eq!(said(&server.cli(&["loglevel", "set", "debug"])), "Server log level updated\n");
    assert_eq!(said(&server.cli(&["loglevel", "get"])), "debug\n");
    let quiet = server.log_until("the log level is changed");
    assert!(!quiet.contains("path=") && quiet.contains("now=\"debug\""), "{quiet}");
    said(&server.cli(&["cluster", "list"]));
    server.log_until("path=\"/clusters\"");
    let wrong = server.cli(&["loglevel", "set", "chatty"]);
    assert_eq!(stderr(&wrong), "Error: invalid log level: chatty\n");
    said(&server.cli(&["loglevel", "set", "none"]));
    server.log_until("now=\"none\"");
    said(&server.cli(&["cluster", "list"]));
    assert_eq!(server.end(), "");
}
