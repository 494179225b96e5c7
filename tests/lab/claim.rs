//! A claim of Kubernetes becomes a volume on real nodes, and is used as a pod uses it.
//!
//! Run by `tests/lab/claim`, which boots the nodes. The control plane is real as well, but for a
//! kubelet: what that does with the volume is done here, in a node.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    unreachable_pub,
    reason = "a run that cannot go on fails, and what it prints is its report"
)]
#[path = "scenario/cluster.rs"]
#[expect(dead_code, reason = "the other runs ask for more")]
mod cluster;
#[path = "scenario/compare.rs"]
mod compare;
#[path = "../kube/control_plane.rs"]
#[expect(dead_code, reason = "other tests need other parts of it")]
mod control_plane;
#[path = "scenario/database.rs"]
#[expect(dead_code, reason = "the other runs ask for more")]
mod database;
#[path = "scenario/node.rs"]
mod node;
#[path = "../kube/provisioner/objects.rs"]
#[expect(dead_code, reason = "the run of the provisioner asks for more")]
mod objects;
#[path = "../operations/rest.rs"]
mod rest;
#[path = "scenario/server.rs"]
#[expect(dead_code, reason = "the other runs kill it")]
mod server;

use cluster::{NODES, dissolve, leftovers, topology};
use compare::differences;
use control_plane::ControlPlane;
use node::{Node, sh};
use objects::{Made, Objects};
use server::Server;
use std::{path::Path, process::Command, time::Instant};
use tokio::runtime::Runtime;

const CLAIM: &str = "data";
const CLASS: &str = include_str!("../../k8s/storage-class.yaml");
/// Where the kubelet would mount it for a pod.
const TARGET: &str = "/mnt/claim";

fn main() {
    let user = std::env::args().nth(1).unwrap_or_else(|| "root".into());
    let assets = control_plane::assets().unwrap();
    let started = Instant::now();
    let runtime = Runtime::new().unwrap();
    let plane = runtime.block_on(ControlPlane::start(&assets));
    let objects = runtime.block_on(async { Objects::new(&plane.client().await) });
    let nodes = NODES.map(Node).to_vec();
    assert_eq!(leftovers(&[]), "", "the nodes are not clean to begin with");
    let server = Server::start(&user, |_| {});
    let topology = server.write("topology.json", &topology());
    server.cli(&["topology", "load", "--json", &topology]);
    kubectl(&assets, &plane, &server.write("class.yaml", &class(&server.url())));
    say("nodes and class are known", started);

    let claims = [CLAIM.to_owned()];
    let made = runtime.block_on(async {
        objects.claim(CLAIM, "glusterfs", 1).await;
        objects.bound(&claims).await.remove(CLAIM).unwrap()
    });
    let addresses: Vec<_> = NODES.map(|n| format!("192.168.77.1{n}")).to_vec();
    runtime.block_on(objects.is_reachable(&made, &addresses));
    say("the claim is bound", started);

    mount(nodes[1], &made, &addresses);
    let sum = nodes[1].run(&format!(
        "head -c 5242880 /dev/urandom > {TARGET}/file && sync && sha256sum < {TARGET}/file"
    ));
    let before = size(nodes[1]);
    runtime.block_on(async {
        objects.expand(CLAIM, 2).await;
        objects.grown(CLAIM, 2).await;
    });
    // While it is mounted.
    assert!(size(nodes[1]) > before * 3 / 2, "it has not grown: {before} KiB before");
    assert_eq!(nodes[1].run(&format!("sha256sum < {TARGET}/file")), sum);
    nodes[1].run(&format!("umount {TARGET}"));
    mount(nodes[2], &made, &addresses);
    assert_eq!(nodes[2].run(&format!("sha256sum < {TARGET}/file")), sum);
    nodes[2].run(&format!("umount {TARGET}"));
    say("written, grown and read on another node", started);

    let found = differences(&server.database(runtime.handle()), &nodes);
    assert_eq!(found, [""; 0], "the nodes and the database differ");
    runtime.block_on(async {
        objects.delete(&claims).await;
        objects.gone([&made]).await;
    });
    assert_eq!(leftovers(&["--volumes-only"]), "", "the deleted claim left something");
    say("the claim is gone, and its volume", started);
    dissolve(&server, &nodes);
    assert_eq!(leftovers(&[]), "", "the cluster left something");
    server.end();
    sh(&["nodes", "status"]);
    say("everything", started);
}

fn say(what: &str, since: Instant) {
    println!("lab claim: {what}: {} s", since.elapsed().as_secs());
}

/// The class that users get, for this server, with the admin's key as its secret.
fn class(url: &str) -> String {
    let resturl = |line: &str| {
        let at = line.trim_start().starts_with("resturl:");
        if at { format!("  resturl: {url}") } else { line.to_owned() }
    };
    let class: Vec<_> = CLASS.lines().map(resturl).collect();
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: brickyard-keys, namespace: default}\n\
                  type: kubernetes.io/glusterfs\nstringData: {key: lab admin}\n";
    format!("{}\n---\n{secret}", class.join("\n"))
}

fn kubectl(assets: &Path, plane: &ControlPlane, manifest: &str) {
    let ours = assets.join("kubectl");
    let mut command = Command::new(if ours.is_file() { ours } else { "kubectl".into() });
    command.env("KUBECONFIG", plane.kubeconfig()).args(["apply", "-f", manifest]);
    let done = command.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// With the options that the kubelet's plugin for GlusterFS gives.
fn mount(node: Node, made: &Made, addresses: &[String]) {
    let backups = addresses.join(":");
    node.run(&format!(
        "mkdir -p {TARGET} && mount -t glusterfs \
         -o auto_unmount,backup-volfile-servers={backups},log-file=/tmp/claim.log,log-level=ERROR \
         {}:{} {TARGET}",
        addresses[0], made.path
    ));
}

/// KiB, as a pod sees them.
fn size(node: Node) -> u64 {
    node.run(&format!("df -k --output=size {TARGET} | tail -1")).trim().parse().unwrap()
}
