//! `db backup`: a copy of the server's database in a file.
use super::Session;
use anyhow::{Context, Result};
use clap::Args;
use std::{
    fs::{self, File},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
};

#[derive(Args)]
pub(super) struct Backup {
    /// Where to write; must not exist yet
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub(super) async fn run(wanted: &Backup, session: &Session<'_>) -> Result<()> {
    let shown = wanted.file.display().to_string();
    let mut options = File::options();
    // Before anything is asked for: a name that cannot be used is told at once.
    let file = options.write(true).create_new(true).mode(0o600).open(&wanted.file);
    let mut file = file.with_context(|| shown.clone())?;
    let written = async {
        let database = session.client.bytes("/backup/db").await;
        let database = database.context("cannot get the database from the server")?;
        let written = file.write_all(&database).and_then(|()| file.sync_all());
        written.with_context(|| shown.clone()).map(|()| database.len())
    };
    let outcome = written.await;
    let Ok(bytes) = outcome else {
        // Half of a database would be taken for a whole one. It is ours: nobody had it before.
        let _ = fs::remove_file(&wanted.file);
        return outcome.map(drop);
    };
    session.console.print(&format!("{shown}: {bytes} bytes\n"))
}
