//! Kills the server, and cuts the power of nodes, in the middle of real work on real nodes; after
//! each time everything comes to rest by itself, and nodes and database tell the same story.
//!
//! Run by `tests/lab/survive`, which boots the nodes. What is done when follows from a seed.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    unreachable_pub,
    reason = "a run that cannot go on fails, and what it prints is its report"
)]
#[path = "scenario/chance.rs"]
mod chance;
#[path = "scenario/cluster.rs"]
mod cluster;
#[path = "scenario/compare.rs"]
mod compare;
#[path = "scenario/database.rs"]
mod database;
#[path = "scenario/http.rs"]
mod http;
#[path = "scenario/node.rs"]
mod node;
#[path = "../operations/rest.rs"]
mod rest;
#[path = "scenario/server.rs"]
#[expect(dead_code, reason = "the other run ends it in order")]
mod server;
#[path = "scenario/work.rs"]
mod work;

use chance::Chance;
use clap::Parser;
use cluster::{NODES, come_together, dissolve, leftovers, read_back, topology, write_to};
use compare::differences;
use database::{Database, OperationRow, VolumeRow};
use http::{Answer, Http};
use node::{Node, sh};
use server::Server;
use std::{
    collections::{BTreeMap, BTreeSet},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tokio::{runtime::Runtime, task::JoinHandle};
use work::{Kind, SHAPES, WIDE, Work, standing};

/// Kills of the server and power cuts of nodes.
#[derive(Parser)]
struct Options {
    /// SIGKILLs of the server while an operation runs
    #[arg(long, default_value_t = 30)]
    kills: usize,
    /// Power cuts of a node while an operation runs
    #[arg(long, default_value_t = 5)]
    cuts: usize,
    /// The same seed draws the same operations and moments; the clock's when none is given
    #[arg(long)]
    seed: Option<u64>,
    /// User on the nodes
    #[arg(long, default_value = "root")]
    user: String,
}

/// Longest wait for the rest after a kill, and after a node is back: gluster itself gives up a
/// transaction with a dead peer only after minutes.
const REST: Duration = Duration::from_mins(5);
const REST_AFTER_CUT: Duration = Duration::from_mins(12);
/// So many victims are kept in stock.
const STOCK: usize = 3;

fn main() {
    let options = Options::parse();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let seed = options.seed.unwrap_or(now);
    say(&format!("seed {seed}: {} kills, {} power cuts", options.kills, options.cuts));
    let started = Instant::now();
    let mut run = Run::new(&options.user, seed);
    run.prepare();
    let limit = 2 * options.kills;
    while run.kills < options.kills && run.rounds.len() < limit {
        run.kill_round();
    }
    for number in 0..options.cuts {
        run.cut_round(number);
    }
    run.end();
    say(&format!("all of it: {} s", started.elapsed().as_secs()));
    run.report(seed);
    let enough = run.kills >= options.kills;
    assert!(enough, "{} of {} kills hit something", run.kills, options.kills);
    assert!(run.known.is_empty(), "the nodes and the database differ, see above");
}

fn say(text: &str) {
    println!("survive: {text}");
}

/// When it happens, in the life of the first operation of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aim {
    /// The request may not even have been read.
    Request,
    /// Right after the 202.
    Accepted,
    /// While this stage is at work.
    Stage(i64),
    /// Any moment within its usual time.
    Anytime,
}

/// What was begun, and what became of it.
struct Begun {
    work: Work,
    /// None when the server died before it said.
    id: Option<String>,
    /// Where it stood at the kill.
    stood: String,
    ended: String,
}

/// One time that something was cut short.
struct Round {
    what: String,
    begun: Vec<Begun>,
    rest: Duration,
    /// Kills beyond the first one: of the server that recovers.
    again: usize,
}

struct Run {
    server: Server,
    nodes: Vec<Node>,
    http: Http,
    database: Database,
    chance: Chance,
    /// How long stages usually take.
    usual: BTreeMap<(Kind, i64), Duration>,
    /// Volumes that are never touched, and what is in them.
    kept: Vec<(String, String)>,
    /// Counts the moments that were aimed at, for each kind from another one on.
    aims: BTreeMap<Kind, usize>,
    names: usize,
    kills: usize,
    rounds: Vec<Round>,
    /// Differences that were told already.
    known: BTreeSet<String>,
    _runtime: Runtime,
}

