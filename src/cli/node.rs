//! `node`: add, delete, switch, tag and show nodes.
use super::{
    Session,
    args::{Target, checked_id},
    client::NOTHING,
    cluster, state,
    state::{HealCheck, Kind},
    tags::{self, RemoveTags, SetTags},
};
use crate::{
    api::node::{Hostnames, NodeAddRequest, NodeHealth, NodeInfo, NodeWithHealth},
    domain::{ClusterId, NodeId, State, Tags},
};
use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use reqwest::Method;
use serde::Serialize;
use std::fmt::Write;

#[derive(Subcommand)]
pub(super) enum NodeCommand {
    /// Add a node to a cluster
    #[command(after_help = "Example:
  heketi-cli node add --zone=1 --cluster=ID \\
    --management-host-name=node1.example.com --storage-host-name=192.168.10.1")]
    Add(AddNode),
    /// Delete a node that has no devices
    Delete(Target),
    /// Let a node take new bricks
    Enable(Target),
    /// Let a node take no new bricks
    Disable(Target),
    /// Move all bricks of a disabled node elsewhere
    Remove(Target),
    /// Show a node and its devices
    Info(Target),
    /// List all nodes
    List,
    /// Show which nodes answer and have a running glusterd, since when, and what is wrong
    Health {
        /// Only these nodes; all when not given
        #[arg(value_name = "ID")]
        ids: Vec<String>,
    },
    /// Set tags of a node
    #[command(after_help = "Example:\n  heketi-cli node settags ID rack:r1 arbiter:disabled")]
    Settags(SetTags),
    /// Remove tags of a node
    #[command(aliases = ["deltags", "removetags"])]
    Rmtags(RemoveTags),
}

#[derive(Args)]
pub(super) struct AddNode {
    /// Number of its failure zone, at least 1
    #[arg(long, value_name = "N", default_value_t = -1, hide_default_value = true)]
    #[arg(allow_negative_numbers = true)]
    zone: i64,
    /// Id of the cluster it joins
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    cluster: String,
    /// Name or address at which the server gives commands to it
    #[arg(long, value_name = "HOST", default_value = "", hide_default_value = true)]
    management_host_name: String,
    /// Name or address at which gluster reaches it
    #[arg(long, value_name = "HOST", default_value = "", hide_default_value = true)]
    storage_host_name: String,
}

pub(super) async fn run(command: NodeCommand, session: &Session<'_>) -> Result<()> {
    let client = &session.client;
    let switch = async |target: Target, to| {
        let id = target.id(session, Kind::Node.id_missing())?;
        state::set(session, Kind::Node, id, to, HealCheck::Default).await
    };
    match command {
        NodeCommand::Add(node) => add(node, session).await,
        NodeCommand::Delete(target) => {
            let id = target.id(session, Kind::Node.id_missing())?;
            client.run(Method::DELETE, &Kind::Node.path(id), NOTHING, "deleting the node").await?;
            session.console.print(&format!("Node {id} deleted\n"))
        }
        NodeCommand::Enable(target) => switch(target, State::Online).await,
        NodeCommand::Disable(target) => switch(target, State::Offline).await,
        NodeCommand::Remove(target) => switch(target, State::Failed).await,
        NodeCommand::Info(target) => {
            let id = target.id(session, Kind::Node.id_missing())?;
            session.show(&client.get(&Kind::Node.path(id)).await?, render)
        }
        // Without regard to --json, as scripts have it from Heketi.
        NodeCommand::List => {
            let mut text = String::new();
            for cluster in cluster::all(session).await? {
                for node in cluster.nodes {
                    let _ = writeln!(text, "Id:{node}\tCluster:{}", cluster.id);
                }
            }
            session.console.print(&text)
        }
        NodeCommand::Health { ids } => {
            let nodes = with_health(&ids, session).await?;
            session.show(&nodes, |nodes| nodes.iter().map(health_line).collect())
        }
        NodeCommand::Settags(wanted) => tags::set(session, Kind::Node, &wanted).await,
        NodeCommand::Rmtags(wanted) => tags::remove(session, Kind::Node, &wanted).await,
    }
}

