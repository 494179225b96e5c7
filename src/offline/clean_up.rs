//! `offline cleanup-operations`
use super::{note, print};
use crate::{
    config::{Config, Overrides},
    serve,
    telemetry::Logging,
};
use anyhow::{Result, bail};
use clap::Args;
use std::path::PathBuf;

/// What `offline cleanup-operations` takes.
#[derive(Debug, Args)]
pub struct CleanupOperations {
    #[command(flatten)]
    pub(super) site: Site,
}

/// Which database and which nodes, as the server has them.
#[derive(Debug, Args)]
pub(super) struct Site {
    /// Configuration file, in the format of heketi.json
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// SQLite file, instead of the configured one
    #[arg(long, value_name = "FILE", env = "BRICKYARD_DATABASE")]
    database: Option<PathBuf>,
    /// How nodes are reached, instead of the configured way
    #[arg(long, value_name = "NAME")]
    executor: Option<String>,
}

impl Site {
    /// Nobody logs in here, so no keys are needed.
    pub(super) fn config(self) -> Result<Config> {
        let config = self.config_of_a_new_database()?;
        if config.heketi_database.is_none() && !config.database.exists() {
            bail!("{}: there is no such database", config.database.display());
        }
        Ok(config)
    }
    /// The same for a database that is to be made.
    pub(super) fn config_of_a_new_database(self) -> Result<Config> {
        let overrides = Overrides {
            config: self.config,
            disable_auth: true,
            database: self.database,
            executor: self.executor,
        };
        Ok(Config::load(&overrides, |name| std::env::var(name).ok())?)
    }
}

impl CleanupOperations {
    /// An operation that stays is no error, as with Heketi.
    pub(super) async fn run(self) -> Result<()> {
        let config = self.site.config()?;
        let app = serve::build(&config, Logging::fixed(), serve::remote(&config).await?).await?;
        let before = app.operations.pending().await?.pendingoperations.len();
        let left = app.operations.settle().await?.pendingoperations;
        app.operations.end().await;
        app.store.clone().close().await;
        for operation in &left {
            let why = operation.progress.as_ref().map_or("", |progress| &progress.error);
            note(&format!("{} {} stays: {why}", operation.type_name, operation.id));
        }
        print(&format!(
            "{} operation(s) brought to rest, {} left\n",
            before.saturating_sub(left.len()),
            left.len()
        ))
    }
}
