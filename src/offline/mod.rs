//! Commands that work on the database while no server does, as Heketi's server binary has them
//! (storage.md 6.9, config.md 3): results on standard output, everything else on standard error.
//!
//! The lock of the database keeps them away from a server that runs, and from each other.
#![allow(clippy::doc_markdown, reason = "doc comments are help texts, which show backticks")]
mod adopt;
mod check;
mod clean_up;
mod empty_paths;
mod examine;
mod export;
mod import;
mod rebuild;
mod update_dbvol;

use crate::{adopt::Adoption, config, store::Store};
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use std::{io::Write, path::PathBuf};

pub use adopt::Adopt;
pub use rebuild::Rebuild;

/// What `db` takes.
#[derive(Debug, Subcommand)]
pub enum DbCommand {
    /// Write the whole database to a file, as JSON in Heketi's format
    Export(export::Export),
    /// Make a new database of such a file, be it of this program or of Heketi
    #[command(
        after_help = "Nothing is written unless all of the file can be taken over. Most unfinished \
operations cannot: bring them to rest first, where they were begun."
    )]
    Import(import::Import),
    /// Tell what contradicts itself in the database, as JSON
    ConsistencyCheck(check::ConsistencyCheck),
    /// Remove bricks without a path, which defects of Heketi left behind, and free their space
    DeleteBricksWithEmptyPath(empty_paths::DeleteBricksWithEmptyPath),
}

/// What `offline` takes.
#[derive(Debug, Subcommand)]
pub enum OfflineCommand {
    /// Bring interrupted operations to rest: take them back, or finish them
    CleanupOperations(clean_up::CleanupOperations),
    /// Compare the database with what the nodes have
    #[command(subcommand)]
    State(StateCommand),
    /// Set the options that a database needs on the volume that holds it
    UpdateDbvol(update_dbvol::UpdateDbvol),
}

/// What `offline state` takes.
#[derive(Debug, Subcommand)]
pub enum StateCommand {
    /// Ask what there is
    #[command(subcommand)]
    Examine(ExamineCommand),
}

/// What `offline state examine` takes.
#[derive(Debug, Subcommand)]
pub enum ExamineCommand {
    /// Ask all nodes for their LVM, mounts and gluster volumes, and report what does not agree
    Gluster(examine::Gluster),
}

impl DbCommand {
    /// Whether all that happens is to be told.
    #[must_use]
    pub fn debug(&self) -> bool {
        match self {
            Self::Export(command) => command.database.debug,
            Self::Import(command) => command.database.debug,
            Self::ConsistencyCheck(command) => command.database.debug,
            Self::DeleteBricksWithEmptyPath(command) => command.database.debug,
        }
    }
}

/// Runs a command on a database file.
///
/// # Errors
/// The file is not there, is in use, or cannot be used; what else stands on each command.
pub async fn db(command: DbCommand) -> Result<()> {
    match command {
        DbCommand::Export(command) => command.run().await,
        DbCommand::Import(command) => command.run().await,
        DbCommand::ConsistencyCheck(command) => command.run().await,
        DbCommand::DeleteBricksWithEmptyPath(command) => command.run().await,
    }
}

/// Tells what becomes of a database of Heketi, and makes ours of it if that is wanted.
///
/// # Errors
/// It cannot be read, or something would be lost, or nothing can be made of it.
pub async fn adopt(command: Adopt) -> Result<()> {
    command.run().await
}

/// Makes a database of what the nodes have.
///
/// # Errors
/// There is a database already, or not all nodes told everything.
pub async fn rebuild(command: Rebuild) -> Result<()> {
    command.run().await
}

/// Runs a command on the database and the nodes of a configuration.
///
/// # Errors
/// The configuration makes no sense, or the database cannot be used.
pub async fn offline(command: OfflineCommand) -> Result<()> {
    match command {
        OfflineCommand::CleanupOperations(command) => command.run().await,
        OfflineCommand::UpdateDbvol(command) => command.run().await,
        OfflineCommand::State(StateCommand::Examine(ExamineCommand::Gluster(command))) => {
            command.run().await
        }
    }
}

/// Which database.
#[derive(Debug, Args)]
struct Database {
    /// The database; for Heketi's heketi.db, brickyard.db beside it
    #[arg(long, value_name = "FILE")]
    dbfile: PathBuf,
    /// Log all that happens
    #[arg(long)]
    debug: bool,
}

impl Database {
    /// Heketi's own database, where it is meant and ours is not there; with all that is in it.
    fn of_heketi(&self) -> Result<Option<Adoption>> {
        if config::own_database(&self.dbfile).exists() || !config::is_bolt(&self.dbfile) {
            return Ok(None);
        }
        let found = Adoption::read(&self.dbfile)?;
        for damage in &found.damage {
            note(&format!("cannot be read: {damage}"));
        }
        for strange in &found.strange {
            note(&format!("is unknown to this version, and left out: {strange}"));
        }
        Ok(Some(found))
    }

    /// Opens a database that is there.
    async fn open(&self) -> Result<Store> {
        let path = config::own_database(&self.dbfile);
        if !path.exists() {
            if config::is_bolt(&self.dbfile) {
                bail!(
                    "{0} is a database of Heketi (BoltDB), which is never changed: make one of ours of \
                     it, with `brickyard adopt {0}`",
                    self.dbfile.display()
                );
            }
            bail!("{}: there is no such database", path.display());
        }
        let store = Store::open(&path).await?;
        if let Some(why) = store.barred() {
            note(&format!("only read: {why}"));
        }
        Ok(store)
    }
}

/// Prints a result.
fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    match written {
        // Whoever reads has seen enough.
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("standard output"),
    }
}

/// Tells a person.
fn note(text: &str) {
    // Nobody is left to tell when standard error is closed.
    let _ = writeln!(std::io::stderr(), "{text}");
}
