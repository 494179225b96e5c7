//! What only the built program shows: variables, pipes, signals, exit codes.
use super::{
    protocol::claims,
    scripted::{Answer, Server},
};
use crate::harness::names;
use std::process::{Output, Stdio};
use tokio::{io::AsyncWriteExt, net::TcpListener, process::Command};

fn program(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_brickyard"));
    command.arg("cli").args(words).kill_on_drop(true);
    for name in ["SERVER", "USER", "KEY"] {
        command.env_remove(format!("HEKETI_CLI_{name}"));
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

async fn run(command: &mut Command) -> Output {
    command.output().await.unwrap()
}

#[tokio::test]
async fn variables_and_exit_codes() {
    let server = Server::start(|request| match request.path.as_str() {
        "/clusters" => Answer::json(r#"{"clusters":[]}"#),
        _ => Answer::not_found(),
    })
    .await;
    let good = run(program(&["cluster", "list"]).env("HEKETI_CLI_SERVER", &server.url)).await;
    assert_eq!((good.status.code(), text(&good.stdout)), (Some(0), "Clusters:\n"));
    let mut flag_wins = program(&["cluster", "info", "abc", "--server", &server.url]);
    let bad = run(flag_wins.env("HEKETI_CLI_SERVER", "http://127.0.0.1:1")).await;
    assert_eq!((bad.status.code(), text(&bad.stderr)), (Some(255), "Error: Id not found\n"));
    assert_eq!(text(&bad.stdout), "");
}

/// Name and key come from variables, and flags beat both.
#[tokio::test]
async fn names_and_keys_of_variables() {
    let server = Server::start(|_| Answer::json(r#"{"clusters":[]}"#)).await;
    let ask = async |words: &[&str]| {
        let mut command = program(words);
        command.args(["cluster", "list", "--server", &server.url]);
        command.env("HEKETI_CLI_USER", "user").env("HEKETI_CLI_KEY", "from the environment");
        assert!(run(&mut command).await.status.success());
        server.seen().pop().unwrap().authorization
    };
    assert_eq!(claims(&ask(&[]).await, "from the environment").iss, "user");
    assert_eq!(claims(&ask(&["--user=admin"]).await, "from the environment").iss, "admin");
    assert_eq!(claims(&ask(&["--secret", "sesame"]).await, "sesame").iss, "user");
}

#[tokio::test]
async fn an_empty_variable_counts_as_none() {
    let output = run(program(&["cluster", "list"]).env("HEKETI_CLI_SERVER", "")).await;
    assert!(!text(&output.stderr).contains("--server must be"), "{}", text(&output.stderr));
}

#[tokio::test]
async fn the_key_is_never_shown() {
    for words in [["--help"].as_slice(), &["volume"], &["volume", "--bogus"], &["--bogus=1"]] {
        let output = run(program(words).env("HEKETI_CLI_KEY", "sesame")).await;
        assert!(
            !text(&output.stdout).contains("sesame") && !text(&output.stderr).contains("sesame")
        );
    }
}

#[tokio::test]
async fn a_reader_that_went_away_is_no_error() {
    let dump = "x".repeat(1 << 20);
    let server = Server::start(move |_| Answer::new(200, &dump)).await;
    let mut child = program(&["db", "dump", "--server", &server.url]).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().await.unwrap();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
}

#[tokio::test]
async fn interrupted_while_waiting() {
    let (asked, polled) = tokio::sync::oneshot::channel();
    let mut asked = Some(asked);
    let server = Server::start(move |request| match request.method.as_str() {
        "GET" => {
            if let Some(asked) = asked.take() {
                asked.send(()).unwrap();
            }
            Answer::pending()
        }
        _ => Answer::accepted(),
    })
    .await;
    let child = program(&["volume", "delete", "abc", "--server", &server.url]).spawn().unwrap();
    polled.await.unwrap();
    let pid = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().await.unwrap().success());
    let output = child.wait_with_output().await.unwrap();
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(255), ""));
    assert_eq!(
        text(&output.stderr),
        "Error: interrupted while deleting the volume; operation 0123456789abcdef0123456789abcdef \
         goes on at the server, which answers for it at /queue/0123456789abcdef0123456789abcdef\n"
    );
}

/// A backup that a person calls off while the server is at it leaves nothing that looks like one.
#[tokio::test]
async fn interrupted_during_a_backup() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("copy.db").display().to_string();
    let child = program(&["db", "backup", &file, "--server", &url]).spawn().unwrap();
    let (mut asked, _) = silent.accept().await.unwrap();
    asked.readable().await.unwrap();
    let pid = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().await.unwrap().success());
    let output = child.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(255), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("interrupted"), "{}", text(&output.stderr));
    assert_eq!(names(folder.path()), [] as [&str; 0]);
    asked.shutdown().await.unwrap();
}
