//! `server`, `loglevel` and `db`: look after the server itself.
use super::{Session, args::checked_id};
use crate::api::{
    admin::AdminState,
    logging::LogLevels,
    operation::{
        CleanUpRequest, Moves, OperationCounts, PendingOperation, PendingOperationInfo,
        PendingOperations, Progress,
    },
};
use anyhow::{Result, bail};
use clap::Subcommand;
use reqwest::Method;
use std::fmt::Write;

#[derive(Subcommand)]
pub(super) enum ServerCommand {
    /// Show, cancel and clean up operations that are not finished
    #[command(subcommand)]
    Operations(OperationsCommand),
    /// Show or set whether the server takes changes
    #[command(subcommand)]
    Mode(ModeCommand),
    /// Compare what the server knows with what there is
    #[command(subcommand)]
    State(StateCommand),
}

#[derive(Subcommand)]
pub(super) enum StateCommand {
    /// Ask what there is
    #[command(subcommand)]
    Examine(ExamineCommand),
}

#[derive(Subcommand)]
pub(super) enum ExamineCommand {
    /// Ask all nodes for their LVM, mounts and gluster volumes; print that and a report as JSON
    #[command(
        after_help = "Nothing is changed. \"report\" tells what does not agree; a node that \
does not answer is told there, too."
    )]
    Gluster,
}

#[derive(Subcommand)]
pub(super) enum OperationsCommand {
    /// Count the operations, or show one: what it changes, how far it is, what runs where
    Info {
        /// Show this operation
        #[arg(value_name = "ID")]
        ids: Vec<String>,
    },
    /// List operations that are not finished
    List {
        /// Also how far each is, which step is running where and since when, and what went wrong
        #[arg(long, short)]
        long: bool,
    },
    /// Call operations off that have not passed their point of no return
    #[command(
        after_help = "What an operation has done so far is taken back in the background. One \
that deletes something, or has begun to enlarge a volume, can only be finished."
    )]
    Cancel {
        /// The operations
        #[arg(value_name = "ID", required = true)]
        ids: Vec<String>,
    },
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
  read-only     no changes at all; only SIGUSR2 ends this, or the restart of a server that
                stands alone")]
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
    /// Set how much is logged, until the server ends
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
    /// Copy the whole database, as it is at this moment, to a new file
    #[command(after_help = "Example:\n  heketi-cli db backup brickyard-backup.db\n\n\
A file that is there is not overwritten. Only its owner can read the new one: block volumes have \
passwords. To go back to it, stop the server and put it in the place of the database.")]
    Backup(super::backup::Backup),
}

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
        ServerCommand::State(StateCommand::Examine(ExamineCommand::Gluster)) => {
            let path = "/internal/state/examine/gluster";
            session.console.print(&session.client.text(path).await?)
        }
    }
}

pub(super) async fn run_loglevel(command: LoglevelCommand, session: &Session<'_>) -> Result<()> {
    let path = "/internal/logging";
    match command {
        LoglevelCommand::Get => {
            let levels: LogLevels = session.client.get(path).await?;
            let level = levels.level().unwrap_or_default();
            session.console.print(&format!("{level}\n"))
        }
        LoglevelCommand::Set { words } => {
            let level = one(words, "missing log-level argument")?;
            let body = LogLevels::of(&level);
            session.client.run(Method::POST, path, Some(&body), "").await?;
            session.console.print("Server log level updated\n")
        }
    }
}

