//! `db export`
use super::{Database, note, print};
use crate::{
    api::json,
    database,
    store::{
        Store,
        debris::{self, Debris},
        draft::sync_folder_of,
    },
};
use anyhow::{Context, Result, bail};
use clap::Args;
use std::{
    fs::{self, File},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// What `db export` takes.
#[derive(Debug, Args)]
pub struct Export {
    #[command(flatten)]
    pub(super) database: Database,
    /// Where to write; must not exist yet; - for standard output
    #[arg(long, value_name = "FILE")]
    jsonfile: PathBuf,
    /// For going back to Heketi: only what its `heketi db import` knows, and only if it can go on
    /// with that
    #[arg(long)]
    heketi: bool,
}

impl Export {
    pub(super) async fn run(self) -> Result<()> {
        if self.jsonfile == Path::new("-") {
            return print(&self.read().await?);
        }
        // Before the database is opened, as with Heketi: a name that cannot be used is told at once.
        let shown = self.jsonfile.display().to_string();
        let mut options = File::options();
        // Block volumes have passwords.
        let file = options.write(true).create_new(true).mode(0o600).open(&self.jsonfile);
        let mut file = file.with_context(|| shown.clone())?;
        let written = async {
            file.write_all(self.read().await?.as_bytes()).with_context(|| shown.clone())?;
            file.sync_all().and_then(|()| sync_folder_of(&self.jsonfile)).context(shown)
        };
        let written = written.await;
        if written.is_err() {
            // Half of a file would be taken for a whole one.
            let _ = fs::remove_file(&self.jsonfile);
        }
        written
    }

    async fn read(&self) -> Result<String> {
        if let Some(found) = self.database.of_heketi()? {
            if !found.damage.is_empty() {
                note("what could not be read is missing in the file");
            }
            return Ok(json::indented(&found.dump)? + "\n");
        }
        let store = self.database.open().await?;
        let unfinished = database::unfinished(&store).await?;
        if unfinished > 0 && self.heketi {
            store.close().await;
            bail!(
                "{unfinished} operation(s) are not finished, and Heketi cannot finish them: first run \
                 `brickyard offline cleanup-operations`, or let the server bring them to rest"
            );
        }
        if unfinished > 0 {
            note(&format!(
                "{unfinished} operation(s) are not finished, and not all kinds of them can be \
                 imported. `offline cleanup-operations` brings them to rest, and so does the server"
            ));
        }
        let text = if self.heketi {
            tell_debris(&store).await?;
            database::dump_text(&store).await?
        } else {
            database::export_text(&store).await?
        };
        store.close().await;
        Ok(text + "\n")
    }
}

/// What Heketi's format has no place for, but for the space that it takes.
async fn tell_debris(store: &Store) -> Result<()> {
    let all = debris::all(&mut *store.read().await?).await?;
    // They come by device.
    for left in all.chunk_by(|one, next| one.device == next.device) {
        let space = left.iter().fold(0_u64, |sum, debris| sum.saturating_add(debris.space.0));
        if let [Debris { device, host, .. }, ..] = left {
            note(&format!(
                "device {device} on node {host} has {space} KiB in use for what may be left of {} \
                 removed brick(s). Heketi will not know why: when the node answers, remove what is \
                 left there, and run `heketi-cli device resync {device}`",
                left.len()
            ));
        }
    }
    Ok(())
}
