//! `brickyard demo`: a whole server on simulated storage nodes, ready to be talked to.
//!
//! Nodes and database live in one folder, so a demonstration that is started again goes on where
//! it ended. Authentication is off, and only this machine is answered.
use crate::{
    cli,
    config::{Config, Overrides},
    domain::Gib,
    node::sim::Sim,
    serve,
    telemetry::{self, LogFormat, Logging},
};
use anyhow::{Context, Result};
use clap::Args;
use std::{ffi::OsString, io::Write, net::SocketAddr, path::PathBuf, process::ExitCode, sync::Arc};
use tokio::net::TcpListener;

/// What `demo` takes.
#[derive(Args)]
pub struct Options {
    /// Topology to load, in the format of `topology load`; three zones when none is given.
    #[arg(long, value_name = "FILE")]
    topology: Option<PathBuf>,
    /// Folder for database and simulated nodes.
    #[arg(long, value_name = "FOLDER", default_value = "brickyard-demo")]
    folder: PathBuf,
    /// Address to listen on.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Size of each simulated disk, GiB.
    #[arg(long, value_name = "GIB", default_value_t = 500)]
    disk_size: u64,
}

const THREE_ZONES: &str = include_str!("../topology-examples/three-zones.json");

/// Runs until it is told to end.
///
/// # Errors
/// The folder cannot be written, the address is taken, or the topology cannot be loaded.
pub fn run(options: Options) -> Result<()> {
    let logging = telemetry::start("warning", LogFormat::Text);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(demonstrate(options, logging))
}

async fn demonstrate(options: Options, logging: Logging) -> Result<()> {
    let folder = &options.folder;
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let topology = if let Some(file) = &options.topology {
        file.clone()
    } else {
        let file = folder.join("topology.json");
        std::fs::write(&file, THREE_ZONES).with_context(|| file.display().to_string())?;
        file
    };
    let overrides = Overrides {
        disable_auth: true,
        database: Some(folder.join("brickyard.db")),
        executor: Some("sim".into()),
        ..Overrides::default()
    };
    let config = Config::load(&overrides, |_| None)?;
    let nodes = folder.join("simulated-nodes.json");
    let sim = Sim::open(&nodes, Gib(options.disk_size).to_kib());
    let sim = sim.with_context(|| nodes.display().to_string())?;

    let address = options.listen;
    let listener = TcpListener::bind(address).await;
    let listener = listener.with_context(|| {
        format!("cannot listen on {address}; another address can be given with --listen")
    })?;
    let url = format!("http://{}", listener.local_addr()?);
    let app = serve::build(&config, logging, Arc::new(sim)).await?;
    let stop = serve::until_told()?;
    let server = tokio::spawn(serve::serve(app, listener, serve::Beside::default(), stop.clone()));

    let arguments = ["heketi-cli", "--server", &url, "topology", "load", "--json"];
    let arguments = arguments.into_iter().map(OsString::from).chain([topology.into_os_string()]);
    let arguments: Vec<_> = arguments.collect();
    let loaded = tokio::task::spawn_blocking(move || cli::main(arguments)).await?;
    if loaded != ExitCode::SUCCESS {
        stop.cancel();
        server.await??;
        anyhow::bail!("the topology could not be loaded completely");
    }
    let mut out = std::io::stdout();
    // Somebody who closed standard output still wants the server.
    let _ = out.write_all(welcome(&url, folder).as_bytes()).and_then(|()| out.flush());
    server.await?
}

fn welcome(url: &str, folder: &std::path::Path) -> String {
    let program = std::env::args().next().unwrap_or_else(|| "brickyard".into());
    let folder = folder.display();
    format!(
        "
Brickyard serves on {url}: simulated storage nodes, no authentication.
Try, in another terminal:

  {program} cli --server {url} volume create --size 10 --replica 3
  {program} cli --server {url} topology info
  curl {url}/clusters

Database and nodes are in {folder}/; Ctrl-C ends the server.
"
    )
}
