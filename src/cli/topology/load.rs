//! `topology load`: adds what the file has and the server lacks, one thing after the other.
//!
//! Failures do not stop it, so that one bad disk does not hold up a cluster; they are counted and
//! make the command fail at its end.
use super::super::{Session, client::NOTHING, cluster};
use crate::{
    api::{
        cluster::{ClusterFlags, ClusterInfo},
        device::DeviceAddRequest,
        node::{NodeAddRequest, NodeInfo},
        topology::{ClusterEntry, DeviceDescription, NodeEntry, TopologyFile},
    },
    domain::ClusterId,
};
use anyhow::{Context, Result, bail};
use reqwest::Method;

pub(super) async fn run(file: &TopologyFile, session: &Session<'_>) -> Result<()> {
    if file.clusters.is_empty() {
        session.console.note("The file names no clusters, so there is nothing to load");
    }
    let known = known_nodes(session).await.context("Unable to get topology information")?;
    let mut load = Load { session, known, clusters: 0, nodes: 0, devices: 0 };
    for entry in &file.clusters {
        load.cluster(entry).await?;
    }
    load.verdict()
}

async fn known_nodes(session: &Session<'_>) -> Result<Vec<NodeInfo>> {
    let mut nodes = vec![];
    for cluster in cluster::all(session).await? {
        for id in cluster.nodes {
            nodes.extend(session.client.get_if_there(&format!("/nodes/{id}")).await?);
        }
    }
    Ok(nodes)
}

/// What was there before, and how many of each kind could not be added.
struct Load<'a> {
    session: &'a Session<'a>,
    known: Vec<NodeInfo>,
    clusters: usize,
    nodes: usize,
    devices: usize,
}

