//! Two clusters of nodes, so that there are two pools of gluster.
use crate::http::Client;
use serde_json::{Value, json};
use std::time::Duration;

/// Nodes and devices a node of each cluster: the first has room for disperse 4+2.
const CLUSTERS: [(usize, usize); 2] = [(6, 2), (3, 3)];
/// The least nodes that a volume may find online keep their state.
pub const ZONES: usize = 3;

pub struct Topology {
    pub clusters: Vec<Cluster>,
}

pub struct Cluster {
    pub id: String,
    pub nodes: Vec<Node>,
}

pub struct Node {
    pub id: String,
    pub host: String,
    /// Ids of the devices that it begins with.
    pub devices: Vec<String>,
}

impl Topology {
    /// Makes it; nothing goes wrong yet.
    pub async fn load(client: &Client) -> Self {
        let mut clusters = vec![];
        for (c, (nodes, devices)) in CLUSTERS.into_iter().enumerate() {
            let body = json!({"file": true, "block": true});
            let made = client.send("POST", "/clusters", Some(&body));
            let id = text(&made.await.unwrap().json().unwrap(), "id");
            let mut cluster = Cluster { id, nodes: vec![] };
            for n in 0..nodes {
                let node = Self::node(client, &cluster.id, c, n, devices).await;
                cluster.nodes.push(node);
            }
            clusters.push(cluster);
        }
        Self { clusters }
    }
    async fn node(client: &Client, cluster: &str, c: usize, n: usize, devices: usize) -> Node {
        let host = format!("c{c}-n{n}.example.com");
        // The comparison with the database knows the first node of each pool by this address.
        let names = json!({"manage": [host], "storage": [format!("10.0.{c}.{}", n + 1)]});
        let body = json!({"zone": n % ZONES + 1, "cluster": cluster, "hostnames": names});
        let location = finish(client, "/nodes", &body).await.expect("a node has a location");
        let id = location.trim_start_matches("/nodes/").to_owned();
        for d in 0..devices {
            let body = json!({"node": id, "name": format!("/dev/disk{d}")});
            finish(client, "/devices", &body).await;
        }
        let shown = client.get(&location).await.unwrap().json().unwrap();
        let devices = shown["devices"].as_array().unwrap().iter().map(|d| text(d, "id")).collect();
        Node { id, host, devices }
    }
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.clusters.iter().flat_map(|cluster| &cluster.nodes)
    }
    pub fn devices(&self) -> Vec<String> {
        self.nodes().flat_map(|node| node.devices.clone()).collect()
    }
    pub fn hosts(&self) -> Vec<String> {
        self.nodes().map(|node| node.host.clone()).collect()
    }
}

pub fn text(object: &Value, key: &str) -> String {
    object[key].as_str().unwrap_or_default().to_owned()
}

/// Posts and waits for the end, which must be good; where the result is.
async fn finish(client: &Client, path: &str, body: &Value) -> Option<String> {
    let accepted = client.send("POST", path, Some(body)).await.unwrap();
    let queue = accepted.header("location").expect(&accepted.body).to_owned();
    loop {
        let answer = client.get(&queue).await.unwrap();
        match answer.status {
            200 => tokio::time::sleep(Duration::from_millis(5)).await,
            303 | 204 => return answer.header("location").map(str::to_owned),
            status => panic!("{path}: {status} {}", answer.body),
        }
    }
}
