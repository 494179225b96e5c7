//! The nodes' side: they live here, outlive each server, and do not always do what they are told.
//!
//! What goes wrong with command number n is drawn from the seed and n alone.
use crate::{dice::Dice, report::Report};
use async_trait::async_trait;
use brickyard::{
    domain::{Gib, Hostname},
    node::{
        Cmd, NodeError, Ran, Remote, Script,
        sim::{Fault, Faults, Sim, socket},
    },
};
use std::{
    collections::BTreeSet,
    path::Path,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::net::UnixListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// GiB of each simulated disk.
const DISK: u64 = 100;
const BUSY: &str = "Another transaction is in progress for";
const TIMED_OUT: &str = "Error : Request timed out";

pub struct Nodes {
    pub sim: Arc<Sim>,
    weather: Arc<Weather>,
    /// Scripts, and work of glusterd, that go on whether or not somebody waits for them.
    tracker: TaskTracker,
}

impl Nodes {
    /// Nodes that listen in this folder.
    pub fn start(folder: &Path, seed: u64, report: Arc<Report>) -> Self {
        let sim = Arc::new(Sim::new(Gib(DISK).to_kib()));
        let tracker = TaskTracker::new();
        let weather = Arc::new(Weather {
            seed,
            report,
            sim: Arc::downgrade(&sim),
            tracker: tracker.clone(),
            on: AtomicBool::new(false),
            storm: AtomicBool::new(false),
            slow: AtomicBool::new(false),
            commands: AtomicU64::new(0),
            scripts: AtomicU64::new(0),
            faults: AtomicU64::new(0),
            busy: Arc::default(),
        });
        sim.set_faults(Some(weather.clone()));
        let line = Line { sim: sim.clone(), weather: weather.clone(), tracker: tracker.clone() };
        let listener = UnixListener::bind(super::server::socket(folder)).unwrap();
        let scripts = tracker.clone();
        tokio::spawn(async move { socket::serve(listener, Arc::new(line), scripts).await });
        Self { sim, weather, tracker }
    }
    /// How many commands nodes have been given so far.
    pub fn commands(&self) -> u64 {
        self.weather.commands.load(SeqCst)
    }
    /// And how many of them did not do what they were told.
    pub fn faults(&self) -> u64 {
        self.weather.faults.load(SeqCst)
    }
    /// Nothing goes wrong any more, and everybody is there.
    pub fn calm(&self) {
        self.weather.on.store(false, SeqCst);
        self.weather.storm.store(false, SeqCst);
        self.weather.slow.store(false, SeqCst);
        let mut world = self.sim.world();
        for host in std::mem::take(&mut world.down) {
            world.lose_power(&host);
        }
        world.no_glusterd.clear();
    }
    /// Whether some script, or glusterd, is still at work.
    pub fn at_work(&self) -> bool {
        !self.tracker.is_empty()
    }

    /// Bad weather until it is stopped: nodes go and come back, glusterd does, storms rise.
    pub async fn bad_weather(&self, mut dice: Dice, hosts: Vec<String>, stop: CancellationToken) {
        self.weather.on.store(true, SeqCst);
        let episodes = TaskTracker::new();
        while !stop.is_cancelled() {
            let pause = dice.millis(100, 2000);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => break,
            }
            let (host, time) = (dice.pick(&hosts).clone(), dice.millis(100, 5000));
            let (sim, weather, stop) = (self.sim.clone(), self.weather.clone(), stop.clone());
            let what = *dice.pick(&["node down", "node down", "glusterd down", "storm", "slow"]);
            weather.report.count("episodes", what);
            episodes.spawn(async move {
                let change = |begins: bool| {
                    let mut world = sim.world();
                    let world = &mut *world;
                    let hosts = match what {
                        "node down" => &mut world.down,
                        "glusterd down" => &mut world.no_glusterd,
                        "slow" => return weather.slow.store(begins, SeqCst),
                        _ => return weather.storm.store(begins, SeqCst),
                    };
                    if begins {
                        hosts.insert(host.clone());
                    } else if hosts.remove(&host) && what == "node down" {
                        world.lose_power(&host);
                    }
                };
                change(true);
                tokio::select! {
                    () = tokio::time::sleep(time) => {}
                    () = stop.cancelled() => {}
                }
                change(false);
            });
        }
        episodes.close();
        episodes.wait().await;
        self.calm();
    }
}

/// The way to the nodes: it can break while the script at its end goes on, holding its lock.
struct Line {
    sim: Arc<Sim>,
    weather: Arc<Weather>,
    tracker: TaskTracker,
}

tokio::task_local! {
    /// Pause before each command of the present script.
    static SLOW: Duration;
}

#[async_trait]
impl Remote for Line {
    async fn run(&self, host: &Hostname, script: &Script) -> Result<Vec<Ran>, NodeError> {
        let number = self.weather.scripts.fetch_add(1, SeqCst);
        let mut dice = Dice::new(self.weather.seed ^ number, "script");
        let on = self.weather.on.load(SeqCst);
        let cut = on && dice.below(1000) < 10;
        // A load that slows one node slows the others as well: what overlaps once overlaps often.
        let chance = if self.weather.slow.load(SeqCst) { 600 } else { 10 };
        let is_slow = on && (dice.below(1000) < chance || cut && dice.percent(80));
        let slow = if is_slow { dice.millis(2, 120) } else { Duration::ZERO };
        if is_slow {
            self.weather.report.count("faults", "slow script");
        }
        let (sim, to, all) = (self.sim.clone(), host.clone(), script.clone());
        let work = self.tracker.spawn(SLOW.scope(slow, async move { sim.run(&to, &all).await }));
        let in_doubt = |why: String| NodeError::InDoubt {
            host: host.clone(),
            command: script.to_string(),
            why,
        };
        if cut {
            self.weather.fault("line cut, the script goes on");
            tokio::time::sleep(dice.millis(1, 500)).await;
            return Err(in_doubt("torture: the line was cut".into()));
        }
        work.await.map_err(|e| in_doubt(e.to_string()))?
    }
}

