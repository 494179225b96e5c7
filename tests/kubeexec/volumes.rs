//! The life of a cluster whose gluster runs in pods: the whole server, shells, and the simulator
//! behind them.
use super::cluster::{Cluster, Trouble, pod};
use crate::harness::{Start, TestApp};
use brickyard::node::kube::Lookup;
use serde_json::{Value, json};
use std::sync::Arc;

const HOSTS: [&str; 3] = ["n0.example.com", "n1.example.com", "n2.example.com"];

fn three_bricks() -> Value {
    json!({"size": 5, "durability": {"type": "replicate", "replicate": {"replica": 3}}})
}

struct Site {
    cluster: Cluster,
    app: TestApp,
}

impl Site {
    /// Three nodes with a device each.
    async fn start() -> Self {
        let cluster = Cluster::with_pods(&HOSTS).await;
        let kube = Arc::new(cluster.kube(Lookup::Label).await);
        let folder = tempfile::tempdir().unwrap();
        let app = TestApp::start_over(kube, cluster.sim(), folder, Start::default()).await;
        Self { cluster, app: app.with_nodes(3, 1).await }
    }
    /// Volumes of the database, and of gluster.
    async fn volumes(&self) -> (usize, usize) {
        let known = self.app.client.get("/volumes").await.json();
        let made = self.app.sim.world().volumes.len();
        (known["volumes"].as_array().unwrap().len(), made)
    }
    /// Nothing is left on any node of what is not known.
    async fn agrees(&self, volumes: usize) {
        assert_eq!(self.volumes().await, (volumes, volumes));
        for host in HOSTS {
            let bricks = self.app.sim.world().nodes[host].mounts.len();
            assert_eq!(bricks, volumes, "{host}");
        }
    }
    async fn clean_up(&self) {
        let answer = self.app.client.post("/operations/pending/cleanup", json!({})).await;
        assert_eq!(self.app.client.finish(answer).await.status, 204);
    }
    async fn at_rest(&self) {
        let rest = async {
            while self.app.client.get("/operations").await.json()["total"] != 0 {
                self.clean_up().await;
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        let limit = std::time::Duration::from_mins(1);
        tokio::time::timeout(limit, rest).await.expect("it never came to rest");
    }
}

#[tokio::test]
async fn a_volume_is_made_and_deleted() {
    let site = Site::start().await;
    let volume = site.app.create_volume(three_bricks());
    let volume = volume.await;
    assert_eq!(volume["bricks"].as_array().map(Vec::len), Some(3));
    site.agrees(1).await;
    let path = format!("/volumes/{}", volume["id"].as_str().unwrap());
    let deleted = site.app.client.finish(site.app.client.delete(&path).await).await;
    assert_eq!(deleted.status, 204, "{}", deleted.text());
    site.agrees(0).await;
    // The words of a node come through, whichever way they took.
    let vanished = HOSTS[1];
    site.app.sim.world().no_glusterd.insert(vanished.into());
    let body = json!({"cluster": volume["cluster"], "zone": 9,
        "hostnames": {"manage": [vanished], "storage": ["10.0.0.9"]}});
    let refused = site.app.client.finish(site.app.client.post("/nodes", body).await).await;
    assert_ne!(refused.status, 200, "{}", refused.text());
}

/// The connection breaks while a script is at work. Whatever was decided, database and nodes agree.
#[tokio::test]
async fn doubts_are_settled() {
    let site = Site::start().await;
    for words in ["mkfs.xfs", "volume create"] {
        let body = three_bricks();
        site.cluster.trouble([Trouble::CutAfter(words)]);
        let made = site.app.try_create(body).await;
        assert!(site.cluster.scene().troubles.is_empty(), "{words} was met");
        site.at_rest().await;
        let volumes = usize::from(made.status == 200);
        site.agrees(volumes).await;
        for volume in site.app.client.get("/volumes").await.json()["volumes"].as_array().unwrap() {
            let path = format!("/volumes/{}", volume.as_str().unwrap());
            site.cluster.trouble([Trouble::CutAfter("volume stop")]);
            let answer = site.app.client.finish(site.app.client.delete(&path).await).await;
            assert!(site.cluster.scene().troubles.is_empty());
            assert!([204, 500].contains(&answer.status), "{}", answer.text());
        }
        site.at_rest().await;
        site.agrees(0).await;
    }
}

/// The pods of a node go: it is unwell, its volumes wait, and all goes on when there is a new pod.
#[tokio::test]
async fn a_node_without_a_pod_is_unwell() {
    let site = Site::start().await;
    let volume = site.app.create_volume(three_bricks());
    let path = format!("/volumes/{}", volume.await["id"].as_str().unwrap());
    let gone = site.cluster.scene().pods.remove(2);
    let refused = site.app.try_create(three_bricks()).await;
    assert_eq!(refused.status, 500);
    let text = refused.text();
    assert!(text.contains("no pod has the label glusterfs-node=n2.example.com"), "{text}");
    let nodes = site.app.app.operations.nodes().clone();
    let complaint = nodes.health().of(&HOSTS[2].parse().unwrap()).unwrap().complaint;
    assert!(complaint.unwrap().contains("no pod"));
    assert!(nodes.health().unwell().contains(&HOSTS[2].parse().unwrap()));

    drop(gone);
    site.cluster.scene().pods.push(pod("glusterfs-new", HOSTS[2]));
    site.at_rest().await;
    let deleted = site.app.client.finish(site.app.client.delete(&path).await).await;
    assert_eq!(deleted.status, 204, "{}", deleted.text());
    site.agrees(0).await;
    assert!(nodes.health().unwell().is_empty());
}
