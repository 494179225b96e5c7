//! `adopt`
use super::{note, print};
use crate::{
    adopt::{self, Adoption},
    store::Lock,
};
use anyhow::{Context, Result, bail};
use clap::Args;
use std::path::PathBuf;

/// What `adopt` takes.
#[derive(Debug, Args)]
pub struct Adopt {
    /// Heketi's database: heketi.db, a backup of it packed by gzip, or what `heketi db export` wrote
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The database to make; brickyard.db beside the file if not given
    #[arg(long, value_name = "FILE")]
    database: Option<PathBuf>,
    /// Make the database; without this it is only told what would become of it
    #[arg(long, conflicts_with = "dry_run")]
    yes: bool,
    /// Only tell, which is done anyway
    #[arg(long)]
    dry_run: bool,
    /// Go on without entries that cannot be read, and members that are unknown
    #[arg(long)]
    leave_out: bool,
}

impl Adopt {
    /// Tells what is in the file and what becomes of it, and makes the database if that is wanted.
    ///
    /// # Errors
    /// Something cannot be taken over, or would be lost; or the database cannot be made.
    pub async fn run(self) -> Result<()> {
        let adoption = Adoption::read(&self.file)?;
        print(&adoption.to_string())?;
        let import = match (&adoption.outcome, adoption.loses()) {
            (Err(problems), _) => bail!(
                "{} thing(s) cannot be taken over: nothing was made. What has to be changed by hand \
                 can be changed in the file that `db export` makes of it",
                problems.0.len()
            ),
            (Ok(_), true) if adoption.loses_pages() => bail!(
                "pages are damaged, and nobody can tell what stood on them: nothing was made. What \
                 is left is in the file that `db export` makes of it, which can be adopted"
            ),
            (Ok(_), true) if !self.leave_out => {
                bail!("something would be lost: nothing was made. --leave-out goes on without it")
            }
            (Ok(import), _) => import,
        };
        let target = self.database.unwrap_or_else(|| adopt::beside(&self.file));
        if !self.yes {
            note(&format!("Nothing was made; --yes makes {}", target.display()));
            return Ok(());
        }
        let _lock = Lock::take(&target)?;
        adopt::refuse_to_overwrite(&target)?;
        adopt::make(import, &target).await.with_context(|| target.display().to_string())?;
        note(&format!("{} was made; {} is as it was", target.display(), self.file.display()));
        Ok(())
    }
}
