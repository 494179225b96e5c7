//! `server`, `loglevel` and `db`: look after the server itself.
use super::{Session, args::checked_id};
use crate::api::admin::AdminState;
use anyhow::{Result, bail};
use clap::Subcommand;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt::Write};

#[derive(Subcommand)]
pub(super) enum ServerCommand {
    /// Show and clean up operations of a server of Heketi; Brickyard does not answer it yet
    #[command(subcommand, hide = true)]
    Operations(OperationsCommand),
    /// Show or set whether the server takes changes
    #[command(subcommand)]
    Mode(ModeCommand),
}

#[derive(Subcommand)]
pub(super) enum OperationsCommand {
    /// Count the operations, or show one
    Info {
        /// Show this operation
        #[arg(value_name = "ID")]
        ids: Vec<String>,
    },
    /// List operations that are not finished
    List,
    /// Undo or finish what failed or interrupted operations left behind
    Cleanup {
        /// Only these operations; all when not given
        #[arg(value_name = "ID")]
        ids: Vec<String>,
    },
}

#[derive(Subcommand)]
pub(super) enum ModeCommand {
    /// Print the mode
    Get,
    /// Set the mode
    #[command(after_help = "Modes:
  normal        changes are taken from everywhere
  local-client  changes are taken only from the server's own host
  read-only     no changes at all; only a restart or SIGUSR2 ends this")]
    Set {
        /// normal, local-client or read-only
        #[arg(value_name = "MODE")]
        words: Vec<String>,
    },
}

#[derive(Subcommand)]
pub(super) enum LoglevelCommand {
    /// Print how much is logged
    Get,
    /// Set how much is logged
    Set {
        /// none, critical, error, warning, info or debug
        #[arg(value_name = "LEVEL")]
        words: Vec<String>,
    },
}

#[derive(Subcommand)]
pub(super) enum DbCommand {
    /// Print the whole database as JSON
    Dump,
    /// Check the database for contradictions
    Check,
}

/// Answer of `GET /operations`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Counts {
    total: u64,
    in_flight: u64,
    stale: u64,
    failed: u64,
    new: u64,
}

/// Answer of `GET /operations/pending`.
#[derive(Deserialize)]
struct Pending {
    pendingoperations: Vec<Operation>,
}

/// An operation; what it changes is only told when it is asked for by id.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Operation {
    id: String,
    type_name: String,
    status: String,
    sub_status: String,
    changes: Vec<Change>,
}

#[derive(Deserialize)]
struct Change {
    id: String,
    description: String,
}

/// Body of `POST /operations/pending/cleanup`.
#[derive(Serialize)]
struct Cleanup {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    operations: Vec<String>,
}

/// Body of both directions of `/internal/logging`: levels by logger, of which one exists.
#[derive(Serialize, Deserialize)]
struct Levels {
    loglevel: BTreeMap<String, String>,
}
const LOGGER: &str = "glusterfs";

pub(super) async fn run(command: ServerCommand, session: &Session<'_>) -> Result<()> {
    match command {
        ServerCommand::Operations(command) => operations(command, session).await,
        ServerCommand::Mode(ModeCommand::Get) => {
            let mode: AdminState = session.client.get("/admin").await?;
            session.console.print(&format!("{}\n", mode.state))
        }
        ServerCommand::Mode(ModeCommand::Set { words }) => {
            let state = one(words, "missing mode argument")?;
            let body = AdminState { state };
            session.client.run(Method::POST, "/admin", Some(&body), "").await.map(drop)
        }
    }
}

pub(super) async fn run_loglevel(command: LoglevelCommand, session: &Session<'_>) -> Result<()> {
    let path = "/internal/logging";
    match command {
        LoglevelCommand::Get => {
            let levels: Levels = session.client.get(path).await?;
            let level = levels.loglevel.get(LOGGER).map_or("", String::as_str);
            session.console.print(&format!("{level}\n"))
        }
        LoglevelCommand::Set { words } => {
            let level = one(words, "missing log-level argument")?;
            let body = Levels { loglevel: BTreeMap::from([(LOGGER.to_owned(), level)]) };
            session.client.run(Method::POST, path, Some(&body), "").await?;
            session.console.print("Server log level updated\n")
        }
    }
}

