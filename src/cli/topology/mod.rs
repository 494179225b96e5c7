//! `topology`: load clusters, nodes and devices from a file, show all there is.
mod file;
mod info;
mod load;
mod members;
mod pages;

pub use file::read;
pub use info::render;

use super::{Session, args::JsonFlag, template::Template};
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
    #[command(after_help = "Examples:
  heketi-cli topology info
  heketi-cli topology info --template='{{range .ClusterList}}{{range .Nodes}}
    {{- .Id}} {{join .Hostnames.Manage \",\"}}
  {{end}}{{end}}'

Besides those of Go's text/template there are the functions join, kibToGib and entryStateString. \
A member\nthat does not exist is an error that lists those that do.")]
    Info {
        /// Show what this template, in the language of Go's text/template, makes of all there is
        #[arg(short = 'T', long, value_name = "TEXT")]
        template: Option<String>,
    },
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
        TopologyCommand::Info { template: Some(text) } if !session.json => {
            // Before the server is asked for everything it knows.
            let template = Template::parse(&text)?;
            let topology = info::collect(session).await?;
            session.console.print(&template.render(&members::of(&topology))?)
        }
        TopologyCommand::Info { .. } => session.show(&info::collect(session).await?, render),
    }
}
