//! An estate that Heketi made changes hands while its volumes are written to, and is led from then
//! on: bricks leave, volumes grow, are cloned and deleted, until nothing is left.
//!
//! Run by `tests/lab/adopted`, which boots the nodes.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    unreachable_pub,
    reason = "a run that cannot go on fails, and what it prints is its report"
)]
#[path = "scenario/chance.rs"]
#[expect(dead_code, reason = "the other run draws more")]
mod chance;
#[path = "scenario/client.rs"]
mod client;
#[path = "scenario/cluster.rs"]
#[expect(dead_code, reason = "the other runs make their own volumes")]
mod cluster;
#[path = "scenario/compare.rs"]
mod compare;
#[path = "scenario/database.rs"]
#[expect(dead_code, reason = "the other runs ask for more")]
mod database;
#[path = "scenario/estate/mod.rs"]
mod estate;
#[path = "scenario/heal.rs"]
mod heal;
#[path = "scenario/node.rs"]
mod node;
#[path = "../operations/rest.rs"]
mod rest;
#[path = "scenario/server.rs"]
#[expect(dead_code, reason = "the other runs kill it")]
mod server;

use client::Client;
use cluster::{NODES, dissolve, leftovers, mount, unmount};
use compare::differences;
use estate::Estate;
use heal::whole;
use node::Node;
use serde_json::{Value, json};
use server::Server;
use std::{
    cell::RefCell,
    collections::BTreeMap,
    path::Path,
    process::Command,
    time::{Instant, SystemTime, UNIX_EPOCH},
};
use tokio::runtime::Runtime;

/// Where the volumes are mounted and written to.
const CLIENT: Node = Node(1);
const BACKUPS: [Node; 2] = [Node(2), Node(3)];

fn main() {
    let mut arguments = std::env::args().skip(1);
    let user = arguments.next().unwrap_or_else(|| "root".into());
    let clock = || u64::from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos());
    let seed = arguments.next().map_or_else(clock, |seed| seed.parse().unwrap());
    say(&format!("seed {seed}"));
    let started = Instant::now();
    Adopted::new(&user, seed).lead();
    say(&format!("all of it: {} s", started.elapsed().as_secs()));
}

fn say(text: &str) {
    println!("adopted: {text}");
}

/// Runs one part and tells how long it took.
fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let result = work();
    say(&format!("{what}: {:.1} s", started.elapsed().as_secs_f64()));
    result
}

struct Adopted {
    server: Server,
    estate: Estate,
    clients: Vec<Client>,
    /// Files of each client's volume at the last look.
    files: RefCell<BTreeMap<String, usize>>,
    nodes: Vec<Node>,
    runtime: Runtime,
    /// SHA-256 of the file that the clone was made with.
    cloned: String,
}

impl Adopted {
    /// Heketi's part of it, and the start of the server on what Heketi has left.
    fn new(user: &str, seed: u64) -> Self {
        let nodes = NODES.map(Node).to_vec();
        assert_eq!(leftovers(&[]), "", "the nodes are not clean to begin with");
        let mut estate = timed("an estate of Heketi's", || Estate::make(&nodes, seed));
        let replicated = estate.volume("").name.clone();
        let cloned = write(&replicated, "marker");
        timed("Heketi's clone", || estate.clone_volume("", "twin"));
        write(&replicated, "marker");
        // Of an administrator, by hand.
        CLIENT.run("gluster --mode=script snapshot create kept arb no-timestamp");
        let start = |volume: &str| Client::start(CLIENT, volume, &BACKUPS);
        let clients = vec![start(&replicated), start("dis"), start("older")];

        let export = estate.export();
        let mut all = json!(null);
        let server = Server::start(user, |config| {
            let old = config["glusterfs"]["db"].as_str().unwrap().to_owned();
            std::fs::write(&old, &export).unwrap();
            all = by_hand(Path::new(&old));
        });
        let by_itself = contents(&server.cli(&["db", "dump"]));
        assert!(by_itself == all, "a server adopts what the command adopts:\n{by_itself}\n{all}");
        compare_with(&by_itself, &contents(&export));
        let files = RefCell::default();
        Self { server, estate, clients, files, nodes, runtime: Runtime::new().unwrap(), cloned }
    }