pub(super) async fn run_db(command: DbCommand, session: &Session<'_>) -> Result<()> {
    let path = match command {
        DbCommand::Dump => "/db/dump",
        DbCommand::Check => "/db/check",
    };
    session.console.print(&session.client.text(path).await?)
}

async fn operations(command: OperationsCommand, session: &Session<'_>) -> Result<()> {
    let client = &session.client;
    // Without regard to --json, as scripts have it from Heketi.
    let text = match command {
        OperationsCommand::Info { ids } => match ids.first() {
            None => render_counts(&client.get("/operations").await?),
            Some(id) => {
                let id = checked_id(id, "operation id missing")?;
                render_operation(&client.get(&format!("/operations/pending/{id}")).await?)
            }
        },
        OperationsCommand::List => {
            let pending: Pending = client.get("/operations/pending").await?;
            pending.pendingoperations.iter().map(list_line).collect()
        }
        OperationsCommand::Cleanup { ids } => {
            session.console.note(
                "Asking the server to clean up; this ends when the server is done.\n\
                 Operations that cannot be cleaned up are not reported as errors:\n\
                 see what is left by \"server operations list\".",
            );
            let path = "/operations/pending/cleanup";
            let body = Cleanup { operations: ids };
            client.run(Method::POST, path, Some(&body), "cleaning up").await?;
            String::new()
        }
    };
    session.console.print(&text)
}

fn one(words: Vec<String>, missing: &'static str) -> Result<String> {
    if words.len() > 1 {
        bail!("too many arguments");
    }
    match words.into_iter().next() {
        Some(word) => Ok(word),
        None => bail!(missing),
    }
}

fn render_counts(counts: &Counts) -> String {
    let Counts { total, in_flight, new, failed, stale } = counts;
    format!(
        "Operation Counts:\n  Total: {total}\n  In-Flight: {in_flight}\n  New: {new}\n  \
         Failed: {failed}\n  Stale: {stale}\n"
    )
}

fn render_operation(operation: &Operation) -> String {
    let mut text = format!(
        "\nId: {}\nType: {}\nStatus: {}\nChanges:\n",
        operation.id,
        operation.type_name,
        status(operation)
    );
    for change in &operation.changes {
        let _ = writeln!(text, "    {}: {}", change.description, change.id);
    }
    text
}

fn list_line(operation: &Operation) -> String {
    format!("Id:{}  Type:{}  Status:{}\n", operation.id, operation.type_name, status(operation))
}

/// The blank before the second word is there even when the word is not.
fn status(operation: &Operation) -> String {
    let first = if operation.status.is_empty() { "New" } else { &operation.status };
    format!("{first} {}", operation.sub_status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_look_like_those_of_heketi() {
        let mut operation = Operation {
            id: "0a".to_owned(),
            type_name: "create-volume".to_owned(),
            sub_status: "in-flight".to_owned(),
            ..Operation::default()
        };
        assert_eq!(list_line(&operation), "Id:0a  Type:create-volume  Status:New in-flight\n");
        operation.status = "stale".to_owned();
        operation.sub_status.clear();
        operation.changes =
            vec![Change { id: "0b".to_owned(), description: "Add brick".to_owned() }];
        assert_eq!(
            render_operation(&operation),
            "\nId: 0a\nType: create-volume\nStatus: stale \nChanges:\n    Add brick: 0b\n"
        );
    }
    #[test]
    fn counts_have_failed_before_stale() {
        let counts = Counts { total: 4, in_flight: 1, new: 2, failed: 3, stale: 5 };
        let text = render_counts(&counts);
        let expected =
            "Operation Counts:\n  Total: 4\n  In-Flight: 1\n  New: 2\n  Failed: 3\n  Stale: 5\n";
        assert_eq!(text, expected);
    }
}
