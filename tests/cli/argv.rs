//! What each command asks of the server, and what it prints when the server does it.
use super::{
    Run, cli, run, run_error,
    scripted::{Answer, Server},
    transcript,
};

const ID: &str = "2953d7607f9cf4632ca30cc9fd3fcb87";

/// A command whose operation succeeds without a result: what was sent, what was printed.
async fn done(words: &str) -> (Vec<String>, Run) {
    let words: Vec<&str> = words.split(' ').collect();
    let server = Server::of([Answer::accepted(), Answer::pending(), Answer::done()]).await;
    let run = cli(&server, &words).await;
    let mut lines = server.lines();
    let polls = lines.split_off(1);
    assert!(polls.iter().all(|l| l == "GET /queue/0123456789abcdef0123456789abcdef"), "{polls:?}");
    (lines, run)
}

#[tokio::test]
async fn operations_without_a_result() {
    let table = [
        ("node delete", "DELETE /nodes/ID", "Node ID deleted\n"),
        (
            "node enable",
            r#"POST /nodes/ID/state {"state":"online","healcheck":""}"#,
            "Node ID is now online\n",
        ),
        (
            "node disable",
            r#"POST /nodes/ID/state {"state":"offline","healcheck":""}"#,
            "Node ID is now offline\n",
        ),
        (
            "node remove",
            r#"POST /nodes/ID/state {"state":"failed","healcheck":""}"#,
            "Node ID is now removed\n",
        ),
        (
            "device enable",
            r#"POST /devices/ID/state {"state":"online","healcheck":""}"#,
            "Device ID is now online\n",
        ),
        (
            "device disable",
            r#"POST /devices/ID/state {"state":"offline","healcheck":""}"#,
            "Device ID is now offline\n",
        ),
        (
            "device remove",
            r#"POST /devices/ID/state {"state":"failed","healcheck":""}"#,
            "Device ID is now removed\n",
        ),
        ("device delete", r#"DELETE /devices/ID {"forceforget":false}"#, "Device ID deleted\n"),
        (
            "device delete --force-forget",
            r#"DELETE /devices/ID {"forceforget":true}"#,
            "Device ID deleted\n",
        ),
        ("brick evict", r#"POST /bricks/to-evict/ID {"healcheck":""}"#, "Brick ID evicted\n"),
        ("device resync", "GET /devices/ID/resync", "Device ID updated\n"),
        ("volume delete", "DELETE /volumes/ID", "Volume ID deleted\n"),
    ];
    for (words, request, printed) in table {
        let (sent, run) = done(&format!("{words} {ID}")).await;
        assert_eq!(sent, [request.replace("ID", ID)], "{words}");
        assert_eq!(run, Run::ok(&printed.replace("ID", ID)), "{words}");
    }
}

#[tokio::test]
async fn a_removal_without_heal_check_warns_first() {
    let words = format!("device remove --expert-option-disable-heal-check {ID}");
    let (sent, run) = done(&words).await;
    assert!(sent[0].ends_with(r#"{"state":"failed","healcheck":"disable"}"#), "{sent:?}");
    let lines: Vec<&str> = run.out.lines().collect();
    assert_eq!((lines.len(), run.code), (3, 0));
    assert_eq!(lines[2], format!("Device {ID} is now removed"));

    let words = format!("brick evict {ID} --expert-option-disable-heal-check");
    let (sent, run) = done(&words).await;
    assert_eq!(sent, [format!(r#"POST /bricks/to-evict/{ID} {{"healcheck":"disable"}}"#)]);
    let lines: Vec<&str> = run.out.lines().collect();
    assert_eq!((lines.len(), run.code), (3, 0));
    assert_eq!(lines[2], format!("Brick {ID} evicted"));
}

#[tokio::test]
async fn one_brick_at_a_time() {
    let text = "Error: Too many arguments provided\n";
    assert_eq!(run_error("brick evict abc def").await, text);
    assert_eq!(run_error("brick evict").await, "Error: Brick id missing\n");
    // As recorded from heketi-cli.
    let recorded = transcript("brick evict abc");
    let server = Server::start(|_| Answer::not_found()).await;
    let run = cli(&server, &["brick", "evict", "abc"]).await;
    assert_eq!((run.code, run.err), (recorded.exit, recorded.stderr));
}

#[tokio::test]
async fn adding_a_device() {
    let (sent, run) = done(&format!("device add --name=/dev/sdz --node={ID}")).await;
    assert_eq!(sent, [format!(r#"POST /devices {{"node":"{ID}","name":"/dev/sdz"}}"#)]);
    assert_eq!(run, Run::ok("Device added successfully\n"));
    let (sent, _) =
        done(&format!("device add --name /dev/sdz --destroy-existing-data --node {ID}")).await;
    assert!(sent[0].ends_with(r#""destroydata":true}"#), "{sent:?}");
    assert_eq!(run_error("device add --name=/dev/x").await, "Error: Missing node id\n");
}

#[tokio::test]
async fn adding_a_node() {
    let recorded = transcript(
        "node add --zone=1 --cluster=dbcc74b1899b25573fde0d915bd00f5f \
         --management-host-name=new1 --storage-host-name=10.20.9.1",
    );
    let node = r#"{"zone":1,"hostnames":{"manage":["new1"],"storage":["10.20.9.1"]},"cluster":"dbcc74b1899b25573fde0d915bd00f5f","id":"08a826a051011b82098743635ecab6be","state":"online","devices":[]}"#;
    for json in [false, true] {
        let path = "/nodes/08a826a051011b82098743635ecab6be";
        let server =
            Server::of([Answer::accepted(), Answer::see_other(path), Answer::json(node)]).await;
        let mut words: Vec<&str> = recorded.argv[1..].iter().map(String::as_str).collect();
        if json {
            words.push("--json");
        }
        let run = cli(&server, &words).await;
        assert_eq!(run, Run::ok(if json { node } else { &recorded.stdout }));
        assert_eq!(
            server.lines(),
            [
                r#"POST /nodes {"zone":1,"hostnames":{"manage":["new1"],"storage":["10.20.9.1"]},"cluster":"dbcc74b1899b25573fde0d915bd00f5f"}"#,
                "GET /queue/0123456789abcdef0123456789abcdef",
                "GET /nodes/08a826a051011b82098743635ecab6be",
            ]
        );
    }
    let table = [
        ("node add", "Missing zone"),
        ("node add --zone=1", "Missing management hostname"),
        ("node add --zone=1 --management-host-name=a", "Missing storage hostname"),
        ("node add --zone=1 --management-host-name=a --storage-host-name=b", "Missing cluster id"),
    ];
    for (words, error) in table {
        assert_eq!(run_error(words).await, format!("Error: {error}\n"));
    }
}

#[tokio::test]
async fn clusters_are_made_flagged_and_deleted() {
    let made = r#"{"id":"356dc845340d35bea394472dc08e4cea","nodes":[],"volumes":[],"block":false,"file":true,"blockvolumes":[]}"#;
    let server = Server::start(|_| Answer::json(made)).await;
    let run = cli(&server, &["cluster", "create", "--block=false"]).await;
    assert_eq!(run, Run::ok("Cluster id: 356dc845340d35bea394472dc08e4cea\n"));
    assert_eq!(cli(&server, &["cluster", "create", "--json"]).await, Run::ok(made));
    let id = "356dc845340d35bea394472dc08e4cea";
    assert_eq!(cli(&server, &["cluster", "setflags", id, "--block=true"]).await, Run::ok(""));
    assert_eq!(cli(&server, &["cluster", "setflags", "--file", "0", id]).await, Run::ok(""));
    let run = cli(&server, &["cluster", "delete", id]).await;
    assert_eq!(run, Run::ok(&format!("Cluster {id} deleted\n")));
    assert_eq!(
        server.lines(),
        [
            r#"POST /clusters {"block":false,"file":true}"#.to_owned(),
            r#"POST /clusters {"block":true,"file":true}"#.to_owned(),
            format!("GET /clusters/{id}"),
            format!(r#"POST /clusters/{id}/flags {{"block":true,"file":true}}"#),
            format!("GET /clusters/{id}"),
            format!(r#"POST /clusters/{id}/flags {{"block":false,"file":false}}"#),
            format!("DELETE /clusters/{id}"),
        ]
    );
    let none = "At least one of --file or --block must be specified.";
    assert_eq!(cli(&server, &["cluster", "setflags", id]).await, Run::error(none));
    assert_eq!(run_error("cluster delete").await, "Error: Cluster id missing\n");
}

#[tokio::test]
async fn tags() {
    let table = [
        ("settags ID rack:r9 a:b:c", r#"{"change_type":"update","tags":{"a":"b:c","rack":"r9"}}"#),
        ("settags --exact ID x:", r#"{"change_type":"set","tags":{"x":""}}"#),
        ("settags -e ID x:y", r#"{"change_type":"set","tags":{"x":"y"}}"#),
        ("rmtags ID rack x", r#"{"change_type":"delete","tags":{"rack":"","x":""}}"#),
        ("deltags --all ID", r#"{"change_type":"set","tags":{}}"#),
        ("removetags ID a", r#"{"change_type":"delete","tags":{"a":""}}"#),
    ];
    for (words, body) in table {
        for kind in ["node", "device"] {
            let server = Server::start(|_| Answer::json("{}")).await;
            let words = format!("{kind} {words}").replace("ID", ID);
            assert_eq!(cli(&server, &words.split(' ').collect::<Vec<_>>()).await, Run::ok(""));
            assert_eq!(server.lines(), [format!("POST /{kind}s/{ID}/tags {body}")]);
        }
    }
    let errors = [
        ("node settags", "id required"),
        ("node settags abc", "at least one tag:value pair expected"),
        ("node settags abc x", "expected colon (:) between tag name and value, got: x"),
        ("device rmtags", "id required"),
        ("device rmtags abc", "at least one tag expected"),
        ("device rmtags --all abc x", "--all may not be combined with named tags"),
    ];
    for (words, error) in errors {
        assert_eq!(run_error(words).await, format!("Error: {error}\n"));
    }
}

#[tokio::test]
async fn looking_after_the_server() {
    let server = Server::start(|request| match request.path.as_str() {
        "/operations/pending/cleanup" => Answer::accepted(),
        "/admin" => Answer::done(),
        "/db/dump" => Answer::new(200, "{\n    \"100%d\": \"<&>\"\n}\n"),
        "/db/check" => Answer::new(503, "Service disabled for maintenance\n"),
        path if path.starts_with("/queue/") => Answer::done(),
        _ => Answer::json(r#"{"loglevel":{"glusterfs":"info"}}"#),
    })
    .await;
    let quiet = Run::ok("");
    assert_eq!(cli(&server, &["server", "mode", "set", "read-only"]).await, quiet);
    let run = cli(&server, &["loglevel", "set", "info"]).await;
    assert_eq!(run, Run::ok("Server log level updated\n"));
    let run = cli(&server, &["db", "dump"]).await;
    assert_eq!(run, Run::ok("{\n    \"100%d\": \"<&>\"\n}\n"));
    let run = cli(&server, &["db", "check"]).await;
    assert_eq!(run, Run::error("Service disabled for maintenance"));
    let run = cli(&server, &["server", "operations", "cleanup", "0a", "0b"]).await;
    assert_eq!((run.code, run.out.as_str(), run.err.lines().count()), (0, "", 3));
    cli(&server, &["server", "operations", "cleanup"]).await;
    let lines = server.lines();
    assert_eq!(lines[0], r#"POST /admin {"state":"read-only"}"#);
    assert_eq!(lines[1], r#"POST /internal/logging {"loglevel":{"glusterfs":"info"}}"#);
    assert_eq!(lines[4], r#"POST /operations/pending/cleanup {"operations":["0a","0b"]}"#);
    assert_eq!(lines[6], "POST /operations/pending/cleanup {}");
    for (words, error) in [
        ("server mode set", "missing mode argument"),
        ("server mode set a b", "too many arguments"),
        ("loglevel set", "missing log-level argument"),
        ("loglevel set a b", "too many arguments"),
    ] {
        assert_eq!(run_error(words).await, format!("Error: {error}\n"));
    }
}

#[tokio::test]
async fn a_cluster_wide_resync_tells_of_failures() {
    let tree: serde_json::Value =
        serde_json::from_str(&transcript("--json topology info").stdout).unwrap();
    let cluster = tree["clusters"][0]["id"].as_str().unwrap().to_owned();
    let nodes = tree["clusters"][0]["nodes"].as_array().unwrap().clone();
    let info = transcript(&format!("--json cluster info {cluster}")).stdout;
    let mut polls = 0;
    let server = Server::start(move |request| match request.path.as_str() {
        path if path.ends_with("/resync") => Answer::accepted(),
        path if path.starts_with("/clusters/") => Answer::json(&info),
        path if path.starts_with("/queue/") => {
            polls += 1;
            if polls == 2 { Answer::new(500, "no such disk\n") } else { Answer::done() }
        }
        path => match nodes.iter().find(|n| path.ends_with(n["id"].as_str().unwrap())) {
            Some(node) => Answer::json(&node.to_string()),
            None => Answer::not_found(),
        },
    })
    .await;
    let run = cli(&server, &["device", "resync", &cluster, "--cluster"]).await;
    assert_eq!(run.code, 255);
    let lines: Vec<&str> = run.out.lines().collect();
    assert_eq!(lines.len(), 1 + 3 + 2, "{lines:#?}");
    assert_eq!(lines[1], "Now resyncing device f98e0eab8c4af31b123beae78a2d746b..");
    assert_eq!(
        lines[2],
        format!("Device f98e0eab8c4af31b123beae78a2d746b (node {ID}) in cluster {cluster} updated")
    );
    assert!(run.err.contains("667ad6fa1870b5ce43c797bdeb014395: no such disk"), "{}", run.err);
}

#[tokio::test]
async fn ids_cannot_lead_elsewhere_and_extra_ones_are_mentioned() {
    for bad in ["../clusters", "a/b", "%2e%2e", "x?y", "ä"] {
        let run = run(&["volume", "delete", bad]).await;
        assert_eq!(run.err, format!("Error: not an id: {bad:?}\n"));
    }
    assert_eq!(run_error("volume info ").await, "Error: Volume id missing\n");
    let server = Server::start(|_| Answer::done()).await;
    let run = cli(&server, &["volume", "delete", "a", "b", "c"]).await;
    assert_eq!(run.out, "Volume a deleted\n");
    assert_eq!(run.err, "Ignored, one at a time: b c\n");
}

/// What the server answers is printed as it is, also with --json; and all of it is in the help.
#[tokio::test]
async fn looking_into_database_and_nodes() {
    let table = [
        ("db dump", "GET /db/dump", "db", "dump"),
        ("db check", "GET /db/check", "db", "check"),
        (
            "server state examine gluster",
            "GET /internal/state/examine/gluster",
            "server state examine",
            "gluster",
        ),
    ];
    let text =
        "{\n    \"report\": [\n        \"100%d \\u003c\"\n    ],\n    \"clusters\": null\n}\n";
    for (words, asked, group, command) in table {
        let server = Server::start(move |_| Answer::new(200, text)).await;
        let words: Vec<&str> = words.split(' ').collect();
        assert_eq!(cli(&server, &words).await, Run::ok(text));
        assert_eq!(cli(&server, &[&["--json"], words.as_slice()].concat()).await, Run::ok(text));
        assert_eq!(server.lines(), [asked, asked]);
        let help = run(&[group.split(' ').collect::<Vec<_>>(), vec!["--help"]].concat()).await;
        assert!(help.out.contains(&format!("  {command} ")), "{}", help.out);
    }
    let all = run(&["--help"]).await.out;
    assert!(all.contains("\n  db "), "{all}");
    let refused = Server::start(|_| Answer::new(401, "Administrator access required\n")).await;
    let told = cli(&refused, &["server", "state", "examine", "gluster"]).await;
    assert_eq!(told, Run::error("Administrator access required"));
}
