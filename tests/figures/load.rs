//! What requests cost, by how much there is: `just bench`. A table for people, and the same as JSON.
//!
//! The real server as a process, over HTTP on loopback, with a database on disk, on simulated nodes
//! that answer at once: what is measured is the server's own work, commits to disk included. It
//! judges nothing but two things that do not depend on the machine: no request may fail, and with
//! `--flat` creating a volume may not cost more than so many times what it costs on an almost empty
//! database.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    unreachable_pub,
    reason = "a tool for people: what cannot be measured ends it"
)]
#[path = "load/client.rs"]
mod client;
#[path = "load/measure.rs"]
mod measure;
#[path = "load/removal.rs"]
mod removal;
#[path = "load/server.rs"]
mod server;
#[path = "load/table.rs"]
mod table;

use clap::Parser;
use client::{Client, Estate};
use measure::Sample;
use server::Server;
use std::{
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};
use table::{Table, Unit};

/// Creates, reads and counts on estates of growing size.
#[derive(Parser)]
#[command(name = "bench", bin_name = "just bench")]
struct Options {
    /// Nodes of the large estate.
    #[arg(long, default_value_t = 1000)]
    nodes: usize,
    /// Devices on each of them.
    #[arg(long, default_value_t = 12)]
    devices: usize,
    /// Volumes of the large estate.
    #[arg(long, default_value_t = 10_000)]
    volumes: usize,
    /// Creates that are timed one after another.
    #[arg(long, default_value_t = 300)]
    samples: usize,
    /// Leave out the estate of 900 volumes and the removal of a device.
    #[arg(long)]
    quick: bool,
    /// Fail if a create on the large estate costs more than this many times one on an almost empty
    /// one, by the median.
    #[arg(long, value_name = "TIMES")]
    flat: Option<f64>,
    /// Write the figures here as well.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// Clients that create at the same time.
const CLIENTS: usize = 32;

fn main() -> ExitCode {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (table, ratio) = runtime.block_on(measure_all(&options));
    print!("{}", table.text());
    if let Some(file) = &options.json {
        std::fs::write(file, table.json()).unwrap();
    }
    match options.flat {
        Some(most) if ratio > most => {
            println!("not flat: {ratio:.2} times, where {most} are the most");
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}

async fn measure_all(options: &Options) -> (Table, f64) {
    let mut table = Table::new();
    let folder = tempfile::tempdir().unwrap();
    disk(&mut table, folder.path());
    let few = folder.path().join("few");
    let server = Server::start(&few, &[]).await;
    let idle = server.resident();
    table.row("resident memory, idle and empty", idle, Unit::Mb, Some(15.0));
    let small = Estate { nodes: 3, devices: 4 };
    let client = server.client();
    client.load(small).await;
    let almost_empty = client.creates(options.samples).await;
    table.sample("create, almost empty database", &almost_empty, None, None);
    server.end().await;

    if !options.quick {
        some(&mut table, options, &folder.path().join("some")).await;
    }

    let large = folder.path().join("large");
    let server = Server::start(&large, &[]).await;
    let client = server.client();
    let begun = Instant::now();
    let Options { nodes, devices, volumes, .. } = *options;
    client.load(Estate { nodes, devices }).await;
    table.row(
        &format!("topology of {nodes} nodes with {devices} devices each"),
        begun.elapsed().as_secs_f64(),
        Unit::S,
        None,
    );
    let many = client.create_many(volumes, CLIENTS).await;
    table.row(
        &format!("{CLIENTS} clients create {volumes} volumes, in a second"),
        many.rate,
        Unit::Count,
        Some(-600.0),
    );
    table.row("... the most by one client over the least", many.unfair, Unit::Times, None);
    let name = format!("create, {} devices, {volumes} volumes", nodes * devices);
    let full = client.creates(options.samples).await;
    table.sample(&name, &full, None, None);
    let ratio = full.median() / almost_empty.median();
    table.row("... median over that of an almost empty database", ratio, Unit::Times, Some(1.3));
    reads(&mut table, &client, options.samples).await;
    server.end().await;

    // Another process: what making the volumes took is not counted.
    let begun = Instant::now();
    let server = Server::start(&large, &[("HEKETI_DISABLE_HEALTH_MONITOR", "true")]).await;
    let started = begun.elapsed();
    table.row("start-up with them, until the first answer", ms(started), Unit::Ms, Some(500.0));
    reads_once(&server.client()).await;
    table.row("resident memory with them", server.resident(), Unit::Mb, Some(60.0));
    backup(&mut table, &server).await;
    server.end().await;
    if !options.quick {
        removal::measure(&mut table).await;
    }
    (table, ratio)
}

/// The estate that Heketi was measured on.
async fn some(table: &mut Table, options: &Options, folder: &Path) {
    let server = Server::start(folder, &[]).await;
    let client = server.client();
    client.load(Estate { nodes: 50, devices: 12 }).await;
    client.create_many(900, CLIENTS).await;
    let creates = client.creates(options.samples).await;
    table.sample("create, 600 devices, 900 volumes", &creates, Some(3.0), Some(15.0));
    server.end().await;
}

/// What the disk itself takes: nothing that has to be on it can be quicker.
fn disk(table: &mut Table, folder: &Path) {
    let mut file = std::fs::File::create(folder.join("disk")).unwrap();
    let mut sample = Sample::default();
    for _ in 0..200 {
        file.write_all(&[7; 8192]).unwrap();
        let begun = Instant::now();
        file.sync_data().unwrap();
        sample.add(begun.elapsed());
    }
    table.sample("the disk: fdatasync of 8 KiB", &sample, None, None);
}

fn ms(time: std::time::Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

async fn reads(table: &mut Table, client: &Client, samples: usize) {
    for what in ["volumes", "clusters", "nodes"] {
        let ids = client.ids(what).await;
        let sample = client.get_each(what, &ids, samples).await;
        table.sample(&format!("GET /{what}/ID"), &sample, None, Some(5.0));
    }
    for (path, most) in [("/volumes", 20.0), ("/metrics", 20.0)] {
        let sample = client.gets(path, samples.min(50)).await;
        table.sample(&format!("GET {path}"), &sample, Some(most), None);
    }
}

/// What an administrator looks at.
async fn reads_once(client: &Client) {
    for path in ["/clusters", "/volumes", "/metrics"] {
        client.gets(path, 1).await;
    }
}

/// A copy of the database, and how long others wait meanwhile.
async fn backup(table: &mut Table, server: &Server) {
    let (client, other) = (server.client(), server.client());
    let copying = tokio::spawn(async move { client.gets("/backup/db", 5).await });
    let ids = other.ids("volumes").await;
    let mut waits = Sample::default();
    while !copying.is_finished() {
        waits.extend(other.get_each("volumes", &ids, 20).await);
    }
    let copies = copying.await.unwrap();
    table.sample("GET /backup/db", &copies, Some(500.0), None);
    table.row("... the longest GET /volumes/ID meanwhile", waits.most(), Unit::Ms, Some(10.0));
}
