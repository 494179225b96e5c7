//! `offline state examine gluster`
use super::{clean_up::Site, print};
use crate::{examine, serve, telemetry::Logging};
use anyhow::Result;
use clap::Args;

/// What `offline state examine gluster` takes.
#[derive(Debug, Args)]
pub struct Gluster {
    #[command(flatten)]
    site: Site,
}

impl Gluster {
    /// The marks around the JSON are those that scripts look for (config.md 3).
    pub(super) async fn run(self) -> Result<()> {
        let config = self.site.config()?;
        let app = serve::build(&config, Logging::fixed(), serve::remote(&config).await?).await?;
        let headline = "Offline Examiner invoked while no server runs".to_owned();
        let text = examine::examine(&app.store, app.operations.nodes(), headline).await?;
        app.operations.end().await;
        app.store.clone().close().await;
        print(&format!(
            "What the nodes have, beside the database {}:\nthe JSON stands between two marks.\n\
             EXAMINER_OUTPUT_STARTS\n{text}\nEXAMINER_OUTPUT_ENDS\n",
            config.database.display()
        ))
    }
}
