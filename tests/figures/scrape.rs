//! How long a scrape takes, by how much there is: `just figures`. It prints and judges nothing;
//! that the numbers of a large estate are right is a test, `routes::metrics`.
#![expect(clippy::unwrap_used, clippy::print_stdout, unreachable_pub, reason = "a tool for people")]
#[path = "../harness/many.rs"]
mod many;

use brickyard::{
    app::App,
    config::{Config, Overrides},
    domain::Gib,
    node::sim::Sim,
    scrape, serve,
    telemetry::{Level, Logging},
};
use many::Many;
use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

/// Scrapes of each estate.
const TIMES: usize = 41;

async fn server(folder: &Path) -> App {
    let overrides = Overrides {
        disable_auth: true,
        database: Some(folder.join("brickyard.db")),
        executor: Some("sim".into()),
        ..Overrides::default()
    };
    let config = Config::load(&overrides, |_| None).unwrap();
    let sim = Arc::new(Sim::new(Gib(500).to_kib()));
    serve::build(&config, Logging::new(Level::None, |_| Ok(())), sim).await.unwrap()
}

async fn measure(many: Many) -> (Vec<Duration>, usize) {
    let folder = tempfile::tempdir().unwrap();
    let app = server(folder.path()).await;
    many.write(&folder.path().join("brickyard.db")).await;
    let (mut times, mut length) = (vec![], 0);
    for _ in 0..TIMES {
        let started = Instant::now();
        length = scrape::text(&app).await.unwrap().len();
        times.push(started.elapsed());
    }
    times.sort_unstable();
    (times, length)
}

#[tokio::main]
async fn main() {
    let build = if cfg!(debug_assertions) { "without optimisation" } else { "optimised" };
    println!("a scrape, {build}, ms of {TIMES}:");
    println!(
        "{:>8} {:>8} {:>8} {:>8} {:>8} {:>10}",
        "volumes", "devices", "median", "p95", "most", "bytes"
    );
    for (volumes, nodes, devices) in
        [(100, 3, 4), (1000, 12, 8), (10_000, 24, 12), (50_000, 24, 12)]
    {
        let many = Many { clusters: 1, nodes, devices, volumes, operations: 200 };
        let (times, length) = measure(many).await;
        let ms = |time: Duration| format!("{:.1}", time.as_secs_f64() * 1000.0);
        let [median, p95, most] = [TIMES / 2, TIMES * 95 / 100, TIMES - 1].map(|at| ms(times[at]));
        println!("{volumes:>8} {:>8} {median:>8} {p95:>8} {most:>8} {length:>10}", nodes * devices);
    }
}
