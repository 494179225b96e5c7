//! `topology load` against a server that starts empty or half full.
use super::{
    Run, cli, data,
    scripted::{Answer, Request, Server},
    transcript,
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fmt::Write as _, io::Write};

const BUSY: &str = "Hostname edge2 already used by node with id 0\n\n";

/// Ids in the order in which the recorded load made its clusters and nodes.
fn recorded_ids() -> impl Iterator<Item = String> + Send {
    let out = transcript("topology load --json=topology.json").stdout;
    let ids = out.lines().filter_map(|l| l.split_once("ID: ").map(|(_, id)| id.to_owned()));
    ids.collect::<Vec<_>>().into_iter()
}

/// A small heketi: clusters and nodes, all operations done at the first poll.
struct Fake {
    clusters: Vec<Value>,
    nodes: Vec<Value>,
    ids: Box<dyn Iterator<Item = String> + Send>,
    /// What the polls of operations say, by their paths.
    outcomes: BTreeMap<String, Answer>,
    /// Manage names and devices that fail.
    broken: Vec<&'static str>,
}

impl Fake {
    fn new(ids: impl Iterator<Item = String> + Send + 'static, broken: &[&'static str]) -> Self {
        Self {
            clusters: vec![],
            nodes: vec![],
            ids: Box::new(ids),
            outcomes: BTreeMap::default(),
            broken: broken.to_vec(),
        }
    }
    async fn start(mut self) -> Server {
        Server::start(move |request| self.answer(request)).await
    }
    fn answer(&mut self, request: &Request) -> Answer {
        let body: Value = serde_json::from_str(&request.body).unwrap_or_default();
        let id = request.path.rsplit('/').next().unwrap();
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", path) if path.starts_with("/queue/") => self.outcomes[path].clone(),
            ("GET", "/clusters") => {
                let ids: Vec<&Value> = self.clusters.iter().map(|c| &c["id"]).collect();
                Answer::json(&json!({ "clusters": ids }).to_string())
            }
            ("GET", _) => {
                let mut all = self.clusters.iter().chain(&self.nodes);
                match all.find(|o| o["id"] == id) {
                    Some(object) => Answer::json(&object.to_string()),
                    None => Answer::not_found(),
                }
            }
            ("DELETE", _) => {
                self.clusters.retain(|c| c["id"] != id);
                Answer::new(200, "")
            }
            (_, "/clusters") if self.broken.contains(&"cluster") => Answer::new(503, "read only\n"),
            (_, "/clusters") => self.add_cluster(&body),
            (_, "/nodes") => self.add_node(&body),
            _ => self.add_device(&body),
        }
    }
    fn add_cluster(&mut self, flags: &Value) -> Answer {
        let cluster = json!({
            "id": self.ids.next().unwrap(), "nodes": [], "volumes": [],
            "block": flags["block"], "file": flags["file"], "blockvolumes": [],
        });
        self.clusters.push(cluster.clone());
        Answer::new(201, &cluster.to_string())
    }
    fn add_node(&mut self, wanted: &Value) -> Answer {
        if self.broken.iter().any(|b| wanted["hostnames"]["manage"][0] == *b) {
            return Answer::new(409, BUSY);
        }
        let id = self.ids.next().unwrap();
        let mut node = wanted.clone();
        node["id"] = id.clone().into();
        node["state"] = "online".into();
        node["devices"] = json!([]);
        let mut clusters = self.clusters.iter_mut();
        let cluster = clusters.find(|c| c["id"] == node["cluster"]).unwrap();
        cluster["nodes"].as_array_mut().unwrap().push(id.clone().into());
        self.nodes.push(node);
        self.accepted(Answer::see_other(&format!("/nodes/{id}")))
    }
    fn add_device(&mut self, wanted: &Value) -> Answer {
        let name = wanted["name"].as_str().unwrap();
        if self.broken.contains(&name) {
            return self.accepted(Answer::new(500, "Initializing device failed\n"));
        }
        let node = self.nodes.iter_mut().find(|n| n["id"] == wanted["node"]).unwrap();
        let devices = node["devices"].as_array_mut().unwrap();
        let id = format!("{:032x}", devices.len());
        devices.push(json!({
            "id": id, "name": name, "paths": [name, "/dev/alias"], "state": "online",
            "storage": {"total": 1, "free": 1, "used": 0}, "bricks": [],
            "tags": wanted["tags"],
        }));
        self.accepted(Answer::done())
    }
    /// An operation that ends like this at its first poll.
    fn accepted(&mut self, outcome: Answer) -> Answer {
        let path = format!("/queue/{:032x}", self.outcomes.len());
        self.outcomes.insert(path.clone(), outcome);
        Answer::new(202, "").with("Location", &path)
    }
}

