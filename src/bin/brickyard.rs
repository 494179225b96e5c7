//! The one binary: server, demonstration and command line, by its first argument or its name.
use anyhow::Result;
use brickyard::{
    cli,
    config::{Config, Overrides},
    demo, health,
    offline::{self, Adopt, DbCommand, OfflineCommand, Rebuild},
    serve,
    telemetry::{self, LogFormat},
};
use clap::{Args, Parser, Subcommand};
use std::{
    ffi::OsString,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Makes GlusterFS volumes on demand: the drop-in successor of Heketi.
#[derive(Parser)]
#[command(name = "brickyard", version, propagate_version = true, arg_required_else_help = true)]
struct Program {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server.
    Serve(Serve),
    /// Make a database of one of Heketi, which stays as it is; without --yes, tell what would be.
    Adopt(Adopt),
    /// Make a database of what the nodes have; without --yes, tell what would be in it.
    Rebuild(Rebuild),
    /// Tell what does not agree between the database of a server and its nodes.
    #[command(disable_help_flag = true)]
    Check {
        /// What `heketi-cli check` would get.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
        arguments: Vec<OsString>,
    },
    /// Repair what a person has confirmed in a plan of `check`.
    #[command(disable_help_flag = true)]
    Repair {
        /// What `heketi-cli repair` would get.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
        arguments: Vec<OsString>,
    },
    /// Export, import and check the database while no server runs.
    #[command(subcommand)]
    Db(DbCommand),
    /// Work on database and nodes while no server runs.
    #[command(subcommand)]
    Offline(OfflineCommand),
    /// Run a server on simulated storage nodes, with a topology loaded: to try things out.
    Demo(demo::Options),
    /// Ask the server of this machine whether it answers: exit status 0 if it does, 1 if not.
    Health(health::Options),
    /// The command line of Heketi; the same as calling this program by the name heketi-cli.
    #[command(disable_help_flag = true)]
    Cli {
        /// What heketi-cli would get.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
        arguments: Vec<OsString>,
    },
}

/// What `serve` takes; `heketi`, the name of Heketi's server, takes the same.
#[derive(Args)]
struct Serve {
    /// Configuration file, in the format of heketi.json.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Answer everybody without a token.
    #[arg(long)]
    disable_auth: bool,
    /// Address to listen on, instead of the configured port on all addresses.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// SQLite file; made if need be.
    #[arg(long, value_name = "FILE", env = "BRICKYARD_DATABASE")]
    database: Option<PathBuf>,
    /// How nodes are reached: ssh, or sim for simulated ones.
    #[arg(long, value_name = "NAME")]
    executor: Option<String>,
    /// How log lines look.
    #[arg(long, value_enum, default_value_t, env = "BRICKYARD_LOG_FORMAT", value_name = "FORMAT")]
    log_format: LogFormat,
}

/// Heketi's server, called by its name.
#[derive(Parser)]
#[command(name = "heketi", version, disable_version_flag = true)]
#[command(args_conflicts_with_subcommands = true)]
struct Heketi {
    #[command(flatten)]
    serve: Serve,
    #[command(subcommand)]
    command: Option<HeketiCommand>,
    /// Print the version.
    #[arg(short, long)]
    version: bool,
}

#[derive(Subcommand)]
enum HeketiCommand {
    /// Export, import and check the database while no server runs.
    #[command(subcommand)]
    Db(DbCommand),
    /// Work on database and nodes while no server runs.
    #[command(subcommand)]
    Offline(OfflineCommand),
}

fn main() -> ExitCode {
    let mut argv: Vec<OsString> = std::env::args_os().collect();
    let called = argv.first().map(PathBuf::from);
    match called.as_deref().and_then(Path::file_name).and_then(|name| name.to_str()) {
        Some("heketi-cli") => {
            argv.splice(..1, [OsString::from("heketi-cli")]);
            cli::main(argv)
        }
        Some("heketi") => {
            let heketi = Heketi::parse();
            if heketi.version {
                return print_version();
            }
            match heketi.command {
                None => ended(run(heketi.serve)),
                Some(HeketiCommand::Db(command)) => ended(db(command)),
                Some(HeketiCommand::Offline(command)) => ended(work_offline(command)),
            }
        }
        _ if argv.get(1).is_some_and(|word| word == "cli") => {
            argv.splice(..2, [OsString::from("brickyard cli")]);
            cli::main(argv)
        }
        _ => match Program::parse().command {
            Command::Serve(options) => ended(run(options)),
            Command::Adopt(command) => ended(adopt(command)),
            Command::Rebuild(command) => ended(rebuild(command)),
            Command::Check { arguments } => command_line("check", arguments),
            Command::Repair { arguments } => command_line("repair", arguments),
            Command::Db(command) => ended(db(command)),
            Command::Offline(command) => ended(work_offline(command)),
            Command::Demo(options) => ended(demo::run(options)),
            Command::Health(options) => ended(ask(options)),
            Command::Cli { arguments } => {
                cli::main([OsString::from("brickyard cli")].into_iter().chain(arguments))
            }
        },
    }
}

#[expect(clippy::print_stdout, reason = "this is what was asked for")]
fn print_version() -> ExitCode {
    println!("Brickyard {}", serve::VERSION);
    ExitCode::SUCCESS
}

fn run(options: Serve) -> Result<()> {
    let overrides = Overrides {
        config: options.config,
        disable_auth: options.disable_auth,
        database: options.database,
        executor: options.executor,
    };
    let config = Config::load(&overrides, |name| std::env::var(name).ok())?;
    let logging = telemetry::start(&config.log_level, options.log_format);
    runtime()?.block_on(serve::run(config, logging, options.listen))
}

fn ask(options: health::Options) -> Result<()> {
    let variable = |name: &str| std::env::var(name).ok();
    runtime()?.block_on(health::run(options, variable))
}

fn db(command: DbCommand) -> Result<()> {
    // What a person needs to know is told in other ways.
    let _logging =
        telemetry::start(if command.debug() { "debug" } else { "error" }, LogFormat::Text);
    runtime()?.block_on(offline::db(command))
}

fn adopt(command: Adopt) -> Result<()> {
    // What a person needs to know is told in other ways.
    let _logging = telemetry::start("error", LogFormat::Text);
    runtime()?.block_on(offline::adopt(command))
}

fn rebuild(command: Rebuild) -> Result<()> {
    let _logging = telemetry::start("error", LogFormat::Text);
    runtime()?.block_on(offline::rebuild(command))
}

/// A command of the command line that is one of this program as well.
fn command_line(word: &str, arguments: Vec<OsString>) -> ExitCode {
    let named = ["brickyard", word].map(OsString::from);
    cli::main(named.into_iter().chain(arguments))
}

fn work_offline(command: OfflineCommand) -> Result<()> {
    let _logging = telemetry::start("warning", LogFormat::Text);
    runtime()?.block_on(offline::offline(command))
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

#[expect(clippy::print_stderr, reason = "the log may not have been started")]
fn ended(result: Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("brickyard: {error:#}");
            ExitCode::FAILURE
        }
    }
}
