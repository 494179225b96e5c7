//! Help, versions, completions, and flags in all their places.
use super::{
    Run, data, run, run_error,
    scripted::{Answer, Server},
};

#[tokio::test]
async fn help_and_usage() {
    let bare = run(&[]).await;
    assert_eq!((bare.code, bare.out.as_str()), (0, ""));
    assert!(bare.err.contains("Usage: heketi-cli"), "{}", bare.err);
    for words in [["--help"].as_slice(), &["help"], &["volume"], &["volume", "create", "-h"]] {
        let help = run(words).await;
        assert_eq!((help.code, help.err.as_str()), (0, ""), "{words:?}");
        assert!(help.out.contains("Usage: heketi-cli"), "{}", help.out);
    }
    // A group with a flag, or a variable, but without a command is still a question for help.
    let group = run(&["volume", "--json"]).await;
    assert_eq!((group.code, group.err.as_str()), (0, ""));
    assert!(group.out.contains("Usage: heketi-cli volume"), "{}", group.out);
    let version = format!("heketi-cli {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(run(&["--version"]).await, Run::ok(&version));
    assert_eq!(run(&["-v"]).await, Run::ok(&version));
    for wrong in ["volume bogus", "bogus", "volume list --bogus", "volume create --size=x"] {
        let text = run_error(wrong).await;
        assert!(text.starts_with("Error: ") && !text.contains("error:"), "{text}");
    }
    let help = run(&["help"]).await.out;
    assert!(help.contains("\n  loglevel "), "{help}");
    let levels = run(&["loglevel", "set", "--help"]).await.out;
    assert!(levels.contains("none, critical, error, warning, info or debug"), "{levels}");
    let secret = run(&["--secret=sesame", "volume", "list", "--bogus"]).await;
    assert!(!secret.err.contains("sesame"), "{}", secret.err);
}

#[tokio::test]
async fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = run(&["completion", shell]).await;
        assert_eq!((script.code, script.err.as_str()), (0, ""));
        assert!(script.out.contains("setflags"), "{shell}");
    }
}

#[tokio::test]
async fn flags_stand_anywhere_and_the_last_one_counts() {
    let list = r#"{"volumes":[]}"#;
    let server = Server::start(move |_| Answer::json(list)).await;
    let url = server.url.as_str();
    let table: [&[&str]; 4] = [
        &["volume", "-s", url, "list", "--json"],
        &["--json=true", "volume", "list", "--server", url],
        &["-s", "http://127.0.0.1:1", "volume", "list", "-s", url, "--json=1"],
        &["--json=false", "volume", "list", "--server", url, "--json"],
    ];
    for words in table {
        assert_eq!(run(words).await, Run::ok(list), "{words:?}");
    }
    let words = ["--json", "topology", "load", "-s", url];
    assert_eq!(run(&words).await, Run::error("Missing configuration file"));
    let file = format!("--json={}", data("topology.json").display());
    assert!(run(&["--json", "topology", "load", &file, "-s", url]).await.err.contains("topology"));
}
