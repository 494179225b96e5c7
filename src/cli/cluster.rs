//! `cluster`: make, flag, delete and show clusters.
use super::{
    Session,
    args::{Flag, Target, boolean},
    client::NOTHING,
};
use crate::api::cluster::{ClusterFlags, ClusterInfo, ClusterList};
use anyhow::{Result, bail};
use clap::Subcommand;
use reqwest::Method;
use std::fmt::{Display, Write};

const ID_MISSING: &str = "Cluster id missing";

#[derive(Subcommand)]
pub(super) enum ClusterCommand {
    /// Make an empty cluster
    #[command(after_help = "Examples:
  heketi-cli cluster create
  heketi-cli cluster create --block=false")]
    Create {
        /// Whether it takes volumes that host block volumes
        #[arg(long, switch(true))]
        block: bool,
        /// Whether it takes ordinary volumes
        #[arg(long, switch(true))]
        file: bool,
    },
    /// Change what kinds of volume a cluster takes from now on
    #[command(after_help = "Example:\n  heketi-cli cluster setflags --block=false ID")]
    Setflags {
        #[command(flatten)]
        target: Target,
        /// Whether it takes volumes that host block volumes
        #[arg(long, value_name = "true|false", value_parser = boolean)]
        block: Option<bool>,
        /// Whether it takes ordinary volumes
        #[arg(long, value_name = "true|false", value_parser = boolean)]
        file: Option<bool>,
    },
    /// Delete a cluster that has neither nodes nor volumes
    Delete(Target),
    /// Show a cluster
    Info(Target),
    /// List all clusters
    List,
}

pub(super) async fn run(command: ClusterCommand, session: &Session<'_>) -> Result<()> {
    let client = &session.client;
    match command {
        ClusterCommand::Create { block, file } => {
            let flags = ClusterFlags { block, file };
            let made: ClusterInfo = client.change("/clusters", &flags, "").await?;
            session.show(&made, |made| format!("Cluster id: {}\n", made.id))
        }
        ClusterCommand::Setflags { target, block, file } => {
            let id = target.id(session, ID_MISSING)?;
            if block.is_none() && file.is_none() {
                bail!("At least one of --file or --block must be specified.");
            }
            // The server overwrites both flags, so the one not named must be read first.
            let now: ClusterInfo = client.get(&format!("/clusters/{id}")).await?;
            let flags =
                ClusterFlags { block: block.unwrap_or(now.block), file: file.unwrap_or(now.file) };
            let path = format!("/clusters/{id}/flags");
            client.run(Method::POST, &path, Some(&flags), "").await.map(drop)
        }
        ClusterCommand::Delete(target) => {
            let id = target.id(session, ID_MISSING)?;
            client.run(Method::DELETE, &format!("/clusters/{id}"), NOTHING, "").await?;
            session.console.print(&format!("Cluster {id} deleted\n"))
        }
        ClusterCommand::Info(target) => {
            let id = target.id(session, ID_MISSING)?;
            session.show(&client.get(&format!("/clusters/{id}")).await?, render)
        }
        ClusterCommand::List if session.json => {
            session.show(&client.get::<ClusterList>("/clusters").await?, |_| String::new())
        }
        ClusterCommand::List => session.console.print(&render_list(&all(session).await?)),
    }
}

/// Every cluster there is.
pub(super) async fn all(session: &Session<'_>) -> Result<Vec<ClusterInfo>> {
    let mut clusters = vec![];
    for id in session.client.get::<ClusterList>("/clusters").await?.clusters {
        clusters.extend(session.client.get_if_there(&format!("/clusters/{id}")).await?);
    }
    Ok(clusters)
}

/// The text of `cluster info`.
#[must_use]
pub fn render(cluster: &ClusterInfo) -> String {
    format!(
        "Cluster id: {}\nNodes:\n{}\nVolumes:\n{}\nBlock: {}\n\nFile: {}\n",
        cluster.id,
        lines(&cluster.nodes),
        lines(&cluster.volumes),
        cluster.block,
        cluster.file
    )
}

fn lines(ids: &[impl Display]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn render_list(clusters: &[ClusterInfo]) -> String {
    let mut text = "Clusters:\n".to_owned();
    for cluster in clusters {
        let file = if cluster.file { "[file]" } else { "" };
        let block = if cluster.block { "[block]" } else { "" };
        let _ = writeln!(text, "Id:{} {file}{block}", cluster.id);
    }
    text
}
