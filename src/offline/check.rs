//! `db consistency-check`
use super::{Database, print};
use crate::{api::json, database};
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
        if let Some(found) = self.database.of_heketi()? {
            return print(&(json::indented(&database::check(&found.dump))? + "\n"));
        }
        let store = self.database.open().await?;
        let text = database::check_text(&store).await?;
        store.close().await;
        print(&(text + "\n"))
    }
}
