//! Block volumes and the volumes that host them: requests, and what is printed.
use super::{
    Run, cli, run_error,
    scripted::{Answer, Server},
    transcript,
};

const BLOCK: &str = "d2a28754dd68a596f378da0413520447";
const VOLUME: &str = "bf69aeafa08d37faeca69586e6768dcc";

fn recorded(words: &str) -> String {
    transcript(words).stdout
}

/// A server with the recorded block volume, whatever is done to it.
async fn server() -> Server {
    let block = recorded(&format!("--json blockvolume info {BLOCK}"));
    let list = recorded("--json blockvolume list");
    Server::start(move |request| match (request.method.as_str(), request.path.as_str()) {
        ("DELETE" | "POST", _) => Answer::accepted(),
        (_, path) if path.starts_with("/queue/") => {
            Answer::see_other(&format!("/blockvolumes/{BLOCK}"))
        }
        (_, "/blockvolumes") => Answer::json(&list),
        _ => Answer::json(&block),
    })
    .await
}

/// As heketi-cli printed it, byte for byte.
#[tokio::test]
async fn recorded_runs() {
    for words in [
        "blockvolume create --size=5 --ha=3 --auth --name=blk".to_owned(),
        "blockvolume list".to_owned(),
        "--json blockvolume list".to_owned(),
        format!("blockvolume info {BLOCK}"),
        format!("--json blockvolume info {BLOCK}"),
    ] {
        let server = server().await;
        let run = cli(&server, &words.split(' ').collect::<Vec<_>>()).await;
        assert_eq!(run, Run::ok(&recorded(&words)), "{words}");
    }
}

#[tokio::test]
async fn requests() {
    for (words, line) in [
        ("create --size=5", r#"POST /blockvolumes {"size":5,"name":""}"#.to_owned()),
        (
            "create --size 5 --name n --clusters=a,b --clusters=c --ha=2 --auth=true",
            r#"POST /blockvolumes {"size":5,"clusters":["a","b","c"],"name":"n","hacount":2,"auth":true}"#
                .to_owned(),
        ),
        (
            "create --size=-1 --auth=false",
            r#"POST /blockvolumes {"size":-1,"name":""}"#.to_owned(),
        ),
        (
            "expand ID --new-size=20",
            format!(r#"POST /blockvolumes/{BLOCK}/expand {{"new_size":20}}"#),
        ),
        (
            "expand --blockvolume=ID --new-size 20",
            format!(r#"POST /blockvolumes/{BLOCK}/expand {{"new_size":20}}"#),
        ),
    ] {
        let server = server().await;
        let words = format!("blockvolume {}", words.replace("ID", BLOCK));
        let run = cli(&server, &words.split(' ').collect::<Vec<_>>()).await;
        assert_eq!(run, Run::ok(&recorded(&format!("blockvolume info {BLOCK}"))), "{words}");
        assert_eq!(server.lines()[0], line);
    }
    let server = Server::of([Answer::accepted(), Answer::done()]).await;
    let run = cli(&server, &["blockvolume", "delete", BLOCK]).await;
    assert_eq!(run, Run::ok(&format!("Volume {BLOCK} deleted\n")));
    assert_eq!(server.lines()[0], format!("DELETE /blockvolumes/{BLOCK}"));
}

#[tokio::test]
async fn complaints() {
    for (words, text) in [
        ("blockvolume create", "Missing volume size"),
        ("blockvolume create --size=1 --ha=-1", "Invalid HA count"),
        ("blockvolume info", "Block volume id missing"),
        ("blockvolume delete", "Block volume id missing"),
        ("blockvolume expand ID", "Missing new size of the block volume"),
        ("blockvolume expand --new-size=1", "Block volume id missing"),
        ("volume set-block-hosting-restriction", "Restriction missing: locked or unlocked"),
        (
            "volume set-block-hosting-restriction open x",
            "Restriction \"open\" is neither locked nor unlocked",
        ),
        ("volume set-block-hosting-restriction locked", "Volume id missing"),
    ] {
        assert_eq!(run_error(words).await, format!("Error: {text}\n"), "{words}");
    }
}

#[tokio::test]
async fn restrictions() {
    let volume = recorded(&format!("--json volume info {VOLUME}"));
    for (word, sent) in [("locked", "locked"), ("unlocked", "")] {
        let end = Answer::see_other(&format!("/volumes/{VOLUME}"));
        let server = Server::of([Answer::accepted(), end, Answer::json(&volume)]).await;
        let run = cli(&server, &["volume", "set-block-hosting-restriction", word, VOLUME]).await;
        assert_eq!(run, Run::ok(&recorded(&format!("volume info {VOLUME}"))));
        let path = format!("/volumes/{VOLUME}/block-restriction");
        assert_eq!(server.lines()[0], format!(r#"POST {path} {{"restriction":"{sent}"}}"#));
    }
}

#[tokio::test]
async fn one_that_goes_while_listing_is_left_out() {
    let block = recorded(&format!("--json blockvolume info {BLOCK}"));
    let list = format!(r#"{{"blockvolumes":["844d9338c7b106e816610e19e4332dbe","{BLOCK}"]}}"#);
    let answers = [Answer::json(&list), Answer::not_found(), Answer::json(&block)];
    let run = cli(&Server::of(answers).await, &["blockvolume", "list"]).await;
    assert_eq!(run, Run::ok(&recorded("blockvolume list")));
}