/// A node in a few words, and how it is.
#[derive(Serialize)]
struct HealthLine {
    id: NodeId,
    cluster: ClusterId,
    hostname: String,
    state: State,
    health: NodeHealth,
}

async fn with_health(ids: &[String], session: &Session<'_>) -> Result<Vec<HealthLine>> {
    let mut wanted = vec![];
    for id in ids {
        wanted.push(checked_id(id, Kind::Node.id_missing())?.to_owned());
    }
    let mut nodes: Vec<NodeWithHealth> = vec![];
    for id in &wanted {
        nodes.push(session.client.get(&Kind::Node.path(id)).await?);
    }
    if ids.is_empty() {
        for id in cluster::all(session).await?.iter().flat_map(|cluster| &cluster.nodes) {
            nodes.extend(session.client.get_if_there(&Kind::Node.path(&id.to_string())).await?);
        }
    }
    let line = |NodeWithHealth { node, health }| HealthLine {
        id: node.id,
        cluster: node.cluster,
        hostname: first(&node.hostnames.manage).to_owned(),
        state: node.state,
        // A server of Heketi keeps to itself what it knows.
        health: health
            .unwrap_or_else(|| NodeHealth { state: "not told".into(), ..NodeHealth::default() }),
    };
    Ok(nodes.into_iter().map(line).collect())
}

fn health_line(node: &HealthLine) -> String {
    let HealthLine { id, cluster, hostname, state, health } = node;
    let since = health.since.map(|time| format!(" since {time}")).unwrap_or_default();
    let why = if health.why.is_empty() { String::new() } else { format!(": {}", health.why) };
    let state = state::shown(*state);
    format!(
        "Id:{id}  Cluster:{cluster}  Host:{hostname}  State:{state}  Health:{}{since}{why}\n",
        health.state
    )
}

async fn add(node: AddNode, session: &Session<'_>) -> Result<()> {
    if node.zone == -1 {
        bail!("Missing zone");
    }
    if node.management_host_name.is_empty() {
        bail!("Missing management hostname");
    }
    if node.storage_host_name.is_empty() {
        bail!("Missing storage hostname");
    }
    if node.cluster.is_empty() {
        bail!("Missing cluster id");
    }
    let body = NodeAddRequest {
        zone: node.zone,
        hostnames: Hostnames {
            manage: vec![node.management_host_name],
            storage: vec![node.storage_host_name],
        },
        cluster: node.cluster,
        tags: Tags::new(),
    };
    let added: NodeInfo = session.client.change("/nodes", &body, "adding the node").await?;
    session.show(&added, |added| format!("Node information:\n{}", render_head(added)))
}

/// The text of `node info`.
#[must_use]
pub fn render(node: &NodeInfo) -> String {
    let mut text = render_head(node);
    text.push_str("Devices:\n");
    for device in &node.devices {
        let size = device.storage;
        let _ = writeln!(
            text,
            "Id:{:<35}Name:{:<20}State:{:<10}Size (GiB):{:<8}Used (GiB):{:<8}Free (GiB):{:<8}\
             Bricks:{:<8}",
            device.id.to_string(),
            device.name,
            state::shown(device.state),
            size.total.whole_gib().0,
            size.used.whole_gib().0,
            size.free.whole_gib().0,
            device.bricks.len()
        );
    }
    text
}

fn render_head(node: &NodeInfo) -> String {
    format!(
        "Node Id: {}\nState: {}\nCluster Id: {}\nZone: {}\nManagement Hostname: {}\n\
         Storage Hostname: {}\n{}",
        node.id,
        state::shown(node.state),
        node.cluster,
        node.zone,
        first(&node.hostnames.manage),
        first(&node.hostnames.storage),
        tags::render(&node.tags)
    )
}

fn first(names: &[String]) -> &str {
    names.first().map_or("", String::as_str)
}
