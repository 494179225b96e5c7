//! `blockvolume`: create, expand, delete and show block volumes.
use super::{
    Session,
    args::{Flag, Target, checked_id},
    client::NOTHING,
};
use crate::api::block_volume::{
    BlockVolumeCreateRequest, BlockVolumeExpandRequest, BlockVolumeInfo, BlockVolumeList,
};
use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use reqwest::Method;

const ID_MISSING: &str = "Block volume id missing";

#[derive(Subcommand)]
pub(super) enum BlockVolumeCommand {
    /// Create a block volume
    #[command(after_help = "Examples:
  heketi-cli blockvolume create --size=100
  heketi-cli blockvolume create --size=100 --ha=3 --auth
  heketi-cli blockvolume create --size=100 --clusters=ID,ID")]
    Create(CreateBlockVolume),
    /// Show a block volume, and how to log in to it
    Info(Target),
    /// Make a block volume larger
    #[command(after_help = "Example:\n  heketi-cli blockvolume expand ID --new-size=120")]
    Expand {
        #[command(flatten)]
        target: Target,
        /// Id of the block volume, if not given as argument
        #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
        blockvolume: String,
        /// The size it is to have, in GiB
        #[arg(long, value_name = "GIB", default_value_t = -1, hide_default_value = true)]
        #[arg(allow_negative_numbers = true)]
        new_size: i64,
    },
    /// Delete a block volume and all data on it
    Delete(Target),
    /// List all block volumes
    List,
}

#[derive(Args)]
pub(super) struct CreateBlockVolume {
    /// Size in GiB
    #[arg(long, value_name = "GIB", default_value_t = 0, hide_default_value = true)]
    #[arg(allow_negative_numbers = true)]
    size: i64,
    /// Name; `blockvol_ID` when not given
    #[arg(long, default_value = "", hide_default_value = true)]
    name: String,
    /// Clusters that may hold it; any when not given (repeatable)
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    clusters: Vec<String>,
    /// Number of hosts that export it; all of the cluster when not given
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    #[arg(allow_negative_numbers = true)]
    ha: i64,
    /// Let only those log in who have its password
    #[arg(long, switch(false))]
    auth: bool,
}

pub(super) async fn run(command: BlockVolumeCommand, session: &Session<'_>) -> Result<()> {
    let client = &session.client;
    match command {
        BlockVolumeCommand::Create(wanted) => create(&wanted, session).await,
        BlockVolumeCommand::Info(target) => {
            let id = target.id(session, ID_MISSING)?;
            let found: BlockVolumeInfo = client.get(&format!("/blockvolumes/{id}")).await?;
            session.show(&found, render)
        }
        BlockVolumeCommand::Expand { target, blockvolume, new_size } => {
            if new_size == -1 {
                bail!("Missing new size of the block volume");
            }
            let id = match blockvolume.as_str() {
                "" => target.id(session, ID_MISSING)?,
                id => checked_id(id, ID_MISSING)?,
            };
            let path = format!("/blockvolumes/{id}/expand");
            let body = BlockVolumeExpandRequest { new_size };
            let what = "expanding the block volume";
            let grown: BlockVolumeInfo = client.change(&path, &body, what).await?;
            session.show(&grown, render)
        }
        BlockVolumeCommand::Delete(target) => {
            let id = target.id(session, ID_MISSING)?;
            let path = format!("/blockvolumes/{id}");
            client.run(Method::DELETE, &path, NOTHING, "deleting the block volume").await?;
            session.console.print(&format!("Volume {id} deleted\n"))
        }
        BlockVolumeCommand::List if session.json => {
            session.show(&client.get::<BlockVolumeList>("/blockvolumes").await?, |_| String::new())
        }
        BlockVolumeCommand::List => {
            let mut text = String::new();
            for id in client.get::<BlockVolumeList>("/blockvolumes").await?.blockvolumes {
                if let Some(found) = client.get_if_there(&format!("/blockvolumes/{id}")).await? {
                    text.push_str(&list_line(&found));
                }
            }
            session.console.print(&text)
        }
    }
}

async fn create(wanted: &CreateBlockVolume, session: &Session<'_>) -> Result<()> {
    if wanted.size == 0 {
        bail!("Missing volume size");
    }
    if wanted.ha < 0 {
        bail!("Invalid HA count");
    }
    let body = BlockVolumeCreateRequest {
        size: wanted.size,
        clusters: wanted.clusters.iter().filter(|id| !id.is_empty()).cloned().collect(),
        name: wanted.name.clone(),
        hacount: wanted.ha,
        auth: wanted.auth,
    };
    let what = "creating the block volume";
    let made: BlockVolumeInfo = session.client.change("/blockvolumes", &body, what).await?;
    session.show(&made, render)
}

/// The text of `blockvolume info`.
#[must_use]
pub fn render(block: &BlockVolumeInfo) -> String {
    let target = &block.blockvolume;
    format!(
        "Name: {}\nSize: {}\nUsableSize: {}\nVolume Id: {}\nCluster Id: {}\nHosts: [{}]\nIQN: {}\n\
         LUN: {}\nHacount: {}\nUsername: {}\nPassword: {}\nBlock Hosting Volume: {}\n",
        block.name,
        block.size,
        block.usablesize,
        block.id,
        block.cluster,
        target.hosts.join(" "),
        target.iqn,
        target.lun,
        block.hacount,
        target.username,
        target.password.expose(),
        block.blockhostingvolume
    )
}

fn list_line(block: &BlockVolumeInfo) -> String {
    let (id, cluster) = (block.id.to_string(), block.cluster.to_string());
    format!("Id:{id:<35} Cluster:{cluster:<35} Name:{}\n", block.name)
}
