//! Which pod serves a node.
use super::{
    cluster::{Cluster, pod},
    echo, host, unreachable,
};
use brickyard::node::{Remote, kube::Lookup};
use serde_json::json;
use std::sync::Arc;

/// Runs a script; container and pod in which it ran, or why in none.
async fn place(cluster: &Cluster, lookup: Lookup, name: &str) -> Result<String, String> {
    let ran = cluster.kube(lookup).await.run(&host(name), &echo()).await;
    match ran {
        Ok(ran) => {
            assert_eq!(ran[0].stdout, "here\n");
            Ok(cluster.scene().execs.pop().unwrap())
        }
        Err(error) => {
            assert!(cluster.scene().execs.is_empty());
            Err(unreachable(error))
        }
    }
}

#[tokio::test]
async fn three_ways_to_find_it() {
    let cluster = Cluster::start().await.for_real();
    let mut daemon = pod("glusterfs-x7", "kube-node-1");
    daemon["metadata"]["labels"] = json!({"glusterfs-node": "daemonset"});
    let mut other = pod("web", "kube-node-1");
    other["metadata"]["labels"] = json!({"app": "web"});
    cluster.scene().pods = vec![other, daemon, pod("glusterfs-abc", "label-value")];
    for (lookup, name, found) in [
        (Lookup::Daemonset, "kube-node-1", "glusterfs of glusterfs-x7"),
        (Lookup::Label, "label-value", "glusterfs of glusterfs-abc"),
        (Lookup::Name, "glusterfs-abc", "glusterfs of glusterfs-abc"),
        (Lookup::Name, "web", "glusterfs of web"),
    ] {
        assert_eq!(place(&cluster, lookup, name).await.as_deref(), Ok(found));
    }
    for (lookup, name, why) in [
        (
            Lookup::Daemonset,
            "kube-node-2",
            "no pod has the label glusterfs-node on the Kubernetes node kube-node-2",
        ),
        (Lookup::Label, "kube-node-1", "no pod has the label glusterfs-node=kube-node-1"),
        (Lookup::Name, "glusterfs-abd", "no pod has the name glusterfs-abd"),
    ] {
        let why = format!("{why} (in the namespace storage)");
        assert_eq!(place(&cluster, lookup, name).await, Err(why));
    }
}

#[tokio::test]
async fn only_one_that_runs_and_stays() {
    let cluster = Cluster::start().await.for_real();
    let going = |mut pod: serde_json::Value| {
        pod["metadata"]["deletionTimestamp"] = json!("2026-11-20T10:00:00Z");
        pod
    };
    let pending = |mut pod: serde_json::Value| {
        pod["status"] = json!({"phase": "Pending"});
        pod
    };
    for (pods, found) in [
        (vec![pending(pod("a", "n1"))], Err("pod a is not running but Pending")),
        (vec![going(pod("a", "n1"))], Err("pod a is being deleted")),
        (
            vec![pod("a", "n1"), pod("b", "n1")],
            Err("2 pods have the label glusterfs-node=n1, and only one may: a, b"),
        ),
        (vec![going(pod("a", "n1")), pod("b", "n1"), pending(pod("c", "n1"))], Ok("b")),
    ] {
        cluster.scene().pods = pods;
        let found = found
            .map(|name| format!("glusterfs of {name}"))
            .map_err(|why| format!("{why} (in the namespace storage)"));
        assert_eq!(place(&cluster, Lookup::Label, "n1").await, found);
    }
    cluster.scene().pods = vec![going(pod("n1", "n1"))];
    let gone = place(&cluster, Lookup::Name, "n1").await;
    assert_eq!(gone.unwrap_err(), "pod n1 is being deleted (in the namespace storage)");
}

#[tokio::test]
async fn the_container_that_the_pod_names() {
    let cluster = Cluster::start().await.for_real();
    let mut pod = pod("a", "n1");
    pod["spec"]["containers"] = json!([{"name": "exporter"}, {"name": "gluster"}]);
    cluster.scene().pods = vec![pod.clone()];
    assert_eq!(place(&cluster, Lookup::Label, "n1").await.unwrap(), "exporter of a");
    let annotation = json!({"kubectl.kubernetes.io/default-container": "gluster"});
    pod["metadata"]["annotations"] = annotation;
    cluster.scene().pods = vec![pod];
    assert_eq!(place(&cluster, Lookup::Label, "n1").await.unwrap(), "gluster of a");
}

/// A pod that was replaced is found by the very next script, and nothing runs in the old one.
#[tokio::test]
async fn it_is_looked_up_for_each_script() {
    let cluster = Cluster::with_pods(&["n1"]).await.for_real();
    let kube = cluster.kube(Lookup::Label).await;
    for name in ["first", "second"] {
        cluster.scene().pods = vec![pod(name, "n1")];
        kube.run(&host("n1"), &echo()).await.unwrap();
        assert_eq!(cluster.scene().execs.pop(), Some(format!("glusterfs of {name}")));
    }
    // Many at once share an answer.
    let kube = Arc::new(kube);
    cluster.scene().lookups = 0;
    let all: Vec<_> = (0..40)
        .map(|_| {
            let kube = kube.clone();
            tokio::spawn(async move { kube.reach(&host("n1")).await })
        })
        .collect();
    for one in all {
        one.await.unwrap().unwrap();
    }
    let lookups = cluster.scene().lookups;
    assert!((1..40).contains(&lookups), "{lookups}");
}

/// The pod goes between the lookup and the exec: 404, and another one is there.
#[tokio::test]
async fn a_pod_that_goes_in_between_is_looked_up_again() {
    let cluster = Cluster::with_pods(&["n1"]).await.for_real();
    let kube = cluster.kube(Lookup::Label).await;
    let trouble = super::cluster::Trouble::Refuse {
        exec: true,
        status: 404,
        message: "pods \"glusterfs-n1\" not found",
    };
    cluster.trouble([trouble.clone()]);
    kube.run(&host("n1"), &echo()).await.unwrap();
    assert_eq!(cluster.scene().lookups, 2);
    cluster.trouble(vec![trouble; 20]);
    let why = unreachable(kube.run(&host("n1"), &echo()).await.unwrap_err());
    assert!(why.contains("pods \"glusterfs-n1\" not found"), "{why}");
    assert_eq!(cluster.scene().troubles.len(), 16, "it gives up");
}