    fn lead(mut self) {
        self.check_clients();
        self.marks_are_missing();
        self.delete_what_has_a_snapshot();
        self.set_marks();
        self.agrees();
        let replicated = self.estate.volume("").clone();

        self.clone_and_delete_it("older");
        for name in ["older", "dis", replicated.name.as_str()] {
            self.evict(name);
        }
        // It shares thin pools with the volume of which a brick has moved.
        assert_eq!(sum_of("twin", "marker"), self.cloned, "Heketi's clone changed");
        for (name, by) in [("dis", 2), (replicated.name.as_str(), 1), ("twin", 1)] {
            self.expand(name, by);
        }
        assert_eq!(sum_of("twin", "marker"), self.cloned, "Heketi's clone changed");

        self.check_clients();
        std::mem::take(&mut self.clients).into_iter().for_each(Client::end);
        for name in [replicated.name.as_str(), "twin", "dis", "older"] {
            self.delete(name);
        }
        assert_eq!(leftovers(&["--volumes-only"]), "", "deleted volumes left something");
        self.agrees();
        timed("removing devices, nodes and the cluster", || dissolve(&self.server, &self.nodes));
        assert_eq!(leftovers(&[]), "", "the cluster left something");
        self.server.end();
    }

    /// All is as it was written, and they have gone on writing since the last time.
    fn check_clients(&self) {
        for client in &self.clients {
            let (volume, files) = (&client.volume, client.check());
            let before = self.files.borrow_mut().insert(volume.clone(), files).unwrap_or(0);
            assert!(files > before, "{volume}: {files} files, as many as at the last look");
            say(&format!("{volume}: {files} files, all as they were written"));
        }
    }

    /// What `brickyard check` finds: an id for each.
    fn check(&self) -> Vec<String> {
        let report = self.server.tool(&["check", "--json"]);
        let report: Value = serde_json::from_str(&report).unwrap();
        assert_eq!(
            (&report["unknown"], &report["under_way"]),
            (&json!([]), &json!(0)),
            "{report:#}"
        );
        let found = report["differences"].as_array().unwrap();
        found.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
    }

    /// Nothing else is different: earlier versions of Heketi set none, and its clones bear those of
    /// the volumes that they were made of.
    fn marks_are_missing(&self) {
        let mark = |name| format!("option-changed/{}/user.heketi.id", self.estate.volume(name).id);
        let mut wanted = ["arb", "older", "twin"].map(mark).to_vec();
        wanted.sort();
        let found = timed("check", || self.check());
        assert_eq!(found, wanted);
    }

    fn set_marks(&self) {
        let plan = self.server.path("plan.json").display().to_string();
        self.server.tool(&["check", "--plan", &plan]);
        let done = timed("repair", || self.server.tool(&["repair", "--yes", &plan]));
        assert_eq!(done.matches("repaired: ").count(), 2, "{done}");
        assert_eq!(self.check(), [""; 0]);
    }

    /// Its mark is missing still: it is known by its bricks.
    fn delete_what_has_a_snapshot(&self) {
        let id = self.id("arb");
        let refused = self.server.fails(&["volume", "delete", &id]);
        assert!(refused.contains("Volume arb has 1 snapshot(s)"), "{refused}");
        CLIENT.run("gluster --mode=script snapshot delete kept");
        self.delete("arb");
    }

    /// A volume of two sets: the clone's bricks are known by their places, which only gluster knew.
    fn clone_and_delete_it(&self, name: &str) {
        let before = write(name, "marker");
        let id = self.id(name);
        timed(&format!("clone {name}"), || {
            self.server.cli(&["volume", "clone", &id, "--name=copy"])
        });
        let after = write(name, "marker");
        assert_eq!(sum_of("copy", "marker"), before, "the clone changed");
        assert_eq!(sum_of(name, "marker"), after, "the source did not");
        self.agrees();
        self.delete("copy");
        assert_eq!(sum_of(name, "marker"), after, "the source changed with its clone");
        self.agrees();
    }

    fn evict(&self, name: &str) {
        let brick = self.bricks(name)[0].clone();
        timed(&format!("evict a brick of {name}"), || self.server.cli(&["brick", "evict", &brick]));
        assert!(!self.bricks(name).contains(&brick));
        whole(CLIENT, &[name]);
        self.check_clients();
        self.agrees();
    }

    /// A client sees it that has mounted the volume before.
    fn expand(&self, name: &str, by: u64) {
        let at = mount(Node(2), name);
        let size = || -> u64 {
            let kib = Node(2).run(&format!("df -k --output=size {at} | tail -1"));
            kib.trim().parse().unwrap()
        };
        let (before, bricks) = (size(), self.bricks(name).len());
        let volume = format!("--volume={}", self.id(name));
        let arguments = ["volume", "expand", &volume, &format!("--expand-size={by}")];
        timed(&format!("expand {name}"), || self.server.cli(&arguments));
        assert_eq!(self.bricks(name).len(), bricks + 3);
        let after = size();
        assert!(after > before * 3 / 2, "{name}: {before} KiB before, {after} KiB after");
        unmount(Node(2), &at);
        self.agrees();
    }

