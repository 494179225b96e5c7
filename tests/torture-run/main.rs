//! The real server is killed again and again, nodes do not do what they are told, and clients go
//! on all the same. Afterwards, and now and then meanwhile, everything must come to rest by itself,
//! and database, nodes and clients must tell the same story.
//!
//! Run by `tests/torture`. The nodes are simulated in this process, so they outlive each server as
//! real nodes do: what a killed server has sent is done while the next one recovers.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    unreachable_pub,
    reason = "a run that cannot go on fails, and what it prints is its report"
)]
mod checkpoint;
mod client;
mod dice;
mod http;
mod killer;
mod ledger;
mod nodes;
mod operator;
mod report;
mod run;
mod server;
mod topology;
#[expect(dead_code, reason = "other tests make more trouble")]
#[path = "../harness/kube.rs"]
mod kube;
#[path = "../operations/rest.rs"]
mod rest;
#[expect(dead_code, reason = "the newest operation is a question of other tests")]
#[path = "../operations/world.rs"]
mod world;

use checkpoint::Checkpoint;
use clap::Parser;
use client::Client;
use dice::Dice;
use killer::Killer;
use nodes::Nodes;
use operator::Operator;
use report::Report;
use run::Run;
use server::Server;
use std::{
    path::Path,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use topology::Topology;

/// Looks at everything so often.
const CHECKPOINTS: u32 = 4;

/// Torture run: a real server on simulated nodes, killed while it works.
///
/// Random clients, faults of nodes and deaths of the server are drawn from the seed, each from a
/// stream of its own: the same seed draws the same decisions. Which command or request a decision
/// meets depends on the timing of processes and threads, which is not replayed. A run that fails
/// says what is wrong and keeps database, log and nodes.
#[derive(Clone, Parser)]
#[command(name = "torture", bin_name = "tests/torture")]
struct Options {
    /// How long clients and killers work, checkpoints not counted.
    #[arg(long, value_name = "N", default_value_t = 60)]
    seconds: u64,
    /// Decides everything that is decided at random; the clock's when none is given.
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Clients at once.
    #[arg(long, value_name = "C", default_value_t = 20)]
    clients: usize,
    /// Keep backups as for several servers, and delete the database at every other end of the server.
    #[arg(long)]
    disk_lost: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let clock = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let seed = options.seed.unwrap_or_else(clock);
    let folder = tempfile::Builder::new().prefix("brickyard-torture-").tempdir().unwrap();
    let report = Arc::new(Report::new());
    let Options { seconds, clients, .. } = options;
    report.say(&format!("seed {seed}, {seconds} s, {clients} clients"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(torture(&options, seed, folder.path(), &report));
    runtime.shutdown_timeout(Duration::from_secs(1));
    print!("{}", report.text());
    ended(&report, seed, folder)
}

fn ended(report: &Report, seed: u64, folder: TempDir) -> ExitCode {
    let log = std::fs::read_to_string(server::log(folder.path())).unwrap_or_default();
    if let Some(line) = log.lines().find(|line| line.contains("panicked")) {
        report.finding(format!("the server's log: {line}"));
    }
    if report.is_clean() {
        println!("torture: seed {seed}: nothing was lost and nothing is left over");
        return ExitCode::SUCCESS;
    }
    for finding in report.findings() {
        eprintln!("torture: {finding}");
    }
    let folder = folder.keep();
    eprintln!("torture: seed {seed} failed; database, nodes and log are in {}", folder.display());
    ExitCode::FAILURE
}

async fn torture(options: &Options, seed: u64, folder: &Path, report: &Arc<Report>) {
    let nodes = Arc::new(Nodes::start(folder, seed, report.clone()));
    let kube = if options.disk_lost { Some(kube::FakeKube::start().await) } else { None };
    let mut server = Server::start(folder, kube.as_ref().map(kube::FakeKube::kubeconfig));
    server.answers().await.unwrap();
    let topology = Topology::load(&server.client()).await;
    let run = Arc::new(Run::new(report.clone(), server.client(), topology));
    let mut clients: Vec<Client> =
        (0..options.clients).map(|n| Client::new(n, run.clone(), seed)).collect();
    let mut operator = Operator::new(run.clone(), seed);
    let time = Duration::from_secs(options.seconds) / CHECKPOINTS;
    for phase in 1..=CHECKPOINTS {
        let dice = |name: &str| Dice::new(seed ^ u64::from(phase), name);
        let stop = CancellationToken::new();
        let killer = Killer {
            run: run.clone(),
            nodes: nodes.clone(),
            dice: dice("killer"),
            server,
            disk_lost: options.disk_lost,
        };
        let killing = tokio::spawn(killer.work(stop.clone()));
        let operating = tokio::spawn(operator.work(stop.clone()));
        let working: JoinSet<Client> =
            clients.into_iter().map(|client| client.work(stop.clone())).collect();
        let (sky, hosts, over) = (nodes.clone(), run.topology.hosts(), stop.clone());
        let weather = dice("weather");
        let weather = tokio::spawn(async move { sky.bad_weather(weather, hosts, over).await });

        let until = Instant::now() + time;
        while Instant::now() < until && report.is_clean() && !killing.is_finished() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        stop.cancel();
        weather.await.unwrap();
        clients = working.join_all().await;
        operator = operating.await.unwrap();
        server = killing.await.unwrap().server;
        report.say(&format!("checkpoint {phase} of {CHECKPOINTS}"));
        Checkpoint { run: &run, nodes: &nodes, folder }.hold(&mut server).await;
        if !report.is_clean() {
            break;
        }
        operator.look_again().await;
    }
    let world = serde_json::to_vec_pretty(&*nodes.sim.world()).unwrap();
    std::fs::write(folder.join("nodes.json"), world).unwrap();
}
