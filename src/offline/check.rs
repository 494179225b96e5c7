//! `db consistency-check`
use super::{Database, print};
use crate::database;
use anyhow::Result;
use clap::Args;

/// What `db consistency-check` takes.
#[derive(Debug, Args)]
pub struct ConsistencyCheck {
    #[command(flatten)]
    pub(super) database: Database,
}

impl ConsistencyCheck {
    /// What is found is no error, as with Heketi: scripts read the answer.
    pub(super) async fn run(self) -> Result<()> {
        let store = self.database.open().await?;
        let text = database::check_text(&store).await?;
        store.close().await;
        print(&(text + "\n"))
    }
}