    fn delete(&self, name: &str) {
        let id = self.id(name);
        timed(&format!("delete {name}"), || self.server.cli(&["volume", "delete", &id]));
    }

    /// Of any volume, made by Heketi or later.
    fn id(&self, name: &str) -> String {
        let volumes = self.server.database(self.runtime.handle()).volumes();
        volumes.into_iter().find(|volume| volume.name == name).unwrap().id
    }
    fn bricks(&self, name: &str) -> Vec<String> {
        let info = self.server.json(&["volume", "info", &self.id(name)]);
        let bricks = info["bricks"].as_array().unwrap();
        bricks.iter().map(|brick| brick["id"].as_str().unwrap().to_owned()).collect()
    }
    /// Every KiB and every name is the same in the database and on the nodes.
    fn agrees(&self) {
        let found = differences(&self.server.database(self.runtime.handle()), &self.nodes);
        assert_eq!(found, [""; 0], "the nodes and the database differ");
    }
}

/// Adopts Heketi's file into a database of its own, in the steps that a person would take; what is
/// in that database.
fn by_hand(old: &Path) -> Value {
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let (file, made) = (text(old), text(&old.with_file_name("by-hand.db")));
    let told = brickyard(&["adopt", &file, "--database", &made]);
    for line in ["1 cluster(s)", "3 node(s)", "6 device(s)", "5 volume(s)", "16 brick(s)"] {
        assert!(told.contains(&format!("  {line}\n")), "{line}: {told}");
    }
    for nothing in ["Cannot be read", "Is unknown", "Cannot be taken over", "Unfinished, "] {
        assert!(!told.contains(nothing), "{told}");
    }
    assert!(!Path::new(&made).exists(), "it was only asked what would become of it");
    brickyard(&["adopt", "--yes", &file, "--database", &made]);
    contents(&brickyard(&["db", "export", "--dbfile", &made, "--jsonfile", "-"]))
}

/// Runs a command of the program that needs no server, and must succeed; what it prints.
fn brickyard(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_brickyard")).args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}\n{text}");
    text
}

/// The entries of a dump, as far as they do not depend on when it was made.
fn contents(dump: &str) -> Value {
    let mut dump: Value = serde_json::from_str(dump).unwrap();
    dump["dbattributeentries"]["DB_GENERATION_ID"] = json!(null);
    // Of our own, and only in files.
    dump.as_object_mut().unwrap().remove("brickyard");
    dump
}

/// Everything that Heketi knew is known, and nothing else.
fn compare_with(ours: &Value, heketis: &Value) {
    for kind in ["clusterentries", "nodeentries", "volumeentries", "brickentries", "deviceentries"]
    {
        let (ours, heketis) = (ours[kind].as_object().unwrap(), heketis[kind].as_object().unwrap());
        assert_eq!(ours.len(), heketis.len(), "{kind}");
        for (id, entry) in heketis {
            same(entry, &ours[id], &format!("{kind} {id}"));
        }
    }
}

/// All members but those that earlier versions of Heketi did not write down, and those whose order
/// means nothing.
fn same(heketis: &Value, ours: &Value, path: &str) {
    match (heketis, ours) {
        (Value::Object(heketis), Value::Object(ours)) => {
            for (name, value) in heketis {
                let at = format!("{path} {name}");
                same(value, ours.get(name).unwrap_or_else(|| panic!("{at} is lost")), &at);
            }
        }
        (Value::Array(heketis), Value::Array(ours)) => {
            let sorted = |list: &Vec<Value>| {
                let mut all: Vec<_> = list.iter().map(Value::to_string).collect();
                all.sort();
                all
            };
            assert_eq!(sorted(ours), sorted(heketis), "{path}");
        }
        (Value::Null, _) if path.ends_with("GlusterVolumeOptions") => {}
        (Value::Number(none), _) if path.ends_with("SubType") && none.as_u64() == Some(0) => {}
        (Value::String(none), _) if path.ends_with("LvmThinPool") && none.is_empty() => {}
        _ => assert_eq!(ours, heketis, "{path}"),
    }
}

/// Writes 1 MiB to a file of the volume, through a mount of its own; its SHA-256.
fn write(volume: &str, file: &str) -> String {
    let at = mount(Node(2), volume);
    let write = format!("head -c 1048576 /dev/urandom > {at}/{file} && sync");
    Node(2).run(&write);
    unmount(Node(2), &at);
    sum_of(volume, file)
}
fn sum_of(volume: &str, file: &str) -> String {
    let at = mount(Node(3), volume);
    let sum = Node(3).run(&format!("sha256sum < {at}/{file}"));
    unmount(Node(3), &at);
    sum
}
