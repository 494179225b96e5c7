//! `db import`
use super::{Database, note};
use crate::{
    adopt, config,
    database::{self, Import as Taken},
    store::Lock,
};
use anyhow::{Context, Result};
use clap::Args;
use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

/// What `db import` takes.
#[derive(Debug, Args)]
pub struct Import {
    #[command(flatten)]
    pub(super) database: Database,
    /// What to read: an export of this program or of Heketi; - for standard input
    #[arg(long, value_name = "FILE")]
    jsonfile: PathBuf,
}

impl Import {
    pub(super) async fn run(self) -> Result<()> {
        let target = config::own_database(&self.database.dbfile);
        let _lock = Lock::take(&target)?;
        adopt::refuse_to_overwrite(&target)?;
        let taken = self.read()?;
        adopt::make(&taken, &target).await.with_context(|| target.display().to_string())?;
        for line in &taken.mended {
            note(&format!("note: set right: {line}"));
        }
        for line in &taken.notes {
            note(&format!("note: {line}"));
        }
        for inherited in &taken.inherited {
            note(&format!("note: {}", adopt::fate(inherited)));
        }
        let rows = &taken.snapshot;
        note(&format!(
            "{} was made: {} cluster(s), {} node(s), {} device(s), {} volume(s), {} brick(s)",
            target.display(),
            rows.clusters.len(),
            rows.nodes.len(),
            rows.devices.len(),
            rows.volumes.len(),
            rows.bricks.len()
        ));
        Ok(())
    }

    fn read(&self) -> Result<Taken> {
        let shown = self.jsonfile.display().to_string();
        let mut text = vec![];
        let read = if self.jsonfile == Path::new("-") {
            std::io::stdin().lock().read_to_end(&mut text).map(drop)
        } else {
            File::open(&self.jsonfile).and_then(|mut f| f.read_to_end(&mut text)).map(drop)
        };
        read.with_context(|| shown.clone())?;
        let dump = database::read_export(&text).with_context(|| shown.clone())?;
        database::import(dump).with_context(|| shown)
    }
}
