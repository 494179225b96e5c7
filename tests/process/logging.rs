//! What is logged, and what never is.
use super::{Running, SERVE, brickyard, folder, stderr};
use crate::harness::free_port;
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
    let address = format!("127.0.0.1:{}", free_port());
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

/// Kubernetes shows its users nothing of what it was told.
#[test]
fn why_a_request_was_refused_stands_in_the_log() {
    let folder = folder();
    let mut command = brickyard(folder.path());
    command.args(SERVE).arg("--disable-auth");
    let mut server = Running::spawn(command);
    let refused = server.cli(&["volume", "create", "--size=1"]);
    let reason = "No clusters configured";
    assert!(stderr(&refused).contains(reason), "{}", stderr(&refused));
    let log = server.log_until("status=400");
    let line = log.lines().find(|line| line.contains("status=400")).unwrap();
    assert!(line.contains(&format!("reason=\"{reason}\"")), "{line}");
    server.end();
}

/// However much is logged, by us and by every library: no key, and no token that a key has made.
#[test]
fn neither_keys_nor_tokens_are_ever_logged() {
    const ADMIN: &str = "admin-Ooh4eiPh";
    const USER: &str = "user-aeB9ooto";
    let folder = folder();
    for (how, file) in [
        ("variables", "{}".to_owned()),
        ("file", format!(r#"{{"jwt":{{"admin":{{"key":"{ADMIN}"}},"user":{{"key":"{USER}"}}}}}}"#)),
    ] {
        std::fs::write(folder.path().join("heketi.json"), file).unwrap();
        let mut command = brickyard(folder.path());
        command.args(SERVE).args(["--config", "heketi.json"]).env("RUST_LOG", "trace");
        if how == "variables" {
            command.env("HEKETI_ADMIN_KEY", ADMIN).env("HEKETI_USER_KEY", USER);
        }
        let mut server = Running::spawn(command);
        let log = server.drain();
        for (user, secret, works) in
            [("admin", ADMIN, true), ("user", USER, true), ("admin", USER, false)]
        {
            let login = ["--user", user, "--secret", secret];
            let listed = server.cli(&[&login[..], &["volume", "list"]].concat());
            assert_eq!(listed.status.success(), works, "{}", stderr(&listed));
            assert!(!stderr(&listed).contains(secret));
        }
        said(&server.cli(&["--user", "admin", "--secret", ADMIN, "cluster", "create"]));
        let begun = server.begun.clone();
        server.end();
        let log = begun + &log.join().unwrap();
        assert!(log.contains("TRACE") && log.contains("request refused"), "{how}: {log}");
        // Every token begins like this: `{"` in base64.
        for secret in [ADMIN, USER, "eyJ"] {
            let line = log.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "{how}");
        }
    }
}

/// A file with a key in the wrong place is refused without repeating the key.
#[test]
fn a_configuration_that_cannot_be_read_does_not_tell_its_keys() {
    let folder = folder();
    for file in [
        r#"{"jwt":{"admin":{"key":20458},"user":{"key":"u"}}}"#,
        r#"{"jwt":{"admin":"secret-20458","user":{"key":"u"}}}"#,
        r#"{"jwt":"secret-20458"}"#,
        r#"{"jwt":{"admin":{"key":["secret-20458"]}}}"#,
        r#"{"jwt":["secret-20458"]}"#,
    ] {
        std::fs::write(folder.path().join("heketi.json"), file).unwrap();
        let refused = super::run(folder.path(), &["serve", "--config", "heketi.json"]);
        let text = stderr(&refused);
        assert_eq!(refused.status.code(), Some(1), "{file}: {text}");
        assert!(
            text.contains("heketi.json: jwt: ") && text.contains("not shown"),
            "{file}: {text}"
        );
        assert!(!text.contains("20458"), "{text}");
    }
}

/// A mistake in `RUST_LOG` is told: whoever set it waits for lines that do not come.
#[test]
fn a_filter_that_is_none_is_told() {
    let folder = folder();
    let start = |filter: &str| {
        let mut command = brickyard(folder.path());
        command.args(SERVE).arg("--disable-auth").env("RUST_LOG", filter);
        let server = Running::spawn(command);
        let begun = server.begun.clone();
        server.end();
        begun
    };
    let told = start("brickyard=chatty");
    assert!(told.contains("RUST_LOG has no effect"), "{told}");
    assert!(!start("brickyard=info").contains("RUST_LOG"));
}
