//! The command line, the same to scripts as heketi-cli: flags, variables, output, exit codes.
//!
//! One file a resource: what clap reads, what is asked of the server, and pure functions that render
//! the answer. Results go to stdout, everything else to stderr; errors end in exit code 255.
#![allow(clippy::doc_markdown, reason = "doc comments are help texts, which show backticks")]
mod args;
mod brick;
mod backup;
mod block_volume;
mod check;
mod client;
mod cluster;
mod console;
mod database_storage;
mod device;
mod manual;
mod node;
mod persistent_volume;
mod server;
mod state;
mod tags;
mod template;
mod tls;
mod token;
pub mod topology;
mod volume;

pub use block_volume::render as render_block_volume;
pub use client::Clock;
pub use cluster::render as render_cluster;
pub use console::Console;
pub use device::render as render_device;
pub use node::render as render_node;
pub use volume::render as render_volume;

use anyhow::Result;
use args::{Globals, JsonFlag};
use clap::{ArgAction, CommandFactory, FromArgMatches, Parser, Subcommand, error::ErrorKind};
use client::Client;
use serde::Serialize;
use std::{ffi::OsString, path::PathBuf, process::ExitCode};

/// The only exit code besides 0, as in Heketi.
const FAILED: u8 = 255;
/// The name completions are made for.
const PROGRAM: &str = "heketi-cli";

/// Manages GlusterFS volumes through a Brickyard (or Heketi) server.
#[derive(Parser)]
#[command(disable_version_flag = true, args_override_self = true, max_term_width = 100)]
#[command(after_help = "Examples:
  heketi-cli topology load --json=topology.json
  heketi-cli volume create --size=100
  heketi-cli --json volume list")]
struct Cli {
    /// Print the version
    #[arg(short, long, action = ArgAction::Version)]
    version: Option<bool>,
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Manage clusters: pools of nodes that volumes are placed in
    #[command(subcommand)]
    Cluster(cluster::ClusterCommand),
    /// Manage nodes: the servers that hold bricks
    #[command(subcommand)]
    Node(node::NodeCommand),
    /// Manage devices: the disks of the nodes
    #[command(subcommand)]
    Device(device::DeviceCommand),
    /// Move bricks from one device to another
    #[command(subcommand)]
    Brick(brick::BrickCommand),
    /// Manage volumes
    #[command(subcommand)]
    Volume(volume::VolumeCommand),
    /// Manage block volumes: iSCSI targets whose disks are files on volumes that host them
    #[command(subcommand)]
    Blockvolume(block_volume::BlockVolumeCommand),
    /// Load clusters, nodes and devices from a file, or show all there is
    #[command(subcommand)]
    Topology(topology::TopologyCommand),
    /// Look after the server: its mode, and the operations that are not finished
    #[command(subcommand)]
    Server(server::ServerCommand),
    /// Show or set how much the server logs
    #[command(subcommand)]
    Loglevel(server::LoglevelCommand),
    /// Look into the database of the server
    #[command(subcommand)]
    Db(server::DbCommand),
    /// Tell what does not agree between the database and the nodes; nothing is changed
    #[command(after_help = "Examples:\n  brickyard check\n  brickyard check --plan=plan.json\n  \
        brickyard check --json")]
    Check(check::Check),
    /// Repair what is confirmed in a plan, after each thing was looked at again
    #[command(after_help = "Examples:\n  brickyard repair plan.json\n  \
        brickyard repair plan.json --only=fstab-line-missing/ID")]
    Repair(check::Repair),
    /// Make a volume for the server's database, and the Kubernetes objects to copy it there
    #[command(aliases = ["setup-heketi-db-storage", "setup-kubernetes-heketi-storage"])]
    #[command(after_help = "Examples:
  heketi-cli setup-openshift-heketi-storage
  kubectl create -f heketi-storage.json

The job copies the database as it is now: stop the server when the job is done, and start it again
with the volume.")]
    SetupOpenshiftHeketiStorage(Box<database_storage::SetUp>),
    /// Print a script that completes commands in a shell
    #[command(after_help = "Example:\n  heketi-cli completion bash > \
        /etc/bash_completion.d/heketi-cli")]
    Completion {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write the pages of all commands to a folder
    #[command(after_help = "Examples:
  heketi-cli man | man -l -
  heketi-cli man /usr/local/share/man/man1")]
    Man {
        /// Folder; made if need be
        folder: Option<PathBuf>,
    },
}

/// Runs the command line; `argv[0]` is the name shown in help texts.
pub fn main(argv: impl IntoIterator<Item = OsString>) -> ExitCode {
    let console = Console::stdio();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => {
            console.note(&format!("Error: cannot start: {e}"));
            return ExitCode::from(FAILED);
        }
    };
    let code = runtime.block_on(run(argv, &console, Clock::default()));
    // A name look-up may hang in its thread; nobody waits for that.
    runtime.shutdown_background();
    ExitCode::from(code)
}

