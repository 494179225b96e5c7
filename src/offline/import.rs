//! `db import`
use super::{Database, note, sync_folder_of};
use crate::{
    api::database::Dump,
    config,
    database::{self, Import as Taken},
    lenient,
    store::{Lock, Store, snapshot},
};
use anyhow::{Context, Result, bail};
use clap::Args;
use std::{
    fs::{self, File},
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
        refuse_to_overwrite(&target)?;
        let taken = self.read()?;
        make(&taken, &target).await.with_context(|| target.display().to_string())?;
        for line in &taken.notes {
            note(&format!("note: {line}"));
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
        let dump: Dump = lenient::from_slice(&text).with_context(|| shown.clone())?;
        database::import(dump).with_context(|| shown)
    }
}

fn refuse_to_overwrite(target: &Path) -> Result<()> {
    for beside in ["", "-wal", "-journal"] {
        let file = PathBuf::from(format!("{}{beside}", target.display()));
        if file.symlink_metadata().is_ok() {
            bail!("{} exists already: nothing is overwritten", file.display());
        }
    }
    Ok(())
}

/// The database appears under its name when it is whole and on disk, or not at all. The caller has
/// the lock of that name.
async fn make(taken: &Taken, target: &Path) -> Result<()> {
    let beside = target.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = tempfile::Builder::new().prefix(".brickyard-import-").tempdir_in(beside)?;
    let draft = folder.path().join("brickyard.db");
    let store = Store::open(&draft).await?;
    let mut tx = store.write().await?;
    snapshot::put(&mut tx, &taken.snapshot).await?;
    tx.commit().await?;
    // The last connection to go takes everything from the log into the file itself.
    store.close().await;
    if fs::metadata(folder.path().join("brickyard.db-wal")).is_ok_and(|log| log.len() > 0) {
        bail!("its log was not taken into the file");
    }
    File::open(&draft)?.sync_all()?;
    fs::rename(&draft, target)?;
    sync_folder_of(target)?;
    Ok(())
}
