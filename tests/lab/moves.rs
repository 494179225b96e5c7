//! Bricks move between real nodes while their volume is written to: a device is removed, a brick of a
//! dispersed volume leaves, and a node that is dead for good is replaced by a fresh machine of its
//! name.
//!
//! Run by `tests/lab/moves`, which boots the nodes.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    unreachable_pub,
    reason = "a run that cannot go on fails, and what it prints is its report"
)]
#[path = "scenario/client.rs"]
mod client;
#[path = "scenario/cluster.rs"]
#[expect(dead_code, reason = "the other runs have three nodes")]
mod cluster;
#[path = "scenario/compare.rs"]
mod compare;
#[path = "scenario/database.rs"]
#[expect(dead_code, reason = "the other runs ask for more")]
mod database;
#[path = "scenario/heal.rs"]
mod heal;
#[path = "scenario/node.rs"]
mod node;
#[path = "../operations/rest.rs"]
mod rest;
#[path = "scenario/server.rs"]
#[expect(dead_code, reason = "the other runs kill it")]
mod server;

use client::Client;
use cluster::{devices, dissolve, index_of, leftovers};
use compare::differences;
use heal::whole;
use node::{Node, sh};
use serde_json::{Value, json};
use server::Server;
use std::time::Instant;
use tokio::runtime::Runtime;

/// One more than a set has bricks: there is room for whoever leaves.
const NODES: [u8; 4] = [1, 2, 3, 4];
/// Writes and reads all the time, and is never removed.
const CLIENT: Node = Node(1);
/// Where it asks for the volume when its own node does not answer.
const BACKUPS: [Node; 2] = [Node(2), Node(4)];

fn main() {
    let user = std::env::args().nth(1).unwrap_or_else(|| "root".into());
    let started = Instant::now();
    Moves::new(&user).lead();
    say(&format!("all of it: {} s", started.elapsed().as_secs()));
}

fn say(text: &str) {
    println!("moves: {text}");
}

struct Moves {
    server: Server,
    nodes: Vec<Node>,
    runtime: Runtime,
}

impl Moves {
    fn new(user: &str) -> Self {
        assert_eq!(leftovers(&[]), "", "the nodes are not clean to begin with");
        // The fresh machine has another host key under the old name.
        let server = Server::start(user, |config| {
            config["glusterfs"]["sshexec"]["host_keys"] = "accept-any".into();
        });
        Self { server, nodes: NODES.map(Node).to_vec(), runtime: Runtime::new().unwrap() }
    }

    fn lead(self) {
        let topology = self.server.write("topology.json", &topology());
        self.server.cli(&["topology", "load", "--json", &topology]);
        let create = ["volume", "create", "--size=2"];
        let replicated = [&create[..], &["--replica=3", "--name=rep"]].concat();
        let replicated = id(&self.server.json(&replicated));
        let kind = ["--durability=disperse", "--disperse-data=2", "--redundancy=1", "--name=dis"];
        let dispersed = id(&self.server.json(&[&create[..], &kind].concat()));
        let clients = ["rep", "dis"].map(|volume| Client::start(CLIENT, volume, &BACKUPS));

        self.remove_a_device(&replicated);
        check(&clients);
        self.evict(&dispersed);
        check(&clients);
        self.replace_a_dead_node();
        check(&clients);

        check(&clients);
        clients.into_iter().for_each(Client::end);
        for volume in [&replicated, &dispersed] {
            self.server.cli(&["volume", "delete", volume]);
        }
        self.agrees();
        dissolve(&self.server, &self.nodes);
        assert_eq!(leftovers(&[]), "", "the cluster left something");
        self.server.end();
    }

    /// A device with a brick of the volume, on a node that goes on living.
    fn remove_a_device(&self, volume: &str) {
        let started = Instant::now();
        let bricks = self.bricks(volume);
        let brick = bricks.iter().find(|brick| self.node_of(brick).0 != CLIENT.0).unwrap();
        let device = brick["device"].as_str().unwrap();
        self.server.cli(&["device", "disable", device]);
        self.server.cli(&["device", "remove", device]);
        let info = self.server.json(&["device", "info", device]);
        assert_eq!((&info["state"], &info["bricks"]), (&json!("failed"), &json!([])));
        assert_eq!(info["storage"]["used"], 0);
        say(&format!("device removed: {} s", started.elapsed().as_secs()));
        whole(CLIENT, &["rep", "dis"]);
        // It can come back.
        self.server.cli(&["device", "disable", device]);
        self.server.cli(&["device", "enable", device]);
        self.agrees();
    }

