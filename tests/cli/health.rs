//! `node health`, and that what a server tells beyond Heketi changes no other output.
use super::{
    Run, cli,
    scripted::{Answer, Server},
};
use serde_json::{Value, json};

const CLUSTER: &str = "00000000000000000000000000000001";

fn node(n: usize, health: Option<Value>) -> Value {
    let hostnames = json!({"manage": [format!("n{n}")], "storage": [format!("10.0.0.{n}")]});
    let mut node = json!({"zone": 1, "hostnames": hostnames, "cluster": CLUSTER,
        "id": format!("{:032x}", n + 16), "state": "online", "devices": []});
    if let Some(health) = health {
        node["health"] = health;
    }
    node
}

fn nodes() -> [Value; 3] {
    let well =
        json!({"state": "well", "since": "2026-01-01T00:00:00Z", "seen": "2026-01-02T00:00:00Z"});
    let mut unwell = well.clone();
    unwell["state"] = "unwell".into();
    unwell["why"] = "no route to host".into();
    [node(1, Some(well)), node(2, Some(unwell)), node(3, None)]
}

async fn server() -> Server {
    Server::start(|request| {
        let path = request.path.as_str();
        let cluster = json!({"id": CLUSTER, "nodes": nodes().map(|n| n["id"].clone()), "volumes": [],
            "block": true, "file": true, "blockvolumes": []});
        let found = match path {
            "/clusters" => Some(json!({"clusters": [CLUSTER]})),
            _ if path == format!("/clusters/{CLUSTER}") => Some(cluster),
            _ => nodes().into_iter().find(|n| path == format!("/nodes/{}", n["id"].as_str().unwrap())),
        };
        Answer::json(&found.unwrap().to_string())
    })
    .await
}

#[tokio::test]
async fn a_line_for_each_node() {
    let server = server().await;
    let line = |n: usize, rest: &str| {
        format!("Id:{:032x}  Cluster:{CLUSTER}  Host:n{n}  State:online  Health:{rest}\n", n + 16)
    };
    let second = line(2, "unwell since 2026-01-01T00:00:00Z: no route to host");
    let all = line(1, "well since 2026-01-01T00:00:00Z") + &second + &line(3, "not told");
    assert_eq!(cli(&server, &["node", "health"]).await, Run::ok(&all));
    let id = format!("{:032x}", 18);
    assert_eq!(cli(&server, &["node", "health", &id]).await, Run::ok(&second));
    let json = cli(&server, &["--json", "node", "health", &id]).await;
    let expected = format!(
        "[{{\"id\":\"{id}\",\"cluster\":\"{CLUSTER}\",\"hostname\":\"n2\",\"state\":\"online\",\"health\":\
         {{\"state\":\"unwell\",\"since\":\"2026-01-01T00:00:00Z\",\"seen\":\"2026-01-02T00:00:00Z\",\
         \"why\":\"no route to host\"}}}}]"
    );
    assert_eq!(json, Run::ok(&expected));
}

#[tokio::test]
async fn what_heketi_prints_stays_as_it_is() {
    let server = server().await;
    let [told, _, _] = nodes();
    let id = told["id"].as_str().unwrap();
    let info = cli(&server, &["--json", "node", "info", id]).await;
    assert_eq!(info, Run::ok(&node(1, None).to_string()));
    for words in [&["node", "info", id][..], &["topology", "info"], &["--json", "topology", "info"]]
    {
        let run = cli(&server, words).await;
        assert_eq!(run.code, 0, "{}", run.err);
        assert!(!run.out.to_lowercase().contains("health"), "{}", run.out);
    }
}