impl Run {
    fn new(user: &str, seed: u64) -> Self {
        assert_eq!(leftovers(&[]), "", "the nodes are not clean to begin with");
        let runtime = Runtime::new().unwrap();
        let server = Server::start(user, |config| {
            config["use_auth"] = false.into();
            config["glusterfs"]["start_time_background_cleaner"] = 5.into();
            config["glusterfs"]["refresh_time_background_cleaner"] = 5.into();
        });
        let mut chance = Chance(seed);
        let aims = Kind::ALL.map(|kind| (kind, chance.below(6)));
        Self {
            nodes: NODES.map(Node).to_vec(),
            http: Http::new(server.url(), runtime.handle().clone()),
            database: server.database(runtime.handle()),
            server,
            chance,
            usual: BTreeMap::new(),
            kept: vec![],
            aims: aims.into(),
            names: 0,
            kills: 0,
            rounds: vec![],
            known: BTreeSet::new(),
            _runtime: runtime,
        }
    }

    /// The cluster, two volumes to be left alone, and the usual times of everything.
    fn prepare(&mut self) {
        let topology = self.server.write("topology.json", &topology());
        self.server.cli(&["topology", "load", "--json", &topology]);
        for shape in ["replica3", "disperse"] {
            let name = format!("kept-{shape}");
            self.undisturbed(&Work::create(name.clone()));
            self.kept.push((name.clone(), write_to(self.nodes[0], &name)));
        }
        self.stock();
        let victims = self.victims(&[]);
        self.undisturbed(&Work::on(Kind::Expand, &victims[0]));
        self.undisturbed(&Work::on(Kind::Delete, &victims[1]));
        self.check("to begin with");
        let times = |(kind, stage): (&(Kind, i64), &Duration)| {
            format!("{} stage {}: {:.1} s", kind.0.word(), kind.1, stage.as_secs_f64())
        };
        let usual: Vec<_> = self.usual.iter().map(times).collect();
        say(&format!("usual times: {}", usual.join(", ")));
    }

    fn name(&mut self, shapes: &[&str]) -> String {
        self.names += 1;
        format!("v{}-{}", self.names, self.chance.pick(shapes))
    }

    /// Volumes that may be expanded and deleted, and are not taken yet.
    fn victims(&self, taken: &[Work]) -> Vec<VolumeRow> {
        let mut all = self.database.volumes();
        let free = |volume: &VolumeRow| {
            let name = &volume.name;
            name.starts_with('v') && !volume.pending && taken.iter().all(|w| w.name != *name)
        };
        all.retain(free);
        all
    }
    fn stock(&mut self) {
        while self.victims(&[]).len() < STOCK {
            let name = self.name(&WIDE);
            self.undisturbed(&Work::create(name));
        }
    }

    /// An operation of this kind on a volume that is not taken, or a new volume.
    fn draw(&mut self, kind: Kind, shapes: &[&str], taken: &[Work]) -> Work {
        let small = |volume: &VolumeRow| kind != Kind::Expand || volume.size < 6;
        let wide = |volume: &VolumeRow| shapes.iter().any(|shape| volume.name.ends_with(shape));
        let mut from = self.victims(taken);
        from.retain(|volume| small(volume) && wide(volume));
        if kind == Kind::Create || from.is_empty() {
            return Work::create(self.name(shapes));
        }
        Work::on(kind, &from[self.chance.below(from.len())])
    }

    fn send(&self, work: &Work) -> JoinHandle<Option<Answer>> {
        let (method, path, body) = work.request();
        self.http.send(method, &path, &body)
    }
    /// Its id, once it is accepted.
    fn accepted(&self, work: &Work, sent: JoinHandle<Option<Answer>>) -> String {
        let answer = self.http.answer(sent).unwrap();
        assert_eq!(answer.status, 202, "{}: {}", work.label(), answer.text);
        id_of(&answer)
    }

