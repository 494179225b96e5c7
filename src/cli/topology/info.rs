//! `topology info`: collects all there is and renders it as a tree.
use super::super::{Session, cluster, device::brick_line, state, volume::mount_options};
use crate::{
    api::{
        cluster::ClusterInfo,
        device::{BrickInfo, DeviceInfo},
        node::NodeInfo,
        topology::{ClusterTree, TopologyInfo},
        volume::VolumeInfo,
    },
    domain::Tags,
};
use anyhow::Result;
use serde::de::DeserializeOwned;
use std::fmt::{Display, Write};

/// Reads every cluster, volume and node of the server.
pub(super) async fn collect(session: &Session<'_>) -> Result<TopologyInfo> {
    let mut clusters = vec![];
    for ClusterInfo { id, nodes, volumes, block, file, .. } in cluster::all(session).await? {
        let volumes = each(session, "volumes", &volumes).await?;
        let nodes = each(session, "nodes", &nodes).await?;
        clusters.push(ClusterTree { volumes, nodes, id, block, file, blockvolumes: vec![] });
    }
    Ok(TopologyInfo { clusters })
}

async fn each<T: DeserializeOwned>(
    session: &Session<'_>,
    kind: &str,
    ids: &[impl Display],
) -> Result<Vec<T>> {
    let mut found = vec![];
    for id in ids {
        found.extend(session.client.get_if_there(&format!("/{kind}/{id}")).await?);
    }
    Ok(found)
}

/// The text of `topology info`.
#[must_use]
pub fn render(topology: &TopologyInfo) -> String {
    let mut text = String::new();
    for cluster in &topology.clusters {
        let _ = write!(
            text,
            "\nCluster Id: {}\n\n    File:  {}\n    Block: {}\n\n    Volumes:\n",
            cluster.id, cluster.file, cluster.block
        );
        text.extend(cluster.volumes.iter().map(volume));
        text.push_str("\n\n    Nodes:\n");
        text.extend(cluster.nodes.iter().map(node));
    }
    text.push('\n');
    text
}

fn volume(volume: &VolumeInfo) -> String {
    let mut text = format!(
        "\n\tName: {}\n\tSize: {}\n\tId: {}\n\tCluster Id: {}\n\tMount: {}\n\tMount Options: {}\n\
         \tDurability Type: {}\n",
        volume.name,
        volume.size,
        volume.id,
        volume.cluster,
        volume.mount.glusterfs.device,
        mount_options(volume),
        volume.durability.kind
    );
    let durability = &volume.durability;
    match durability.kind.as_str() {
        "replicate" => {
            let _ = writeln!(text, "\tReplica: {}", durability.replicate.replica);
        }
        "disperse" => {
            let disperse = durability.disperse;
            let _ = writeln!(text, "\tDisperse Data: {}", disperse.data);
            let _ = writeln!(text, "\tDisperse Redundancy: {}", disperse.redundancy);
        }
        _ => {}
    }
    if volume.snapshot.enable {
        let _ = writeln!(text, "\tSnapshot: Enabled");
        let _ = writeln!(text, "\tSnapshot Factor: {:.2}", volume.snapshot.factor);
    } else {
        text.push_str("\tSnapshot: Disabled\n");
    }
    text.push_str("\n\t\tBricks:");
    text.extend(volume.bricks.iter().map(volume_brick));
    text.push('\n');
    text
}

fn volume_brick(brick: &BrickInfo) -> String {
    format!(
        "\n\t\t\tId: {}\n\t\t\tPath: {}\n\t\t\tSize (GiB): {}\n\t\t\tNode: {}\n\t\t\tDevice: {}\n",
        brick.id,
        brick.path,
        brick.size.whole_gib().0,
        brick.node,
        brick.device
    )
}

fn node(node: &NodeInfo) -> String {
    let mut text = format!(
        "\n\tNode Id: {}\n\tState: {}\n\tCluster Id: {}\n\tZone: {}\n\tManagement Hostnames: {}\n\
         \tStorage Hostnames: {}\n{}\tDevices:\n",
        node.id,
        state::shown(node.state),
        node.cluster,
        node.zone,
        node.hostnames.manage.join(", "),
        node.hostnames.storage.join(", "),
        tags("\t", &node.tags)
    );
    text.extend(node.devices.iter().map(device));
    text
}

fn device(device: &DeviceInfo) -> String {
    let size = device.storage;
    let paths = match device.paths.as_slice() {
        [] => device.name.clone(),
        paths => paths.join(" "),
    };
    let mut text = format!(
        "\t\tId:{:<35}State:{:<10}Size (GiB):{:<8}Used (GiB):{:<8}Free (GiB):{:<8}\n{}\
         \t\t\tKnown Paths: {paths}\n\n\t\t\tBricks:\n",
        device.id.to_string(),
        state::shown(device.state),
        size.total.whole_gib().0,
        size.used.whole_gib().0,
        size.free.whole_gib().0,
        tags("\t\t\t", &device.tags)
    );
    for brick in &device.bricks {
        text.push_str("\t\t\t\t");
        text.push_str(&brick_line(brick));
    }
    text
}

/// One line and an empty one; nothing without tags.
fn tags(indent: &str, tags: &Tags) -> String {
    if tags.is_empty() {
        return String::new();
    }
    let mut text = format!("{indent}Tags:");
    for (name, value) in tags {
        let _ = write!(text, " {name}:{value}");
    }
    text + "\n\n"
}