/// Runs the command line on any console; returns the exit code.
pub async fn run(argv: impl IntoIterator<Item = OsString>, console: &Console, clock: Clock) -> u8 {
    let argv: Vec<OsString> = argv.into_iter().collect();
    match parse_and_run(&argv, console, clock).await {
        Ok(()) => 0,
        Err(e) => {
            console.note(&format!("Error: {e:#}"));
            FAILED
        }
    }
}

async fn parse_and_run(argv: &[OsString], console: &Console, clock: Clock) -> Result<()> {
    let name = argv.first().map_or(PROGRAM.into(), |a| a.to_string_lossy().into_owned());
    let mut definition = definition(name);
    let parsed = definition
        .try_get_matches_from_mut(argv)
        .and_then(|mut matches| Cli::from_arg_matches_mut(&mut matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(e) => return explain(&e, &definition, console),
    };
    let Some(command) = cli.command else {
        console.note(definition.render_help().to_string().trim_end());
        return Ok(());
    };
    if let Command::Man { folder } = &command {
        return manual::run(self::definition(PROGRAM.into()), folder.as_deref(), console);
    }
    if let Command::Completion { shell } = command {
        let mut script = vec![];
        clap_complete::generate(shell, &mut self::definition(PROGRAM.into()), PROGRAM, &mut script);
        // clap_complete (clap issues 6386, 6421) writes a name with a dash in two ways into its
        // script for bash, so that nothing after the first word would be completed.
        let script = String::from_utf8_lossy(&script).replace("heketi__subcmd__cli", "heketi__cli");
        return console.print(&script);
    }
    let client = Client::new(&cli.globals, console, clock)?;
    let json = cli.globals.json == JsonFlag::Switch(true);
    let session = Session { client, console, clock, json };
    tokio::select! {
        done = dispatch(command, &session) => done,
        Ok(()) = tokio::signal::ctrl_c() => Err(session.client.interrupted()),
    }
}

async fn dispatch(command: Command, session: &Session<'_>) -> Result<()> {
    match command {
        Command::Cluster(c) => cluster::run(c, session).await,
        Command::Node(c) => node::run(c, session).await,
        Command::Device(c) => device::run(c, session).await,
        Command::Brick(c) => brick::run(c, session).await,
        Command::Volume(c) => volume::run(c, session).await,
        Command::Blockvolume(c) => block_volume::run(c, session).await,
        Command::Topology(c) => topology::run(c, session).await,
        Command::Server(c) => server::run(c, session).await,
        Command::Loglevel(c) => server::run_loglevel(c, session).await,
        Command::Db(c) => server::run_db(c, session).await,
        Command::Check(c) => check::check(c, session).await,
        Command::Repair(c) => check::repair(c, session).await,
        Command::SetupOpenshiftHeketiStorage(wanted) => {
            database_storage::run(&wanted, session).await
        }
        // Have run already: they need no server.
        Command::Completion { .. } | Command::Man { .. } => Ok(()),
    }
}

/// All commands under the name that the program was called by.
fn definition(name: String) -> clap::Command {
    Cli::command().name(name.clone()).bin_name(name).version(env!("CARGO_PKG_VERSION"))
}

/// Help that was asked for is a result; everything else clap says is an error.
fn explain(error: &clap::Error, all: &clap::Command, console: &Console) -> Result<()> {
    let text = error.render().to_string();
    match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => console.print(&text),
        // With settings from the environment clap does not see that nothing was asked for.
        ErrorKind::MissingSubcommand => console.print(&help_of(error, all)),
        _ => {
            let text = text.trim_end();
            anyhow::bail!("{}", text.strip_prefix("error: ").unwrap_or(text).to_owned())
        }
    }
}

/// The help of the group of commands that the error names.
fn help_of(error: &clap::Error, all: &clap::Command) -> String {
    let named = error.get(clap::error::ContextKind::InvalidSubcommand).map(ToString::to_string);
    let mut group = all;
    for word in named.unwrap_or_default().split_whitespace() {
        group = group.find_subcommand(word).unwrap_or(group);
    }
    group.clone().render_help().to_string()
}

/// All that a command needs to run.
struct Session<'a> {
    client: Client<'a>,
    console: &'a Console,
    clock: Clock,
    json: bool,
}

impl Session<'_> {
    /// Prints a result for people, or for programs when `--json` was given.
    fn show<T: Serialize>(&self, value: &T, render: impl FnOnce(&T) -> String) -> Result<()> {
        let text = if self.json { crate::api::json::compact(value)? } else { render(value) };
        self.console.print(&text)
    }
}