    fn evict(&self, volume: &str) {
        let started = Instant::now();
        let brick = id(&self.bricks(volume)[0]);
        self.server.cli(&["brick", "evict", &brick]);
        assert!(self.bricks(volume).iter().all(|now| id(now) != brick));
        say(&format!("brick evicted: {} s", started.elapsed().as_secs()));
        whole(CLIENT, &["rep", "dis"]);
        self.agrees();
    }

    fn replace_a_dead_node(&self) {
        let topology = self.server.json(&["topology", "info"]);
        let cluster = topology["clusters"][0]["id"].as_str().unwrap();
        let of_cluster = topology["clusters"][0]["nodes"].as_array().unwrap();
        let of = |node: &Value| self.nodes[index_of(&self.nodes, node)];
        let bricks = |node: &&Value| -> usize {
            let devices = node["devices"].as_array().unwrap();
            devices.iter().map(|device| device["bricks"].as_array().unwrap().len()).sum()
        };
        // Where most is to be moved.
        let mortal = of_cluster.iter().filter(|node| of(node).0 != CLIENT.0);
        let dead = mortal.max_by_key(bricks).unwrap();
        say(&format!("node {} dies with {} bricks", of(dead).0, bricks(&dead)));
        assert_ne!(bricks(&dead), 0);
        let (dead_node, node) = (of(dead), dead["id"].as_str().unwrap());
        let number = dead_node.0.to_string();

        sh(&["nodes", "kill", &number]);
        let started = Instant::now();
        self.server.cli(&["node", "disable", node]);
        self.server.cli(&["node", "remove", node]);
        say(&format!("dead node removed: {} s", started.elapsed().as_secs()));
        for volume in ["rep", "dis"] {
            let info = CLIENT.run(&format!("gluster --mode=script volume info {volume}"));
            assert!(!info.contains(&storage(dead_node.0)), "{info}");
        }
        for device in dead["devices"].as_array().unwrap() {
            let device = device["id"].as_str().unwrap();
            self.server.cli(&["device", "delete", device, "--force-forget"]);
        }
        self.server.cli(&["node", "delete", node]);
        let pool = CLIENT.run("gluster --mode=script pool list");
        assert!(!pool.contains(&storage(dead_node.0)), "{pool}");

        sh(&["nodes", "renew", &number]);
        let (manage, storage) = (dead_node.manage(), storage(dead_node.0));
        let added = self.server.json(&[
            "node",
            "add",
            &format!("--zone={number}"),
            &format!("--cluster={cluster}"),
            &format!("--management-host-name={manage}"),
            &format!("--storage-host-name={storage}"),
        ]);
        let node = format!("--node={}", id(&added));
        for disk in ["/dev/vdb", "/dev/vdc"] {
            self.server.cli(&["device", "add", &format!("--name={disk}"), &node]);
        }
        say(&format!("a fresh node in its place: {} s", started.elapsed().as_secs()));
        whole(CLIENT, &["rep", "dis"]);
        self.agrees();
    }

    fn bricks(&self, volume: &str) -> Vec<Value> {
        let info = self.server.json(&["volume", "info", volume]);
        info["bricks"].as_array().unwrap().clone()
    }
    fn node_of(&self, brick: &Value) -> Node {
        let holds = |(_, device): &&(usize, Value)| device["id"] == brick["device"];
        let all = devices(&self.server, &self.nodes);
        self.nodes[all.iter().find(holds).unwrap().0]
    }
    /// Every KiB and every name is the same in the database and on the nodes.
    fn agrees(&self) {
        let found = differences(&self.server.database(self.runtime.handle()), &self.nodes);
        assert_eq!(found, [""; 0], "the nodes and the database differ");
    }
}

fn check(clients: &[Client]) {
    for client in clients {
        let (volume, files) = (&client.volume, client.check());
        say(&format!("{volume}: {files} files, all as they were written"));
    }
}

fn id(object: &Value) -> String {
    object["id"].as_str().unwrap().to_owned()
}
fn storage(node: u8) -> String {
    format!("192.168.77.1{node}")
}

/// All nodes, each in its own zone, with both disks.
fn topology() -> String {
    let node = |n: &u8| {
        let hostnames = json!({"manage": [Node(*n).manage()], "storage": [storage(*n)]});
        json!({"node": {"zone": n, "hostnames": hostnames}, "devices": ["/dev/vdb", "/dev/vdc"]})
    };
    let nodes: Vec<Value> = NODES.iter().map(node).collect();
    json!({"clusters": [{"nodes": nodes}]}).to_string()
}