impl Load<'_> {
    /// Loads one section of the file: the nodes of one cluster.
    async fn cluster(&mut self, entry: &ClusterEntry) -> Result<()> {
        // New nodes join the section's known ones, whichever come first in the file.
        let mut current = entry.nodes.iter().find_map(|n| self.find(n)).map(|n| n.cluster);
        let mut created = None;
        for node in &entry.nodes {
            if let Some(found) = self.find(node).cloned() {
                current = Some(found.cluster);
                self.found_node(node, &found).await?;
                continue;
            }
            if current.is_none() {
                created = self.create_cluster(entry).await?;
                current = created;
            }
            let Some(cluster) = current else {
                self.give_up(entry);
                break;
            };
            self.add_node(node, cluster).await?;
        }
        if let Some(cluster) = created {
            self.delete_if_empty(cluster).await?;
        }
        Ok(())
    }

    fn find(&self, entry: &NodeEntry) -> Option<&NodeInfo> {
        let name = entry.node.hostnames.manage.first();
        self.known.iter().find(|node| node.hostnames.manage.first() == name)
    }

    async fn create_cluster(&mut self, entry: &ClusterEntry) -> Result<Option<ClusterId>> {
        let flags =
            ClusterFlags { block: entry.block.unwrap_or(true), file: entry.file.unwrap_or(true) };
        self.print("Creating cluster ... ")?;
        let made: Result<ClusterInfo> = self.session.client.change("/clusters", &flags, "").await;
        match made {
            Ok(cluster) => {
                self.print(&format!("ID: {}\n", cluster.id))?;
                if flags.file {
                    self.print("\tAllowing file volumes on cluster.\n")?;
                }
                if flags.block {
                    self.print("\tAllowing block volumes on cluster.\n")?;
                }
                Ok(Some(cluster.id))
            }
            Err(e) => {
                self.print(&format!("Unable to create cluster: {e:#}\n"))?;
                Ok(None)
            }
        }
    }

    /// Without a cluster nothing of the section can be added.
    fn give_up(&mut self, entry: &ClusterEntry) {
        self.clusters += 1;
        self.nodes += entry.nodes.len();
        self.devices += entry.nodes.iter().map(|n| n.devices.len()).sum::<usize>();
    }

    async fn found_node(&mut self, entry: &NodeEntry, found: &NodeInfo) -> Result<()> {
        let (name, cluster) = (manage_name(entry), found.cluster);
        self.print(&format!("\tFound node {name} on cluster {cluster}\n"))?;
        self.mention_differences(entry, found);
        self.devices_of(entry, found).await
    }

    async fn add_node(&mut self, entry: &NodeEntry, cluster: ClusterId) -> Result<()> {
        self.print(&format!("\tCreating node {} ... ", manage_name(entry)))?;
        let body = NodeAddRequest {
            zone: entry.node.zone,
            hostnames: entry.node.hostnames.clone(),
            cluster: cluster.to_string(),
            tags: entry.node.tags.clone(),
        };
        // The open line already says what is going on; a spinner would wipe it away.
        let added: Result<NodeInfo> = self.session.client.change("/nodes", &body, "").await;
        match added {
            Ok(node) => {
                self.print(&format!("ID: {}\n", node.id))?;
                self.devices_of(entry, &node).await
            }
            Err(e) => {
                self.nodes += 1;
                self.devices += entry.devices.len();
                self.print(&format!("Unable to create node: {e:#}\n"))
            }
        }
    }

    async fn devices_of(&mut self, entry: &NodeEntry, node: &NodeInfo) -> Result<()> {
        for device in &entry.devices {
            let device = DeviceDescription::from(device.clone());
            let name = device.name.clone();
            // Under another of its names a device would only fail when it is set up again.
            if node.devices.iter().any(|d| d.name == name || d.paths.contains(&name)) {
                self.print(&format!("\t\tFound device {name}\n"))?;
                continue;
            }
            self.print(&format!("\t\tAdding device {name} ... "))?;
            let body = DeviceAddRequest {
                node: node.id.to_string(),
                name: device.name,
                tags: device.tags,
                destroydata: device.destroydata,
            };
            let sent = self.session.client.run(Method::POST, "/devices", Some(&body), "").await;
            match sent {
                Ok(_) => self.print("OK\n")?,
                Err(e) => {
                    self.devices += 1;
                    self.print(&format!("Unable to add device: {e:#}\n"))?;
                }
            }
        }
        Ok(())
    }

    /// A cluster made for nodes that all failed would stay around for nothing.
    async fn delete_if_empty(&self, id: ClusterId) -> Result<()> {
        let client = &self.session.client;
        let path = format!("/clusters/{id}");
        let cluster: ClusterInfo = client.get(&path).await?;
        if cluster.nodes.is_empty() && cluster.volumes.is_empty() {
            client.run(Method::DELETE, &path, NOTHING, "").await?;
            self.session.console.note(&format!("Deleted cluster {id}, for it stayed empty"));
        }
        Ok(())
    }

    fn mention_differences(&self, entry: &NodeEntry, found: &NodeInfo) {
        let wanted = &entry.node;
        let differs = [
            ("zone", wanted.zone != found.zone),
            ("storage name", wanted.hostnames.storage != found.hostnames.storage),
            ("tags", wanted.tags != found.tags),
        ];
        let differs: Vec<_> = differs.iter().filter(|(_, d)| *d).map(|(what, _)| *what).collect();
        if !differs.is_empty() {
            self.session.console.note(&format!(
                "Node {} has another {} than in the file; it is left as it is",
                manage_name(entry),
                differs.join(", ")
            ));
        }
    }

    fn verdict(&self) -> Result<()> {
        let failures: Vec<String> =
            [(self.clusters, "cluster"), (self.nodes, "node"), (self.devices, "device")]
                .into_iter()
                .filter(|(count, _)| *count > 0)
                .map(|(count, what)| format!("{count} {what}{}", if count == 1 { "" } else { "s" }))
                .collect();
        if failures.is_empty() {
            return Ok(());
        }
        bail!("not everything could be added, failed: {}", failures.join(", "))
    }

    fn print(&self, text: &str) -> Result<()> {
        self.session.console.print(text)
    }
}

fn manage_name(entry: &NodeEntry) -> &str {
    entry.node.hostnames.manage.first().map_or("", String::as_str)
}