    /// Lets an operation come to its end, and learns how long its stages take.
    fn undisturbed(&mut self, work: &Work) {
        let id = self.accepted(work, self.send(work));
        let (mut stage, mut since) = (0, Instant::now());
        loop {
            let row = self.database.operation(Some(&id)).unwrap();
            let now = row.at_rest.then_some(i64::MAX).or_else(|| reached(&row)).unwrap_or(0);
            if now > stage {
                self.usual.insert((work.kind, stage), since.elapsed());
                (stage, since) = (now, Instant::now());
            }
            if row.at_rest {
                assert_eq!(row.state, "done", "{}", work.label());
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The next moment to aim at for this kind: in turns, so that every phase is hit.
    fn aim(&mut self, kind: Kind) -> Aim {
        let all = [
            Aim::Stage(0),
            Aim::Stage(1),
            Aim::Accepted,
            Aim::Stage(kind.last_stage()),
            Aim::Anytime,
            Aim::Request,
        ];
        let next = self.aims.entry(kind).or_default();
        *next += 1;
        all[*next % all.len()]
    }
    fn usual(&self, kind: Kind, stage: i64) -> Duration {
        self.usual.get(&(kind, stage)).copied().unwrap_or(Duration::from_secs(2))
    }

    /// Waits for the moment.
    fn wait(&mut self, aim: Aim, kind: Kind, id: &str) {
        let moment = match aim {
            Aim::Request => Duration::ZERO,
            Aim::Accepted => self.chance.within(Duration::from_millis(300)),
            Aim::Anytime => {
                let all = (0..=kind.last_stage()).map(|stage| self.usual(kind, stage)).sum();
                self.chance.within(all)
            }
            Aim::Stage(stage) => {
                let moment = self.chance.within(self.usual(kind, stage));
                loop {
                    let row = self.database.operation(Some(id)).unwrap();
                    if row.at_rest || reached(&row).is_some_and(|now| now >= stage) {
                        break moment;
                    }
                    thread::sleep(Duration::from_millis(10));
                }
            }
        };
        thread::sleep(moment);
    }

    fn kill_round(&mut self) {
        self.stock();
        let kind = Kind::ALL[self.rounds.len() % 3];
        let mut works = vec![self.draw(kind, &SHAPES, &[])];
        let kind = works[0].kind;
        let aim = self.aim(kind);
        let beside =
            if aim != Aim::Request && self.chance.one_in(3) { 1 + self.chance.below(2) } else { 0 };
        for _ in 0..beside {
            let kind = self.chance.pick(&Kind::ALL);
            let work = self.draw(kind, &SHAPES, &works);
            works.push(work);
        }
        let before = self.database.operation(None).map(|row| row.id);

        let mut ids = vec![];
        if aim == Aim::Request {
            let sent = self.send(&works[0]);
            thread::sleep(self.chance.within(Duration::from_millis(40)));
            self.server.kill();
            let known = self.http.answer(sent).map(|answer| id_of(&answer));
            let newest = || self.database.operation(None).map(|row| row.id);
            ids.push(known.or_else(|| newest().filter(|id| Some(id) != before.as_ref())));
        } else {
            for work in &works {
                ids.push(Some(self.accepted(work, self.send(work))));
            }
            self.wait(aim, kind, ids[0].as_deref().unwrap_or_default());
            self.server.kill();
        }
        let mut begun = self.begun(works, ids);
        let hit = begun.iter().any(|b| b.id.is_some() && !b.stood.starts_with("at rest"));
        self.kills += usize::from(hit);

        let mut again = 0;
        self.server.revive();
        let started = Instant::now();
        self.never_forgotten(&begun);
        while again < 2 && self.chance.one_in(5) && !self.database.unfinished().is_empty() {
            thread::sleep(self.chance.within(Duration::from_secs(2)));
            self.server.kill();
            self.server.revive();
            again += 1;
        }
        self.rest(&mut begun, Instant::now() + REST);
        let rest = started.elapsed();
        self.tell(Round { what: format!("kill ({aim:?})"), begun, rest, again });
    }

    /// The power of a node goes while it works, and comes back after a while.
    fn cut_round(&mut self, number: usize) {
        self.stock();
        let kind = Kind::ALL[(number + 1) % 3];
        let works = vec![self.draw(kind, &WIDE, &[])];
        let kind = works[0].kind;
        let stages = usize::try_from(kind.last_stage()).unwrap() + 1;
        let aim = Aim::Stage(i64::try_from((number / 2 + self.chance.below(2)) % stages).unwrap());
        let id = self.accepted(&works[0], self.send(&works[0]));
        self.wait(aim, kind, &id);
        let node = (1 + self.chance.below(NODES.len())).to_string();
        sh(&["nodes", "kill", &node]);
        let off = Instant::now();
        let mut begun = self.begun(works, vec![Some(id)]);
        let away = Duration::from_secs(5) + self.chance.within(Duration::from_mins(1));
        let mut besides = "";
        if number == 1 {
            thread::sleep(self.chance.within(away / 2));
            self.server.kill();
            self.server.revive();
            self.never_forgotten(&begun);
            besides = ", and the server killed";
        }
        thread::sleep(away.saturating_sub(off.elapsed()));
        sh(&["nodes", "start", &node]);
        let away = off.elapsed().as_secs();
        let what = format!("power cut of node {node} ({aim:?}){besides}, back after {away} s");
        let started = Instant::now();
        self.rest(&mut begun, started + REST_AFTER_CUT);
        let rest = started.elapsed();
        if let Err(status) = come_together(self.nodes[0]) {
            self.differ(&format!("gluster did not come together again:\n{status}"));
        }
        self.tell(Round { what, begun, rest, again: 0 });
        self.intact();
    }

    fn begun(&self, works: Vec<Work>, ids: Vec<Option<String>>) -> Vec<Begun> {
        let of = |(work, id): (Work, Option<String>)| {
            let row = id.as_ref().map(|id| self.database.operation(Some(id)));
            let stood = match row {
                None => "not accepted yet".to_owned(),
                Some(None) => panic!("{}: the database lost it", work.label()),
                Some(Some(row)) => standing(&row),
            };
            Begun { work, id, stood, ended: "never was".into() }
        };
        works.into_iter().zip(ids).map(of).collect()
    }

    /// Whoever was told 202 gets an answer from the next server as well, at once.
    fn never_forgotten(&self, begun: &[Begun]) {
        for (work, id) in begun.iter().filter_map(|b| Some((&b.work, b.id.as_ref()?))) {
            let answer = self.http.get(&format!("/queue/{id}"));
            let fine = answer.pending || [303, 204, 500].contains(&answer.status);
            assert!(fine, "{}: {answer:?}", work.label());
        }
    }

    /// Everything comes to rest, and the queue says what is true.
    fn rest(&mut self, begun: &mut [Begun], limit: Instant) {
        loop {
            self.never_forgotten(begun);
            let left = self.database.unfinished();
            if left.is_empty() {
                break;
            }
            if Instant::now() > limit {
                let rows = left.iter().map(|id| self.database.operation(Some(id)));
                panic!("not at rest: {:#?}", rows.collect::<Vec<_>>());
            }
            thread::sleep(Duration::from_millis(200));
        }
        let volumes = self.database.volumes();
        for begun in begun {
            let Some(id) = &begun.id else { continue };
            let answer = self.http.get(&format!("/queue/{id}"));
            begun.ended = match answer.status {
                500 if answer.text.contains("The server was restarted") => "undone".to_owned(),
                500 => format!("undone: {}", answer.text.trim()),
                _ => "done".to_owned(),
            };
            if let Err(what) = begun.work.is_true(answer.status, &volumes) {
                self.differ(&what);
            }
        }
    }

    /// The files of the volumes that nobody touched.
    fn intact(&mut self) {
        for (name, sum) in self.kept.clone() {
            if read_back(self.nodes[0], &name) != sum {
                self.differ(&format!("{name}: the file changed"));
            }
        }
    }

    fn check(&mut self, when: &str) {
        let found = differences(&self.database, &self.nodes);
        let fresh: Vec<_> = found.iter().filter(|line| !self.known.contains(*line)).collect();
        if !fresh.is_empty() {
            say(&format!("DIFFERENCES, {when}:"));
        }
        for line in found {
            self.differ(&line);
        }
    }
    fn differ(&mut self, what: &str) {
        if self.known.insert(what.to_owned()) {
            say(&format!("DIFFERENCE: {what}"));
            self.server.keep();
        }
    }

    fn tell(&mut self, round: Round) {
        self.rounds.push(round);
        let number = self.rounds.len();
        say(&self.rounds[number - 1].line(number));
        self.check(&format!("after round {number}"));
    }

    fn end(&mut self) {
        self.intact();
        // Side by side, as many as may be in flight, so that CI need not wait.
        for some in self.database.volumes().chunks(4) {
            let works = some.iter().map(|volume| Work::on(Kind::Delete, volume));
            let begin = |work: Work| {
                let id = Some(self.accepted(&work, self.send(&work)));
                Begun { work, id, stood: String::new(), ended: String::new() }
            };
            let mut begun: Vec<_> = works.map(begin).collect();
            self.rest(&mut begun, Instant::now() + REST);
            for Begun { work, ended, .. } in begun {
                assert_eq!(ended, "done", "{}", work.label());
            }
        }
        self.check("at the end");
        dissolve(&self.server, &self.nodes);
        let left = leftovers(&[]);
        if !left.is_empty() {
            self.differ(&format!("the cluster left something:\n{left}"));
        }
    }

    fn report(&self, seed: u64) {
        let (mut stood, mut ended) = (BTreeMap::new(), BTreeMap::new());
        for begun in self.rounds.iter().flat_map(|round| &round.begun) {
            let kind = begun.work.kind.word();
            *stood.entry(format!("{kind}, {}", begun.stood)).or_insert(0) += 1;
            let outcome = begun.ended.split(':').next().unwrap();
            *ended.entry(format!("{kind} {outcome}")).or_insert(0) += 1;
        }
        let again: usize = self.rounds.iter().map(|round| round.again).sum();
        let times: Vec<f64> = self.rounds.iter().map(|round| round.rest.as_secs_f64()).collect();
        let longest = times.iter().copied().fold(0.0, f64::max);
        let mut sorted = times.clone();
        sorted.sort_by(f64::total_cmp);
        let median = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
        println!("\n=== report, seed {seed} ===");
        println!(
            "{} kills in the middle of an operation, {again} more of a server that recovered",
            self.kills
        );
        for (number, round) in self.rounds.iter().enumerate() {
            println!("{}", round.line(number + 1));
        }
        println!("--- where operations stood ---");
        for (what, count) in stood {
            println!("{count:4}  {what}");
        }
        println!("--- how they ended ---");
        for (what, count) in ended {
            println!("{count:4}  {what}");
        }
        println!("time to rest: median {median:.1} s, longest {longest:.1} s");
        println!("differences: {}", self.known.len());
        for line in &self.known {
            println!("  {line}");
        }
    }
}

impl Round {
    fn line(&self, number: usize) -> String {
        let of = |b: &Begun| format!("{}: {} -> {}", b.work.label(), b.stood, b.ended);
        let begun: Vec<_> = self.begun.iter().map(of).collect();
        let again = if self.again > 0 {
            format!(", killed again {} times", self.again)
        } else {
            String::new()
        };
        let rest = self.rest.as_secs_f64();
        format!("{number:3} {}{again}, at rest after {rest:.1} s; {}", self.what, begun.join("; "))
    }
}

/// The queue entry's id in a `Location`.
fn id_of(answer: &Answer) -> String {
    let location = answer.location.as_deref().unwrap_or_else(|| panic!("{answer:?}"));
    location.rsplit('/').next().unwrap().to_owned()
}

/// The stage that was begun last.
fn reached(row: &OperationRow) -> Option<i64> {
    row.steps.iter().filter(|step| step.state != "planned").map(|step| step.stage).max()
}