pub(super) async fn run_db(command: DbCommand, session: &Session<'_>) -> Result<()> {
    let path = match command {
        DbCommand::Dump => "/db/dump",
        DbCommand::Check => "/db/check",
        DbCommand::Backup(wanted) => return super::backup::run(&wanted, session).await,
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
        OperationsCommand::List { long } => {
            let pending: PendingOperations = client.get("/operations/pending").await?;
            let line = |operation| {
                list_line(operation) + &if long { more(operation) } else { String::new() }
            };
            pending.pendingoperations.iter().map(line).collect()
        }
        OperationsCommand::Cancel { ids } => {
            for id in &ids {
                let id = checked_id(id, "operation id missing")?;
                let path = format!("/operations/pending/{id}");
                client.run(Method::DELETE, &path, None::<&()>, "").await?;
                session.console.print(&format!("Operation {id} is being taken back\n"))?;
            }
            String::new()
        }
        OperationsCommand::Cleanup { ids } => {
            session.console.note(
                "Asking the server to clean up; this ends when the server is done.\n\
                 Operations that cannot be cleaned up are not reported as errors:\n\
                 see what is left by \"server operations list\".",
            );
            let path = "/operations/pending/cleanup";
            let body = CleanUpRequest { operations: ids };
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

fn render_counts(counts: &OperationCounts) -> String {
    let OperationCounts { total, in_flight, new, failed, stale } = counts;
    format!(
        "Operation Counts:\n  Total: {total}\n  In-Flight: {in_flight}\n  New: {new}\n  \
         Failed: {failed}\n  Stale: {stale}\n"
    )
}

fn render_operation(info: &PendingOperationInfo) -> String {
    let operation = &info.operation;
    let mut text = format!(
        "\nId: {}\nType: {}\nStatus: {}\nChanges:\n",
        operation.id,
        operation.type_name,
        status(operation)
    );
    for change in &info.changes {
        let _ = writeln!(text, "    {}: {}", change.description, change.id);
    }
    if operation.progress.is_some() {
        text += "Progress:\n";
        text += &more(operation);
    }
    if !info.steps.is_empty() {
        text += "Steps:\n";
    }
    for step in &info.steps {
        let cluster = step.cluster.map(|cluster| format!("cluster {cluster}"));
        let place = step.host.clone().or(cluster).unwrap_or_default();
        let _ = writeln!(text, "    {}: {} on {place} since {}", step.name, step.state, step.since);
    }
    if !info.commands.is_empty() {
        text += "Commands:\n";
    }
    for command in &info.commands {
        let _ =
            writeln!(text, "    {} since {}: {}", command.host, command.since, command.commands);
    }
    text
}

fn list_line(operation: &PendingOperation) -> String {
    format!("Id:{}  Type:{}  Status:{}\n", operation.id, operation.type_name, status(operation))
}

/// What Heketi does not tell: lines of their own, so that scripts still find the others.
fn more(operation: &PendingOperation) -> String {
    let Some(progress) = &operation.progress else { return String::new() };
    let Progress { state, since, steps_done, steps, running, cancellable, .. } = progress;
    let mut lines = vec![format!("{state} since {since}, {steps_done} of {steps} steps done")];
    lines.extend(running.iter().cloned());
    if let Some(Moves { moved, left }) = progress.bricks {
        lines.push(format!("{moved} brick(s) moved, {left} left"));
    }
    if let Some(files) = progress.to_heal {
        lines.push(format!("waiting for {files} file(s) to be healed"));
    }
    if progress.attempt > 0 {
        lines.push(format!("attempt {}", progress.attempt));
    }
    if !progress.error.is_empty() {
        lines.push(format!("error: {}", progress.error));
    }
    if let Some(time) = progress.retry_at {
        lines.push(format!("tried {} time(s), again at {time}", progress.tries));
    }
    if *cancellable {
        lines.push("can be called off".to_owned());
    }
    lines.iter().fold(String::new(), |text, line| text + "    " + line + "\n")
}

/// The blank before the second word is there even when the word is not.
fn status(operation: &PendingOperation) -> String {
    let first = if operation.status.is_empty() { "New" } else { &operation.status };
    format!("{first} {}", operation.sub_status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::operation::Change;

    const ID: &str = "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a";

    #[test]
    fn operations_look_like_those_of_heketi() {
        let mut info: PendingOperationInfo = serde_json::from_value(serde_json::json!({
            "id": ID, "type_name": "create-volume", "status": "", "sub_status": "in-flight"
        }))
        .unwrap();
        let line = format!("Id:{ID}  Type:create-volume  Status:New in-flight\n");
        assert_eq!(list_line(&info.operation), line);
        info.operation.status = "stale".to_owned();
        info.operation.sub_status.clear();
        info.changes = vec![Change { id: "0b".to_owned(), description: "Add brick".to_owned() }];
        assert_eq!(
            render_operation(&info),
            format!(
                "\nId: {ID}\nType: create-volume\nStatus: stale \nChanges:\n    Add brick: 0b\n"
            )
        );
    }
    #[test]
    fn what_is_more_stands_below() {
        let info: PendingOperationInfo = serde_json::from_value(serde_json::json!({
            "id": ID, "type_name": "delete-volume", "status": "failed", "sub_status": "",
            "progress": {"state": "stuck", "since": "2026-01-01T00:00:00Z", "steps_done": 1,
                "steps": 3, "cancellable": false, "error": "n1 is away", "tries": 2,
                "retry_at": "2026-01-01T00:10:00Z"},
            "steps": [{"stage": 0, "name": "destroy-brick", "state": "running",
                "since": "2026-01-01T00:00:01Z", "host": "n1"}],
            "commands": [{"host": "n1", "since": "2026-01-01T00:00:02Z", "commands": "umount x"}]
        }))
        .unwrap();
        let below = "    stuck since 2026-01-01T00:00:00Z, 1 of 3 steps done\n    \
                     error: n1 is away\n    tried 2 time(s), again at 2026-01-01T00:10:00Z\n";
        assert_eq!(more(&info.operation), below);
        let whole = render_operation(&info);
        let end = format!(
            "Changes:\nProgress:\n{below}Steps:\n    destroy-brick: running on n1 since \
             2026-01-01T00:00:01Z\nCommands:\n    n1 since 2026-01-01T00:00:02Z: umount x\n"
        );
        assert!(whole.ends_with(&end), "{whole}");
    }
    #[test]
    fn how_far_a_removal_is() {
        let operation: PendingOperation = serde_json::from_value(serde_json::json!({
            "id": ID, "type_name": "remove-device", "status": "", "sub_status": "in-flight",
            "progress": {"state": "running", "since": "2026-01-01T00:00:00Z", "steps_done": 0,
                "steps": 0, "bricks": {"moved": 1, "left": 2}, "to_heal": 15, "cancellable": true}
        }))
        .unwrap();
        assert_eq!(
            more(&operation),
            "    running since 2026-01-01T00:00:00Z, 0 of 0 steps done\n    \
             1 brick(s) moved, 2 left\n    waiting for 15 file(s) to be healed\n    \
             can be called off\n"
        );
    }
    #[test]
    fn counts_have_failed_before_stale() {
        let counts = OperationCounts { total: 4, in_flight: 1, new: 2, failed: 3, stale: 5 };
        let text = render_counts(&counts);
        let expected =
            "Operation Counts:\n  Total: 4\n  In-Flight: 1\n  New: 2\n  Failed: 3\n  Stale: 5\n";
        assert_eq!(text, expected);
    }
}
