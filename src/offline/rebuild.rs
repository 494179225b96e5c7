//! `rebuild`
use super::{clean_up::Site, note, print};
use crate::{
    adopt,
    cli::topology,
    config,
    node::Nodes,
    reality::rebuild::{Rebuilt, rebuild},
    serve,
    store::Lock,
};
use anyhow::{Context, Result, bail};
use clap::Args;
use std::path::PathBuf;

/// What `rebuild` takes.
#[derive(Debug, Args)]
#[command(
    after_help = "Ids of devices, bricks and volumes stand in names on the nodes and are kept. \
docs/CHECKING.md lists\nwhat cannot be known. Neither a database that is there nor anything on a \
node is changed."
)]
pub struct Rebuild {
    #[command(flatten)]
    site: Site,
    /// The hosts, in the format of `topology load`; which devices they have is asked of them
    #[arg(long, value_name = "FILE")]
    hosts: PathBuf,
    /// Make the database; else tell what would be in it
    #[arg(long)]
    yes: bool,
    /// Make it although not all nodes told everything: what they have will be missing
    #[arg(long)]
    incomplete: bool,
}

impl Rebuild {
    pub(super) async fn run(self) -> Result<()> {
        let config = self.site.config_of_a_new_database()?;
        let target = config::own_database(&config.database);
        let hosts = topology::read(&self.hosts)?;
        let nodes = Nodes::new(serve::remote(&config).await?, config.tools.clone());
        // Taken first: nobody else begins to make it, and no server runs on it.
        let _lock = self.yes.then(|| Lock::take(&target)).transpose()?;
        if self.yes {
            adopt::refuse_to_overwrite(&target)?;
        }
        let Rebuilt { import, lacking } = rebuild(&nodes, &hosts).await?;
        for line in &import.notes {
            note(&format!("note: {line}"));
        }
        for line in &lacking {
            note(&format!("missing: {line}"));
        }
        let rows = &import.snapshot;
        let what = format!(
            "{} cluster(s), {} node(s), {} device(s), {} volume(s), {} brick(s)",
            rows.clusters.len(),
            rows.nodes.len(),
            rows.devices.len(),
            rows.volumes.len(),
            rows.bricks.len()
        );
        if !self.yes {
            return print(&format!(
                "found: {what}\nnothing was written: --yes makes {}\n",
                target.display()
            ));
        }
        if !lacking.is_empty() && !self.incomplete {
            bail!(
                "{} thing(s) would be missing; nothing was written. See to it that all nodes answer, \
                 or make do without with --incomplete",
                lacking.len()
            );
        }
        adopt::make(&import, &target).await.with_context(|| target.display().to_string())?;
        print(&format!("{} was made: {what}\n", target.display()))
    }
}