async fn load(server: &Server, file: &str) -> Run {
    cli(server, &["topology", "load", &format!("--json={file}")]).await
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn node(host: &str, devices: &str) -> String {
    format!(
        r#"{{"node":{{"zone":1,"hostnames":{{"manage":["{host}"],"storage":["{host}"]}}}},"devices":[{devices}]}}"#
    )
}

fn some_ids() -> impl Iterator<Item = String> + Send {
    (1..).map(|n: u32| format!("{n:032x}"))
}

#[tokio::test]
async fn loading_twice_prints_what_heketi_cli_prints() {
    let server = Fake::new(recorded_ids(), &[]).start().await;
    let path = data("topology.json").display().to_string();
    let first = transcript("topology load --json=topology.json").stdout;
    assert_eq!(load(&server, &path).await, Run::ok(&first));
    let body = server.seen().into_iter().find(|r| r.path == "/devices").unwrap().body;
    assert!(body.ends_with(r#""tags":{"disktype":"ssd"}}"#), "{body}");

    let again = super::transcripts().into_iter().nth(12).unwrap().stdout;
    assert!(again.starts_with("\tFound node"));
    assert_eq!(load(&server, &path).await, Run::ok(&again));
    let posts = server.seen().iter().filter(|r| r.method == "POST").count();
    assert_eq!(posts, 2 + 7 + 12, "nothing is added twice");
}

#[tokio::test]
async fn failures_are_counted_and_do_not_stop_the_rest() {
    let server = Fake::new(some_ids(), &["edge2", "/dev/bad"]).start().await;
    let text = format!(
        r#"{{"clusters":[{{"nodes":[{},{},{}]}}]}}"#,
        node("edge1", r#""/dev/bad","/dev/vdb""#),
        node("edge2", r#""/dev/vdb","/dev/vdc""#),
        node("edge3", r#"{"NAME":"/dev/vdb","destroydata":true}"#),
    );
    let run = load(&server, &file(&text).path().display().to_string()).await;
    let mut out = String::new();
    let id = |n: u32| format!("{n:032x}");
    write!(
        out,
        "Creating cluster ... ID: {}\n\tAllowing file volumes on cluster.\n\
         \tAllowing block volumes on cluster.\n\tCreating node edge1 ... ID: {}\n\
         \t\tAdding device /dev/bad ... Unable to add device: Initializing device failed\n\
         \t\tAdding device /dev/vdb ... OK\n\
         \tCreating node edge2 ... Unable to create node: {}\n\
         \tCreating node edge3 ... ID: {}\n\t\tAdding device /dev/vdb ... OK\n",
        id(1),
        id(2),
        BUSY.trim(),
        id(3)
    )
    .unwrap();
    let err = "Error: not everything could be added, failed: 1 node, 3 devices\n".to_owned();
    assert_eq!(run, Run { code: 255, out, err });
    let last = server.seen().into_iter().rfind(|r| r.path == "/devices").unwrap().body;
    assert!(last.ends_with(r#""destroydata":true}"#), "{last}");
}

/// While a device of one node is set up, the next node is added, and its devices; and all of it is
/// told in the order of the file.
#[tokio::test]
async fn devices_of_different_nodes_are_set_up_side_by_side() {
    let mut fake = Fake::new(some_ids(), &[]);
    let (mut all_begun, mut polls) = (false, 0);
    let server = Server::start(move |request: &Request| {
        all_begun |= request.body.contains("/dev/vdz");
        polls += usize::from(request.path.starts_with("/queue/"));
        let answer = fake.answer(request);
        let is_first = request.path == format!("/queue/{:032x}", 1);
        // Were it waited for, it would never end.
        if is_first && !all_begun && polls < 100 { Answer::pending() } else { answer }
    })
    .await;
    let nodes = [node("a", r#""/dev/vdb""#), node("b", r#""/dev/vdb","/dev/vdz""#)].join(",");
    let text = format!(r#"{{"clusters":[{{"nodes":[{nodes}]}}]}}"#);
    let run = load(&server, &file(&text).path().display().to_string()).await;
    let added = "\t\tAdding device /dev/vdb ... OK\n";
    let expected = format!(
        "\tCreating node a ... ID: {:032x}\n{added}\tCreating node b ... ID: {:032x}\n{added}\
         \t\tAdding device /dev/vdz ... OK\n",
        2, 3
    );
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    assert!(run.out.ends_with(&expected), "{}", run.out);
    let posts: Vec<_> =
        server.lines().into_iter().filter(|line| line.starts_with("POST")).collect();
    let last_node = posts.iter().rposition(|line| line.contains("/nodes")).unwrap();
    let done = server.seen().iter().filter(|r| r.path == format!("/queue/{:032x}", 1)).count();
    assert!(last_node > 0 && done > 1 && done < 100, "{done}: {posts:#?}");
}

#[tokio::test]
async fn a_cluster_without_nodes_is_not_left_behind() {
    let server = Fake::new(some_ids(), &["a"]).start().await;
    let text = format!(r#"{{"clusters":[{{"nodes":[{}]}}]}}"#, node("a", ""));
    let run = load(&server, &file(&text).path().display().to_string()).await;
    assert_eq!(run.code, 255);
    assert!(run.err.starts_with(&format!("Deleted cluster {:032x}", 1)), "{}", run.err);
    assert!(run.err.ends_with("failed: 1 node\n"), "{}", run.err);
    assert_eq!(server.seen().last().unwrap().line(), format!("DELETE /clusters/{:032x}", 1));
}

#[tokio::test]
async fn a_section_without_its_cluster_fails_as_a_whole() {
    let server = Fake::new(some_ids(), &["cluster"]).start().await;
    let section = format!(r#"{{"nodes":[{},{}]}}"#, node("a", r#""/dev/x""#), node("b", ""));
    let text = format!(r#"{{"clusters":[{section}]}}"#);
    let run = load(&server, &file(&text).path().display().to_string()).await;
    assert_eq!(run.out, "Creating cluster ... Unable to create cluster: read only\n");
    assert!(run.err.ends_with("failed: 1 cluster, 2 nodes, 1 device\n"), "{}", run.err);
}

#[tokio::test]
async fn new_nodes_join_the_known_ones_whichever_come_first() {
    let server = Fake::new(some_ids(), &[]).start().await;
    let text = |nodes: &[String]| format!(r#"{{"clusters":[{{"nodes":[{}]}}]}}"#, nodes.join(","));
    let old = file(&text(&[node("old", r#""/dev/x""#)]));
    assert_eq!(load(&server, &old.path().display().to_string()).await.code, 0);
    let both = file(&text(&[node("new", ""), node("old", r#""/dev/alias""#)]));
    let run = load(&server, &both.path().display().to_string()).await;
    let expected = format!(
        "\tCreating node new ... ID: {:032x}\n\tFound node old on cluster {:032x}\n\
         \t\tFound device /dev/alias\n",
        3, 1
    );
    assert_eq!(run, Run::ok(&expected));
}

#[tokio::test]
async fn what_differs_from_the_file_is_mentioned() {
    let server = Fake::new(some_ids(), &[]).start().await;
    let text = format!(r#"{{"clusters":[{{"nodes":[{}]}}]}}"#, node("a", ""));
    assert_eq!(load(&server, &file(&text).path().display().to_string()).await.code, 0);
    let moved = text.replace("\"zone\":1", "\"zone\":2,\"tags\":{\"rack\":\"r1\"}");
    let run = load(&server, &file(&moved).path().display().to_string()).await;
    let expected = "Node a has another zone, tags than in the file; it is left as it is\n";
    assert_eq!((run.code, run.err.as_str()), (0, expected));
}

#[tokio::test]
async fn an_unreachable_topology() {
    let server = Server::start(|_| Answer::new(401, "Unknown user\n")).await;
    let path = data("topology.json").display().to_string();
    let error = Run::error("Unable to get topology information: Unknown user");
    assert_eq!(load(&server, &path).await, error);
}

#[tokio::test]
async fn nothing_to_load() {
    let server = Fake::new(some_ids(), &[]).start().await;
    let run = load(&server, &file("{}").path().display().to_string()).await;
    assert_eq!((run.code, run.out.as_str()), (0, ""));
    assert_eq!(run.err, "The file names no clusters, so there is nothing to load\n");
}
