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

/// Every command that the help texts lead to, by its words.
async fn commands() -> Vec<Vec<String>> {
    let mut found = vec![vec![]];
    let mut at = 0;
    while at < found.len() {
        let words: Vec<&str> = found[at].iter().map(String::as_str).collect();
        let help = run(&[words.as_slice(), &["--help"]].concat()).await.out;
        let listed = help.split_once("Commands:\n").map_or("", |(_, list)| list);
        let listed = listed.lines().take_while(|line| !line.is_empty());
        for name in listed.filter_map(|line| line.split_whitespace().next()) {
            if name != "help" {
                let words: Vec<String> = found[at].iter().cloned().chain([name.into()]).collect();
                found.push(words);
            }
        }
        at += 1;
    }
    found
}

#[tokio::test]
async fn the_manual_has_a_page_for_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let into = folder.path().join("new/man1");
    assert_eq!(run(&["man", into.to_str().unwrap()]).await, Run::ok(""));
    let commands = commands().await;
    assert!(commands.len() > 50, "{commands:?}");
    for words in &commands {
        let name = ["heketi-cli"].into_iter().chain(words.iter().map(String::as_str));
        let name = name.collect::<Vec<_>>().join("-");
        let page = std::fs::read_to_string(into.join(format!("{name}.1"))).unwrap();
        assert!(page.starts_with(".ie") || page.contains(&format!(".TH {name} 1")), "{page}");
        // Above it stands a page that names it.
        let Some((last, above)) = words.split_last() else { continue };
        let above = ["heketi-cli"].into_iter().chain(above.iter().map(String::as_str));
        let above = above.collect::<Vec<_>>().join("-");
        let above = std::fs::read_to_string(into.join(format!("{above}.1"))).unwrap();
        assert!(above.contains(&last.replace('-', "\\-")), "{last}: {above}");
    }
    assert_eq!(std::fs::read_dir(&into).unwrap().count(), commands.len(), "and no others");
    let first = std::fs::read_to_string(into.join("heketi-cli.1")).unwrap();
    assert_eq!(run(&["man"]).await, Run::ok(&first));
    assert!(first.contains("\\&  heketi\\-cli volume create \\-\\-size=100\n"), "{first}");
    let error = run(&["man", "/dev/null/man"]).await;
    assert!(error.err.starts_with("Error: cannot make /dev/null/man"), "{}", error.err);
}

#[tokio::test]
async fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = run(&["completion", shell]).await;
        assert_eq!((script.code, script.err.as_str()), (0, ""));
        for words in commands().await {
            let name = words.last().map_or("heketi-cli", String::as_str);
            assert!(script.out.contains(name), "{shell}: {words:?}");
        }
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
