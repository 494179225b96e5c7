//! `db backup`: a copy of the server's database in a file.
use super::Session;
use anyhow::{Context, Result, bail};
use clap::Args;
use std::{
    fs::File,
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
};
use tempfile::NamedTempFile;

#[derive(Args)]
pub(super) struct Backup {
    /// Where to write; must not exist yet
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// # Cancel safety
/// Nothing has the name then; what was written so far goes.
pub(super) async fn run(wanted: &Backup, session: &Session<'_>) -> Result<()> {
    let shown = wanted.file.display().to_string();
    // Before anything is asked for: a name that cannot be used is told at once.
    if wanted.file.symlink_metadata().is_ok() {
        bail!("{shown} exists already: nothing is overwritten");
    }
    // SQLite takes an empty file for an empty database: it gets its name when all of it is there.
    let mut copy = beside(&wanted.file).with_context(|| shown.clone())?;
    let database = session.client.bytes("/backup/db").await;
    let database = database.context("cannot get the database from the server")?;
    let written = copy.write_all(&database).and_then(|()| copy.as_file().sync_all());
    written.with_context(|| shown.clone())?;
    match appear(copy, &wanted.file) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!("{shown} exists already: nothing is overwritten")
        }
        outcome => outcome.with_context(|| shown.clone())?,
    }
    session.console.print(&format!("{shown}: {} bytes\n", database.len()))
}

/// A hidden file in the same folder, for its owner alone; dropped, nothing is left of it.
fn beside(file: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new().prefix(".brickyard-backup-").tempfile_in(folder(file))
}

/// Gives it its name, for good, unless somebody else has that by now.
fn appear(copy: NamedTempFile, file: &Path) -> io::Result<()> {
    copy.persist_noclobber(file).map_err(|refused| refused.error)?;
    File::open(folder(file))?.sync_all()
}

fn folder(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