struct Weather {
    seed: u64,
    report: Arc<Report>,
    sim: Weak<Sim>,
    tracker: TaskTracker,
    on: AtomicBool,
    storm: AtomicBool,
    slow: AtomicBool,
    commands: AtomicU64,
    scripts: AtomicU64,
    faults: AtomicU64,
    /// Volumes on which glusterd is still at work for somebody who has given up waiting: glusterd
    /// holds a lock for each (`mgmt_v3`).
    busy: Arc<Mutex<BTreeSet<String>>>,
}

/// The volume that a line of a gluster session changes.
fn changed_volume(cmd: &Cmd) -> Option<String> {
    let mut words: Vec<&str> = cmd.argv.iter().map(String::as_str).collect();
    words.extend(cmd.stdin.first().into_iter().flat_map(|line| line.split(' ')));
    if words.contains(&"--xml") {
        return None;
    }
    let at = words.iter().position(|word| *word == "volume")?;
    // `volume VERB NAME`, whatever the verb.
    words.get(at + 2).map(|name| (*name).to_owned())
}

/// A question whose answer is its exit status, and what the product does not insist on: an empty
/// directory that cannot be removed stays.
fn may_not_fail(cmd: &Cmd) -> bool {
    ["grep", "test", "blkid", "rmdir"].contains(&cmd.argv.first().map_or("", String::as_str))
}

impl Weather {
    fn fault(&self, what: &str) {
        self.faults.fetch_add(1, SeqCst);
        self.report.count("faults", what);
    }
    fn is_busy(&self, volume: &str) -> bool {
        self.busy.lock().unwrap().contains(volume)
    }

    /// glusterd goes on with what its command line has given up waiting for.
    fn later(&self, host: &Hostname, cmd: &Cmd, volume: String, delay: Duration) {
        let (sim, host, cmd) = (self.sim.clone(), host.clone(), cmd.clone());
        let busy = self.busy.clone();
        busy.lock().unwrap().insert(volume.clone());
        self.tracker.spawn(async move {
            tokio::time::sleep(delay).await;
            if let Some(sim) = sim.upgrade() {
                // It may fail by then: nobody hears of that either.
                drop(sim.execute(&host, &cmd));
            }
            busy.lock().unwrap().remove(&volume);
        });
    }

    /// What goes wrong with a gluster command that changes a volume.
    fn gluster(&self, dice: &mut Dice, host: &Hostname, cmd: &Cmd, volume: String) -> Fault {
        if dice.percent(35) {
            self.fault("glusterd busy");
            return Fault::Fail(format!("{BUSY} {volume}. Please try again after some time."));
        }
        self.fault("gluster: request timed out, done later");
        let delay = dice.millis(50, 2500);
        self.later(host, cmd, volume, delay);
        Fault::Fail(TIMED_OUT.into())
    }
}

#[async_trait]
impl Faults for Weather {
    async fn before(&self, host: &Hostname, cmd: &Cmd, changes: bool) -> Option<Fault> {
        let number = self.commands.fetch_add(1, SeqCst);
        let slow = SLOW.try_with(|time| *time).unwrap_or_default();
        if !slow.is_zero() {
            tokio::time::sleep(slow).await;
        }
        let volume = changed_volume(cmd).filter(|_| changes);
        if let Some(volume) = volume.as_ref().filter(|volume| self.is_busy(volume)) {
            return Some(Fault::Fail(format!("{BUSY} {volume}. Please try again.")));
        }
        if !self.on.load(SeqCst) {
            return None;
        }
        let mut dice = Dice::new(self.seed ^ number, "command");
        let storm = if self.storm.load(SeqCst) { 10 } else { 1 };
        // Of 10 000 commands; a gluster session is where most depends on the answer.
        let chance = if volume.is_some() { 250 } else { 15 } * storm;
        if dice.below(10_000) >= chance {
            return None;
        }
        if let Some(volume) = volume
            && dice.percent(50)
        {
            return Some(self.gluster(&mut dice, host, cmd, volume));
        }
        match dice.below(5) {
            0 if !may_not_fail(cmd) => {
                self.fault("command failed");
                Some(Fault::Fail("torture: it is broken".into()))
            }
            1 => {
                self.fault("reply lost");
                Some(Fault::ReplyLost)
            }
            2 => {
                self.fault("request lost");
                Some(Fault::RequestLost)
            }
            3 => {
                self.fault("unreachable");
                Some(Fault::Unreachable)
            }
            _ => {
                let time = dice.millis(20, 3000);
                self.fault("hang");
                self.report.took("hang of a command", time);
                tokio::time::sleep(time).await;
                None
            }
        }
    }
    async fn after(&self, _: &Hostname, cmd: &Cmd, changes: bool) -> Option<Fault> {
        if !self.on.load(SeqCst) || !changes {
            return None;
        }
        changed_volume(cmd)?;
        let number = self.commands.load(SeqCst);
        if Dice::new(self.seed ^ number, "after").below(1000) < 8 {
            self.fault("gluster: request timed out, done already");
            return Some(Fault::Fail(TIMED_OUT.into()));
        }
        None
    }
}
