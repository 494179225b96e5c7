//! A device with many bricks is removed, on nodes where each command takes its time.
use crate::{
    client::{Client, Estate},
    table::{Table, Unit},
};
use async_trait::async_trait;
use brickyard::{
    config::{Config, Overrides},
    domain::{Gib, Hostname},
    node::{
        Cmd,
        sim::{Fault, Faults, Sim},
    },
    serve::{self, Beside},
    telemetry::{Level, Logging},
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const BRICKS: usize = 20;
const COMMAND: Duration = Duration::from_millis(100);

struct Slow;

#[async_trait]
impl Faults for Slow {
    async fn before(&self, _: &Hostname, _: &Cmd, _: bool) -> Option<Fault> {
        tokio::time::sleep(COMMAND).await;
        None
    }
    async fn after(&self, _: &Hostname, _: &Cmd, _: bool) -> Option<Fault> {
        None
    }
}

/// How many times faster it is than moving its bricks one after another.
pub async fn measure(table: &mut Table) {
    let folder = tempfile::tempdir().unwrap();
    let sim = Arc::new(Sim::new(Gib(1000).to_kib()));
    let overrides = Overrides {
        disable_auth: true,
        database: Some(folder.path().join("brickyard.db")),
        executor: Some("sim".into()),
        ..Overrides::default()
    };
    let config = Config::load(&overrides, |_| None).unwrap();
    let logging = Logging::new(Level::None, |_| Ok(()));
    let app = serve::build(&config, logging, sim.clone()).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client::new(&format!("http://{}", listener.local_addr().unwrap()));
    let stop = CancellationToken::new();
    let serving = tokio::spawn(serve::serve(app, listener, Beside::default(), stop.clone()));

    // Every volume has a brick on every device, until there are more devices.
    client.load(Estate { nodes: 3, devices: 1 }).await;
    client.create_many(BRICKS, 4).await;
    let nodes = client.ids("nodes").await;
    for node in &nodes {
        client.add_device(node, "/dev/more").await;
    }
    let [first, second] = [client.device_of(&nodes[0]).await, client.device_of(&nodes[1]).await];
    sim.set_faults(Some(Arc::new(Slow)));
    let begun = Instant::now();
    client.evict(&second.bricks[0]).await;
    let one = begun.elapsed();
    let begun = Instant::now();
    client.set_state(&first.id, "offline").await;
    client.set_state(&first.id, "failed").await;
    let all = begun.elapsed();
    assert_eq!((first.bricks.len(), client.device(&first.id).await.bricks.len()), (BRICKS, 0));
    table.row("one brick moves, 100 ms a command", one.as_secs_f64(), Unit::S, None);
    table.row(
        &format!("a device with {BRICKS} bricks is removed"),
        all.as_secs_f64(),
        Unit::S,
        None,
    );
    let times = one.as_secs_f64() * 20.0 / all.as_secs_f64();
    table.row("... times as fast as one brick after another", times, Unit::Times, Some(-4.0));
    sim.set_faults(None);
    stop.cancel();
    serving.await.unwrap().unwrap();
}
