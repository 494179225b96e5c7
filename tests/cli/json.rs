//! `--json` on every command: what is an object comes as the server's JSON, in one line without a
//! line end; what is no object looks the same with and without, as scripts have it from Heketi.
use super::{
    Run, cli,
    scripted::{Answer, Request, Server},
    transcript,
};
use serde_json::{Value, json};

const VOLUME: &str = "bf69aeafa08d37faeca69586e6768dcc";
const NODE: &str = "2953d7607f9cf4632ca30cc9fd3fcb87";
const DEVICE: &str = "f98e0eab8c4af31b123beae78a2d746b";
const CLUSTER: &str = "47e220fccbd38b91612c671cb9dc056d";

fn object(words: &str) -> String {
    transcript(&format!("--json {words}")).stdout
}

/// The recorded cluster, with the volume that it did not have yet.
fn cluster() -> String {
    let mut cluster: Value =
        serde_json::from_str(&object(&format!("cluster info {CLUSTER}"))).unwrap();
    cluster["volumes"] = json!([VOLUME]);
    cluster.to_string()
}

/// A server that has one of everything, and whose operations lead to what they are about.
async fn server() -> Server {
    let volume = object(&format!("volume info {VOLUME}"));
    let node = object(&format!("node info {NODE}"));
    let device = object(&format!("device info {DEVICE}"));
    let cluster = cluster();
    let mut result = None;
    Server::start(move |request: &Request| {
        let path = request.path.as_str();
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let changes = request.method != "GET";
        match parts.as_slice() {
            ["queue", _] => match result.take() {
                Some(path) => Answer::see_other(path),
                None => Answer::done(),
            },
            ["volumes"] | ["volumes", _, "expand" | "clone"] if changes => {
                result = Some("/volumes/bf69aeafa08d37faeca69586e6768dcc");
                Answer::accepted()
            }
            ["nodes"] if changes => {
                result = Some("/nodes/2953d7607f9cf4632ca30cc9fd3fcb87");
                Answer::accepted()
            }
            ["clusters"] if changes => Answer::json(&cluster),
            ["clusters", _, "flags"] | ["clusters" | "nodes" | "devices", _, "tags"] => {
                Answer::new(200, "")
            }
            ["admin"] if changes => Answer::done(),
            _ if changes || path.ends_with("/resync") => Answer::accepted(),
            ["volumes"] => Answer::json(&json!({ "volumes": [VOLUME] }).to_string()),
            ["clusters"] => Answer::json(&json!({ "clusters": [CLUSTER] }).to_string()),
            ["volumes", _] => Answer::json(&volume),
            ["nodes", _] => Answer::json(&node),
            ["devices", _] => Answer::json(&device),
            ["clusters", _] => Answer::json(&cluster),
            ["admin"] => Answer::json(r#"{"state":"normal"}"#),
            ["operations"] => {
                Answer::json(r#"{"total":0,"in_flight":0,"stale":0,"failed":0,"new":0}"#)
            }
            _ => Answer::not_found(),
        }
    })
    .await
}

#[tokio::test]
async fn objects_are_printed_as_the_server_sends_them() {
    let volume = object(&format!("volume info {VOLUME}"));
    let node = object(&format!("node info {NODE}"));
    let cluster = cluster();
    let add = format!(
        "node add --zone=1 --cluster={CLUSTER} --management-host-name=a --storage-host-name=b"
    );
    let table = [
        ("cluster create".to_owned(), &cluster),
        (format!("cluster info {CLUSTER}"), &cluster),
        (add, &node),
        (format!("node info {NODE}"), &node),
        (format!("device info {DEVICE}"), &object(&format!("device info {DEVICE}"))),
        ("volume create --size=10".to_owned(), &volume),
        (format!("volume info {VOLUME}"), &volume),
        (format!("volume expand {VOLUME} --expand-size=1"), &volume),
        (format!("volume clone {VOLUME}"), &volume),
        ("cluster list".to_owned(), &json!({ "clusters": [CLUSTER] }).to_string()),
        ("volume list".to_owned(), &json!({ "volumes": [VOLUME] }).to_string()),
    ];
    let server = server().await;
    for (words, expected) in table {
        for words in [format!("--json {words}"), format!("{words} --json=true")] {
            let run = cli(&server, &words.split(' ').collect::<Vec<_>>()).await;
            assert_eq!(run, Run::ok(expected), "{words}");
        }
        let people = cli(&server, &words.split(' ').collect::<Vec<_>>()).await.out;
        assert!(people.ends_with('\n') && !people.starts_with('{'), "{words}: {people}");
    }
    let tree = cli(&server, &["--json", "topology", "info"]).await.out;
    let tree: Value = serde_json::from_str(&tree).unwrap();
    assert_eq!(tree["clusters"][0]["volumes"][0], serde_json::from_str::<Value>(&volume).unwrap());
}

#[tokio::test]
async fn the_rest_looks_the_same_with_and_without() {
    let table = [
        format!("cluster setflags --file=true {CLUSTER}"),
        format!("cluster delete {CLUSTER}"),
        "node list".to_owned(),
        format!("node enable {NODE}"),
        format!("node disable {NODE}"),
        format!("node remove {NODE}"),
        format!("node delete {NODE}"),
        format!("node settags {NODE} a:b"),
        format!("node rmtags {NODE} a"),
        format!("device add --name=/dev/sdb --node={NODE}"),
        format!("device enable {DEVICE}"),
        format!("device disable {DEVICE}"),
        format!("device remove {DEVICE}"),
        format!("device delete {DEVICE}"),
        format!("device resync {DEVICE}"),
        format!("device settags {DEVICE} a:b"),
        format!("device rmtags {DEVICE} a"),
        format!("volume delete {VOLUME}"),
        format!("volume endpoint patch {VOLUME}"),
        "server mode get".to_owned(),
        "server mode set normal".to_owned(),
        "server operations info".to_owned(),
        "server operations cleanup".to_owned(),
    ];
    let server = server().await;
    for words in table {
        let plain = cli(&server, &words.split(' ').collect::<Vec<_>>()).await;
        assert_eq!(plain.code, 0, "{words}: {}", plain.err);
        let words = format!("{words} --json");
        assert_eq!(cli(&server, &words.split(' ').collect::<Vec<_>>()).await, plain, "{words}");
    }
}
