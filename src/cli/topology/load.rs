//! `topology load`: adds what the file has and the server lacks, devices of different nodes side by
//! side.
//!
//! Failures do not stop it, so that one bad disk does not hold up a cluster; they are counted and
//! make the command fail at its end.
use super::{
    super::{Session, client::NOTHING, cluster},
    pages::{self, Page, Pages},
};
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
use futures_util::{StreamExt, future, stream::FuturesUnordered};
use reqwest::Method;
use std::pin::pin;

pub(super) async fn run(file: &TopologyFile, session: &Session<'_>) -> Result<()> {
    if file.clusters.is_empty() {
        session.console.note("The file names no clusters, so there is nothing to load");
    }
    let known = known_nodes(session).await.context("Unable to get topology information")?;
    let mut load = Load { session, known, failed: Failed::default() };
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

/// Nodes whose devices are set up side by side. Servers accept only so many operations at a time,
/// and others want some of them too.
const AT_ONCE: usize = 6;

/// How many of each kind could not be added.
#[derive(Clone, Copy, Default)]
struct Failed {
    clusters: usize,
    nodes: usize,
    devices: usize,
}

/// What was there before, and what failed.
struct Load<'a> {
    session: &'a Session<'a>,
    known: Vec<NodeInfo>,
    failed: Failed,
}

impl Load<'_> {
    /// Loads one section of the file: the nodes of one cluster. Nodes are added one after another, and
    /// while the devices of one are set up, the next is added already: it is told in the order of the
    /// file all the same.
    async fn cluster(&mut self, entry: &ClusterEntry) -> Result<()> {
        let (pages, printer) = pages::new(self.session.console);
        let (created, ()) = future::try_join(self.nodes(entry, pages), printer.run()).await?;
        if let Some(cluster) = created {
            self.delete_if_empty(cluster).await?;
        }
        Ok(())
    }

    /// The cluster, if one was made.
    async fn nodes(&mut self, entry: &ClusterEntry, pages: Pages) -> Result<Option<ClusterId>> {
        let Self { session, known, failed } = self;
        let load = Section { session, known };
        // New nodes join the section's known ones, whichever come first in the file.
        let mut current = entry.nodes.iter().find_map(|n| load.find(n)).map(|n| n.cluster);
        let mut created = None;
        let mut devices = FuturesUnordered::new();
        for node in &entry.nodes {
            let page = pages.next();
            let found = if let Some(found) = load.find(node) {
                current = Some(found.cluster);
                load.found_node(node, found, &page);
                Some(found.clone())
            } else {
                if current.is_none() {
                    created = load.create_cluster(entry, &page).await;
                    current = created;
                }
                let Some(cluster) = current else {
                    // Without a cluster nothing of the section can be added.
                    failed.clusters += 1;
                    failed.nodes += entry.nodes.len();
                    failed.devices += entry.nodes.iter().map(|n| n.devices.len()).sum::<usize>();
                    break;
                };
                let adding = load.add_node(node, cluster, &page);
                meanwhile(adding, &mut devices, &mut failed.devices).await
            };
            if let Some(found) = found {
                devices.push(load.devices_of(node, found, page));
            } else {
                failed.nodes += 1;
                failed.devices += node.devices.len();
            }
            while devices.len() >= AT_ONCE {
                failed.devices += devices.next().await.unwrap_or_default();
            }
        }
        drop(pages);
        while let Some(more) = devices.next().await {
            failed.devices += more;
        }
        Ok(created)
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

    fn verdict(&self) -> Result<()> {
        let Failed { clusters, nodes, devices } = self.failed;
        let failures: Vec<String> = [(clusters, "cluster"), (nodes, "node"), (devices, "device")]
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}{}", if count == 1 { "" } else { "s" }))
            .collect();
        if failures.is_empty() {
            return Ok(());
        }
        bail!("not everything could be added, failed: {}", failures.join(", "))
    }
}

/// Waits for the work, while the others go on; counts what failed of those that end meanwhile.
async fn meanwhile<T>(
    work: impl Future<Output = T>,
    others: &mut FuturesUnordered<impl Future<Output = usize>>,
    failed: &mut usize,
) -> T {
    let mut work = pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            Some(more) = others.next() => *failed += more,
        }
    }
}

/// Adds what one section of the file has.
#[derive(Clone, Copy)]
struct Section<'a> {
    session: &'a Session<'a>,
    known: &'a [NodeInfo],
}

impl<'a> Section<'a> {
    fn find(self, entry: &NodeEntry) -> Option<&'a NodeInfo> {
        let name = entry.node.hostnames.manage.first();
        self.known.iter().find(|node| node.hostnames.manage.first() == name)
    }

    async fn create_cluster(self, entry: &ClusterEntry, page: &Page) -> Option<ClusterId> {
        let flags =
            ClusterFlags { block: entry.block.unwrap_or(true), file: entry.file.unwrap_or(true) };
        page.print("Creating cluster ... ");
        let made: Result<ClusterInfo> = self.session.client.change("/clusters", &flags, "").await;
        match made {
            Ok(cluster) => {
                page.print(&format!("ID: {}\n", cluster.id));
                if flags.file {
                    page.print("\tAllowing file volumes on cluster.\n");
                }
                if flags.block {
                    page.print("\tAllowing block volumes on cluster.\n");
                }
                Some(cluster.id)
            }
            Err(e) => {
                page.print(&format!("Unable to create cluster: {e:#}\n"));
                None
            }
        }
    }

    fn found_node(self, entry: &NodeEntry, found: &NodeInfo, page: &Page) {
        let (name, cluster) = (manage_name(entry), found.cluster);
        page.print(&format!("\tFound node {name} on cluster {cluster}\n"));
        self.mention_differences(entry, found);
    }

    async fn add_node(
        self,
        entry: &NodeEntry,
        cluster: ClusterId,
        page: &Page,
    ) -> Option<NodeInfo> {
        page.print(&format!("\tCreating node {} ... ", manage_name(entry)));
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
                page.print(&format!("ID: {}\n", node.id));
                Some(node)
            }
            Err(e) => {
                page.print(&format!("Unable to create node: {e:#}\n"));
                None
            }
        }
    }

    /// How many could not be added.
    async fn devices_of(self, entry: &NodeEntry, node: NodeInfo, page: Page) -> usize {
        let mut failed = 0;
        for device in &entry.devices {
            let device = DeviceDescription::from(device.clone());
            let name = device.name.clone();
            // Under another of its names a device would only fail when it is set up again.
            if node.devices.iter().any(|d| d.name == name || d.paths.contains(&name)) {
                page.print(&format!("\t\tFound device {name}\n"));
                continue;
            }
            page.print(&format!("\t\tAdding device {name} ... "));
            let body = DeviceAddRequest {
                node: node.id.to_string(),
                name: device.name,
                tags: device.tags,
                destroydata: device.destroydata,
            };
            let sent = self.session.client.run(Method::POST, "/devices", Some(&body), "").await;
            match sent {
                Ok(_) => page.print("OK\n"),
                Err(e) => {
                    failed += 1;
                    page.print(&format!("Unable to add device: {e:#}\n"));
                }
            }
        }
        failed
    }

    fn mention_differences(self, entry: &NodeEntry, found: &NodeInfo) {
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
}

fn manage_name(entry: &NodeEntry) -> &str {
    entry.node.hostnames.manage.first().map_or("", String::as_str)
}
