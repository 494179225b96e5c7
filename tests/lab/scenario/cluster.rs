//! The cluster of the lab's nodes as the server and the nodes show it, and files on its volumes.
use super::{
    node::{Node, sh},
    server::Server,
};
use serde_json::Value;
use std::{
    thread,
    time::{Duration, Instant},
};

pub const NODES: [u8; 3] = [1, 2, 3];

/// What is left on the nodes, by their own account.
pub fn leftovers(options: &[&str]) -> String {
    sh(&[&["leftovers"], options].concat())
}

/// A topology file of all nodes, each in its own zone, with both disks.
pub fn topology() -> String {
    let node = |n: &u8| {
        serde_json::json!({
            "node": {
                "zone": n,
                "hostnames": {
                    "manage": [Node(*n).manage()],
                    "storage": [format!("192.168.77.1{n}")]
                }
            },
            "devices": ["/dev/vdb", "/dev/vdc"]
        })
    };
    let nodes: Vec<Value> = NODES.iter().map(node).collect();
    serde_json::json!({"clusters": [{"nodes": nodes}]}).to_string()
}

/// Devices with the place of their node among the lab's.
pub fn devices(server: &Server, nodes: &[Node]) -> Vec<(usize, Value)> {
    let topology = server.json(&["topology", "info"]);
    let of_cluster = topology["clusters"][0]["nodes"].as_array().unwrap().clone();
    let on_node = |node: Value| {
        let at = index_of(nodes, &node);
        let devices = node["devices"].as_array().unwrap().clone();
        devices.into_iter().map(move |device| (at, device))
    };
    of_cluster.into_iter().flat_map(on_node).collect()
}
pub fn index_of(nodes: &[Node], node: &Value) -> usize {
    let address = node["hostnames"]["manage"][0].as_str().unwrap();
    nodes.iter().position(|n| n.manage() == address).unwrap()
}

/// Takes the whole topology back, device by device.
pub fn dissolve(server: &Server, nodes: &[Node]) {
    for (_, device) in devices(server, nodes) {
        let id = device["id"].as_str().unwrap();
        for verb in ["disable", "remove", "delete"] {
            server.cli(&["device", verb, id]);
        }
    }
    let topology = server.json(&["topology", "info"]);
    let cluster = &topology["clusters"][0];
    for node in cluster["nodes"].as_array().unwrap() {
        server.cli(&["node", "delete", node["id"].as_str().unwrap()]);
    }
    server.cli(&["cluster", "delete", cluster["id"].as_str().unwrap()]);
}

/// Waits until all nodes see each other and all bricks of all volumes are online; else which are
/// not.
pub fn come_together(node: Node) -> Result<(), String> {
    let limit = Instant::now() + Duration::from_mins(5);
    loop {
        let pool = node.run("gluster --mode=script pool list");
        let status = node.run("gluster --mode=script volume status all --xml 2>&1 || true");
        // Bricks, that is: glusterd loses sight of a self-heal daemon that was started before the
        // power cut and runs (seen on GlusterFS 10.3).
        let offline = status
            .split("<node>")
            .filter(|part| part.contains("<status>0</status>") && !part.contains("Self-heal"));
        let path = |part: &str| part.split("path>").nth(1).map(|p| p.replace("</", ""));
        let offline: Vec<_> = offline.filter_map(path).collect();
        if pool.matches("Connected").count() >= NODES.len() && offline.is_empty() {
            return Ok(());
        }
        if Instant::now() > limit {
            return Err(format!("{pool}\noffline: {}", offline.join(", ")));
        }
        thread::sleep(Duration::from_secs(1));
    }
}

/// Mounts the volume inside the node; where.
pub fn mount(node: Node, volume: &str) -> String {
    let at = format!("/mnt/{volume}");
    node.run(&format!("mkdir -p {at} && mount -t glusterfs 192.168.77.1{}:/{volume} {at}", node.0));
    at
}
pub fn unmount(node: Node, at: &str) {
    node.run(&format!("umount {at}"));
}

/// Writes 5 MiB to a file of the volume; their SHA-256.
pub fn write_to(node: Node, volume: &str) -> String {
    let at = mount(node, volume);
    let write =
        format!("head -c 5242880 /dev/urandom > {at}/file && sync && sha256sum < {at}/file");
    let sum = node.run(&write);
    unmount(node, &at);
    sum
}
/// The SHA-256 of that file now.
pub fn read_back(node: Node, volume: &str) -> String {
    let at = mount(node, volume);
    let sum = node.run(&format!("sha256sum < {at}/file"));
    unmount(node, &at);
    sum
}
