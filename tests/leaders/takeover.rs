//! The server that works is killed, stopped and ended; the others go on.
use super::server::{Anyone, PATIENCE, Sent, Server, TERM};
use crate::{
    control_plane::{self, ControlPlane},
    harness::kube::FakeKube,
    operations::world,
};
use nodes::Nodes;
use reqwest::Method;
use serde_json::json;
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::task::JoinHandle;

#[path = "../kube/provisioner/nodes.rs"]
#[expect(dead_code, reason = "the run of the provisioner needs more of it")]
mod nodes;

/// Commands on nodes after which the server that works is killed: at different places of different
/// operations.
const KILLS: [usize; 6] = [1, 4, 9, 17, 33, 50];
const CLIENTS: usize = 4;
/// Volumes that are made or deleted before each of them.
const EACH: usize = 4;

struct Site {
    servers: Vec<Server>,
    kubeconfig: PathBuf,
    folder: TempDir,
    nodes: Nodes,
}

impl Site {
    async fn start(servers: usize, kubeconfig: PathBuf) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let nodes = Nodes::start(folder.path(), 4);
        let mut site = Self { kubeconfig, folder, nodes, servers: vec![] };
        for n in 0..servers {
            site.add(&format!("server-{n}"));
        }
        site.load().await;
        site
    }
    fn add(&mut self, name: &str) {
        let (folder, socket) = (self.folder.path(), nodes::socket(self.folder.path()));
        self.servers.push(Server::start(name, folder, &self.kubeconfig, &socket));
    }
    fn anyone(&self) -> Anyone {
        Anyone::of(&self.servers)
    }
    async fn load(&self) {
        let file = self.folder.path().join("topology.json");
        std::fs::write(&file, self.nodes.topology().to_string()).unwrap();
        let url = self.servers[self.leader().await].url();
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_brickyard"));
        command.args(["cli", "--server", &url, "topology", "load", "--json"]).arg(file);
        let done = command.output().await.unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
    /// Which one works, as soon as one does.
    async fn leader(&self) -> usize {
        let begun = Instant::now();
        loop {
            for (n, server) in self.servers.iter().enumerate() {
                if server.works().await {
                    return n;
                }
            }
            assert!(begun.elapsed() < PATIENCE, "nobody works");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    /// Waits for rest; then database and nodes must tell the same story.
    async fn agrees(&self) {
        let leader = self.leader().await;
        let file = self.servers[leader].database();
        let options = SqliteConnectOptions::new().filename(file).read_only(true);
        let mut db = SqliteConnection::connect_with(&options).await.unwrap();
        let begun = Instant::now();
        let question = "SELECT count(*) FROM operations WHERE finished_at IS NULL";
        loop {
            let open: i64 = sqlx::query_scalar(question).fetch_one(&mut db).await.unwrap();
            if open == 0 && !self.nodes.at_work() {
                break;
            }
            assert!(begun.elapsed() < PATIENCE, "{open} operations have no end");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let nodes = self.nodes.sim.world().clone();
        world::check(&mut db, &nodes).await.unwrap_or_else(|why| panic!("{why}"));
    }
}

/// What clients were told.
#[derive(Default)]
struct Told {
    made: BTreeSet<String>,
    deleted: BTreeSet<String>,
}

/// Makes volumes and deletes every other one until it is told to stop.
fn client(anyone: Anyone, told: Arc<Mutex<Told>>, stop: Arc<AtomicBool>) -> JoinHandle<()> {
    let body = json!({"size": 1, "durability": {"type": "replicate", "replicate": {"replica": 3}}});
    tokio::spawn(async move {
        while !stop.load(SeqCst) {
            let queue = match anyone.send(Method::POST, "/volumes", &body).await {
                Sent::Accepted(queue) => queue,
                Sent::Refused(429, _) => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
                Sent::Refused(status, why) => panic!("create: {status} {why}"),
                Sent::Unknown => continue,
            };
            let Ok(volume) = anyone.end(&queue).await else { continue };
            let id = volume["id"].as_str().unwrap_or_else(|| panic!("{volume}")).to_owned();
            let keep = {
                let mut told = told.lock().unwrap();
                told.made.insert(id.clone());
                told.made.len() <= told.deleted.len()
            };
            if keep {
                continue;
            }
            // From here on until its end nobody knows whether it is there.
            told.lock().unwrap().made.remove(&id);
            let sent = anyone.send(Method::DELETE, &format!("/volumes/{id}"), &json!({})).await;
            let Sent::Accepted(queue) = sent else { continue };
            if anyone.end(&queue).await.is_ok() {
                told.lock().unwrap().deleted.insert(id);
            }
        }
    })
}

/// Whatever anybody was told is true in the end, and nothing else is on the nodes.
#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again() {
    let kube = FakeKube::start().await;
    let mut site = Site::start(3, kube.kubeconfig()).await;
    // Long enough for a kill between a commit and its backup.
    kube.slow(Duration::from_millis(60));
    killed_at(&mut site, &KILLS).await;
}

/// The same with real Leases and real Secrets, where they are at hand.
#[tokio::test(flavor = "multi_thread")]
async fn killed_on_a_real_api_server() {
    let Some(assets) = control_plane::assets() else {
        eprintln!("SKIPPED: {} does not name a folder with kube-apiserver", control_plane::ASSETS);
        return;
    };
    let plane = ControlPlane::without_controllers(&assets).await;
    let mut site = Site::start(2, plane.kubeconfig()).await;
    killed_at(&mut site, &KILLS[..2]).await;
}

async fn killed_at(site: &mut Site, kills: &[usize]) {
    let (told, stop) = (Arc::<Mutex<Told>>::default(), Arc::<AtomicBool>::default());
    let clients: Vec<_> =
        (0..CLIENTS).map(|_| client(site.anyone(), told.clone(), stop.clone())).collect();
    let done = || {
        let told = told.lock().unwrap();
        told.made.len() + told.deleted.len()
    };
    for &commands in kills {
        let leader = site.leader().await;
        let (before, begun) = (done(), Instant::now());
        while done() < before + EACH {
            assert!(begun.elapsed() < PATIENCE, "nothing comes to an end");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // In the middle of operations, and not where it happens to be.
        site.nodes.hold_after(commands);
        let begun = Instant::now();
        while site.nodes.held() == 0 {
            assert!(begun.elapsed() < PATIENCE, "nothing happens on the nodes");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        site.servers[leader].kill();
        let begun = Instant::now();
        site.nodes.go_on();
        let next = site.leader().await;
        assert_ne!(next, leader);
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(TERM * 3), "the next one began after {took:?}");
        site.servers[leader].start_again();
    }
    stop.store(true, SeqCst);
    for client in clients {
        client.await.unwrap();
    }
    site.agrees().await;
    let (_, _, listed) = site.anyone().get("/volumes").await;
    let listed: BTreeSet<String> = serde_json::from_value(listed["volumes"].clone()).unwrap();
    let told = told.lock().unwrap();
    let lost: Vec<_> = told.made.difference(&listed).collect();
    assert!(lost.is_empty(), "made, and not there: {lost:?}");
    let back: Vec<_> = told.deleted.intersection(&listed).collect();
    assert!(back.is_empty(), "deleted, and there: {back:?}");
    assert!(told.made.len() >= EACH && told.deleted.len() >= EACH, "little was done");
}

/// One that stood still while another took over does nothing any more when it goes on.
#[tokio::test(flavor = "multi_thread")]
async fn stopped_in_the_middle() {
    let kube = FakeKube::start().await;
    let mut site = Site::start(2, kube.kubeconfig()).await;
    let leader = site.leader().await;
    let body = json!({"size": 1, "durability": {"type": "replicate", "replicate": {"replica": 3}}});
    site.nodes.hold_after(2);
    let Sent::Accepted(queue) = site.anyone().send(Method::POST, "/volumes", &body).await else {
        panic!("not accepted")
    };
    while site.nodes.held() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    site.servers[leader].signal("-STOP");
    let next = 1 - leader;
    let begun = Instant::now();
    while !site.servers[next].works().await {
        assert!(begun.elapsed() < PATIENCE, "nobody took over");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    site.nodes.go_on();
    site.servers[leader].signal("-CONT");
    let ended = site.servers[leader].ended().await;
    assert_eq!(ended.code(), Some(1), "{}", site.servers[leader].log());
    assert!(site.servers[leader].log().contains("does not work any more"));
    // Its client learns that it was taken back, from the other.
    let told = Anyone::of([&site.servers[next]]).end(&queue).await;
    assert!(told.is_err(), "{told:?}");
    site.agrees().await;
}

/// An orderly end keeps nobody waiting, and one that stands by says so.
#[tokio::test(flavor = "multi_thread")]
async fn ended_in_order() {
    let kube = FakeKube::start().await;
    let mut site = Site::start(1, kube.kubeconfig()).await;
    site.add("standby");
    let (url, begun) = (site.servers[1].url(), Instant::now());
    let text = async |path: &str| {
        let answer = reqwest::get(format!("{url}{path}")).await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    while reqwest::get(format!("{url}/hello")).await.is_err() {
        assert!(begun.elapsed() < PATIENCE, "it does not even stand by");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(text("/hello").await, (200, "Hello from Heketi".into()));
    while !text("/ready").await.1.contains("server-0") {
        assert!(begun.elapsed() < PATIENCE, "it does not know who works");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for path in ["/ready", "/volumes", "/clusters/0123456789abcdef0123456789abcdef"] {
        let (status, words) = text(path).await;
        assert_eq!(status, 503);
        assert!(words.contains("This server stands by; server-0_"), "{words}");
    }
    assert!(text("/metrics").await.1.contains("\nbrickyard_leader 0\n"));
    let works = reqwest::get(format!("{}/metrics", site.servers[0].url())).await.unwrap();
    assert!(works.text().await.unwrap().contains("\nbrickyard_leader 1\n"));

    site.servers[0].signal("-TERM");
    let begun = Instant::now();
    assert!(site.servers[0].ended().await.success());
    while !site.servers[1].works().await {
        assert!(begun.elapsed() < PATIENCE, "nobody took over");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(site.servers[0].log().contains("another server may take over now"));
    assert_eq!(text("/ready").await, (200, "ready\n".into()));
    assert!(site.servers[1].log().contains("RESTORED"), "{}", site.servers[1].log());
    site.agrees().await;
}

/// Whoever closed the server for maintenance did not mean one process. Only SIGUSR2 opens it again.
#[tokio::test(flavor = "multi_thread")]
async fn the_mode_goes_with_the_work() {
    let kube = FakeKube::start().await;
    let mut site = Site::start(2, kube.kubeconfig()).await;
    let leader = site.leader().await;
    let client = reqwest::Client::new();
    let asked = client.post(format!("{}/admin", site.servers[leader].url()));
    let answer = asked.body(json!({"state": "read-only"}).to_string()).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 204);
    site.servers[leader].kill();
    let mode = async |anyone: Anyone| anyone.get("/admin").await.2;
    let next = Anyone::of([&site.servers[1 - leader]]);
    assert_eq!(mode(next.clone()).await, json!({"state": "read-only"}));
    let refused = next.send(Method::POST, "/clusters", &json!({})).await;
    assert_eq!(refused, Sent::Unknown, "a 503 of a server that works");

    site.servers[1 - leader].signal("-USR2");
    let begun = Instant::now();
    while mode(next.clone()).await != json!({"state": "normal"}) {
        assert!(begun.elapsed() < PATIENCE, "it is not open again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // In order, so that the backup has everything.
    site.servers[1 - leader].signal("-TERM");
    assert!(site.servers[1 - leader].ended().await.success());
    site.servers[leader].start_again();
    let first = Anyone::of([&site.servers[leader]]);
    assert_eq!(mode(first).await, json!({"state": "normal"}));
}
