//! `topology`: load clusters, nodes and devices from a file, show all there is.
mod file;
mod info;
mod load;

pub use file::read;
pub use info::render;

use super::{Session, args::JsonFlag};
use anyhow::{Result, bail};
use clap::Subcommand;

#[derive(Subcommand)]
pub(super) enum TopologyCommand {
    /// Add the clusters, nodes and devices of a file that are not there yet
    #[command(after_help = "Nodes are known by their management name, devices by their path. \
What is there already is left\nas it is, so a file can be loaded again after an error or with \
new entries.

Example of a file:
  {\"clusters\": [{\"nodes\": [{
    \"node\": {\"zone\": 1, \"tags\": {\"rack\": \"r1\"},
             \"hostnames\": {\"manage\": [\"node1.example.com\"], \"storage\": [\"192.168.10.1\"]}},
    \"devices\": [\"/dev/sdb\", {\"name\": \"/dev/sdc\", \"destroydata\": true}]
  }]}]}")]
    Load {
        /// The file
        #[arg(id = "json", short, long, value_name = "FILE", value_parser = JsonFlag::file)]
        json: Option<JsonFlag>,
    },
    /// Show all clusters with their volumes, nodes, devices and bricks
    Info,
}

pub(super) async fn run(command: TopologyCommand, session: &Session<'_>) -> Result<()> {
    match command {
        TopologyCommand::Load { json: Some(JsonFlag::File(path)) } => {
            load::run(&read(&path)?, session).await
        }
        // A switch is the one meant for the whole program, which stood further left.
        TopologyCommand::Load { json: None | Some(JsonFlag::Switch(_)) } => {
            bail!("Missing configuration file")
        }
        TopologyCommand::Info => session.show(&info::collect(session).await?, render),
    }
}
