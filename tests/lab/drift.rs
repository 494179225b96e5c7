//! Real nodes are damaged by hand in one way after another: `brickyard check` finds and names each,
//! `brickyard repair` puts it right, and afterwards every node agrees with the database again. In the
//! end the database is lost, and made again of what the nodes have.
//!
//! Run by `tests/lab/drift`, which boots the nodes.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    unreachable_pub,
    reason = "a run that cannot go on fails, and what it prints is its report"
)]
#[path = "scenario/by_hand.rs"]
mod by_hand;
#[path = "scenario/cluster.rs"]
#[expect(dead_code, reason = "the other runs ask for more")]
mod cluster;
#[path = "scenario/compare.rs"]
mod compare;
#[path = "scenario/database.rs"]
#[expect(dead_code, reason = "the other runs ask for more")]
mod database;
#[path = "scenario/heal.rs"]
mod heal;
#[path = "../rebuild/named.rs"]
mod named;
#[path = "scenario/node.rs"]
mod node;
#[path = "../operations/rest.rs"]
mod rest;
#[path = "scenario/server.rs"]
#[expect(dead_code, reason = "the other runs kill it")]
mod server;

use by_hand::Brick;
use cluster::{NODES, dissolve, leftovers, read_back, topology, write_to};
use compare::differences;
use named::named;
use node::Node;
use serde_json::{Value, json};
use server::Server;
use std::time::Instant;
use tokio::runtime::Runtime;

/// Where commands of gluster are given by hand; it keeps its bricks.
const HAND: Node = Node(2);
const OPTION: &str = "performance.cache-size";

fn main() {
    let user = std::env::args().nth(1).unwrap_or_else(|| "root".into());
    Drift::new(&user).lead();
}

struct Drift {
    server: Server,
    nodes: Vec<Node>,
    runtime: Runtime,
    started: Instant,
}

impl Drift {
    fn new(user: &str) -> Self {
        assert_eq!(leftovers(&[]), "", "the nodes are not clean to begin with");
        let server = Server::start(user, |_| {});
        let nodes = NODES.map(Node).to_vec();
        Self { server, nodes, runtime: Runtime::new().unwrap(), started: Instant::now() }
    }

    fn lead(mut self) {
        let hosts = self.server.write("topology.json", &topology());
        self.server.cli(&["topology", "load", "--json", &hosts]);
        self.peer_missing();
        self.wrong_size();

        let option = format!("--gluster-volume-options={OPTION} 64MB");
        self.create(&["--size=2", "--replica=3", "--name=three", &option]);
        self.create(&["--size=2", "--durability=none", "--name=plain", "--gid=2000"]);
        let arbiter = "--gluster-volume-options=user.heketi.arbiter true";
        self.create(&["--size=4", "--replica=3", "--name=arbited", arbiter]);
        let file = write_to(HAND, "three");
        self.nothing_is_found();
        self.say("three volumes, and nothing to find");

        self.fstab_line_lost();
        self.brick_unmounted();
        self.option_changed();
        self.volume_stopped();
        self.logical_volume_of_nobody();
        self.volume_deleted();
        let later = self.volume_created();
        self.logical_volume_removed();
        assert_eq!(read_back(HAND, "three"), file);
        self.database_lost(&hosts);
        self.brick_replaced();
        assert_eq!(read_back(HAND, "three"), file);
        assert_eq!(read_back(HAND, "later"), later);

        let volumes = self.server.json(&["volume", "list"])["volumes"].clone();
        for volume in volumes.as_array().unwrap() {
            self.server.cli(&["volume", "delete", volume.as_str().unwrap()]);
        }
        // With the last thin pool the spare went that was counted on the device before.
        self.repaired("device-numbers", "are used");
        dissolve(&self.server, &self.nodes);
        assert_eq!(leftovers(&[]), "", "the cluster left something");
        self.say("everything");
        self.server.end();
    }

    /// gluster only lets a node go that has no bricks.
    fn peer_missing(&self) {
        HAND.run("gluster --mode=script peer detach 192.168.77.13");
        self.repaired("peer-missing", &Node(3).manage());
    }

    fn fstab_line_lost(&self) {
        let brick = Brick::of(HAND, "three");
        brick.forget_line();
        self.repaired("fstab-line-missing", &brick.id);
    }

    fn brick_unmounted(&self) {
        let brick = Brick::of(Node(1), "three");
        brick.unmount();
        self.repaired("brick-not-mounted", &Node(1).manage());
    }

    fn option_changed(&self) {
        HAND.run(&format!("gluster --mode=script volume set three {OPTION} 32MB"));
        self.repaired("option-changed", &format!("{OPTION} is \"32MB\", and was set to \"64MB\""));
    }

    fn volume_stopped(&self) {
        HAND.run("gluster --mode=script volume stop arbited force");
        self.repaired("volume-not-started", "arbited");
    }

    fn logical_volume_of_nobody(&self) {
        let stray = "0123456789abcdef0123456789abcdef";
        Brick::of(Node(3), "three").make_logical_volume(stray);
        self.repaired("logical-volume-of-nobody", stray);
    }

    /// What LVM says is believed. On a device without thin pools, since there it is exact: LVM's
    /// spare for their metadata is counted only when it is asked.
    fn wrong_size(&mut self) {
        self.server.terminate();
        let file = self.server.path("brickyard.db");
        self.runtime.block_on(by_hand::change(
            &file,
            "UPDATE devices SET used_kib = used_kib + 4096 WHERE id = (SELECT min(id) FROM devices)",
        ));
        self.server.revive();
        self.repaired("device-numbers", "are used");
    }

    fn volume_deleted(&self) {
        HAND.run("gluster --mode=script volume stop plain force");
        HAND.run("gluster --mode=script volume delete plain");
        self.repaired("volume-not-in-gluster", "plain");
    }

    /// To the database of before, the volume was made behind its back, with all its bricks.
    fn volume_created(&mut self) -> String {
        self.server.terminate();
        let (file, kept) = (self.server.path("brickyard.db"), self.server.path("kept.db"));
        std::fs::copy(&file, &kept).unwrap();
        self.server.revive();
        self.create(&["--size=2", "--replica=3", "--name=later"]);
        let sum = write_to(HAND, "later");
        self.server.terminate();
        by_hand::remove_database(&file);
        std::fs::rename(kept, file).unwrap();
        self.server.revive();
        self.repaired("volume-not-in-database", "later");
        assert_eq!(read_back(HAND, "later"), sum);
        sum
    }

    /// Another brick takes its place, and gets its files from the others.
    fn logical_volume_removed(&self) {
        let brick = Brick::of(Node(1), "three");
        brick.unmount();
        brick.forget_line();
        brick.remove_logical_volume();
        self.repaired("logical-volume-missing", &brick.id);
        heal::whole(HAND, &["three"]);
        assert_ne!(Brick::of(Node(1), "three").id, brick.id);
    }

    /// By somebody who knows how our bricks are made.
    fn brick_replaced(&self) {
        let (brick, new) = (Brick::of(Node(3), "three"), "fedcba9876543210fedcba9876543210");
        brick.replace("three", new);
        heal::whole(HAND, &["three"]);
        let found = self.only("brick-replaced", new);
        self.repair(&found);
        // What is left of the old one is for a person to decide, and takes its space until then.
        let stray = self.only("logical-volume-of-nobody", &brick.id);
        self.repair(&stray);
        let numbers = self.only("device-numbers", "are used");
        self.repair(&numbers);
        assert_eq!(self.check(), [] as [Value; 0]);
        assert_eq!(Brick::of(Node(3), "three").id, new);
    }

    fn database_lost(&mut self, hosts: &str) {
        let before = self.dump();
        self.server.terminate();
        by_hand::remove_database(&self.server.path("brickyard.db"));
        let config = self.server.path("heketi.json").display().to_string();
        let (hosts, config) = (format!("--hosts={hosts}"), format!("--config={config}"));
        let told = self.server.tool(&["rebuild", &hosts, &config, "--yes"]);
        assert!(told.contains("3 node(s), 6 device(s), 3 volume(s), 9 brick(s)"), "{told}");
        self.server.revive();
        let after = self.dump();
        for (table, entries) in before.as_object().unwrap() {
            if table != "dbattributeentries" {
                assert_eq!(after[table], *entries, "{table}");
            }
        }
        self.nothing_is_found();
        self.say("the database was lost, and is the same again");
    }

    fn dump(&self) -> Value {
        named(&serde_json::from_str(&self.server.cli(&["db", "dump"])).unwrap())
    }

    fn create(&self, arguments: &[&str]) {
        self.server.cli(&[&["volume", "create"], arguments].concat());
    }

    fn check(&self) -> Vec<Value> {
        let report: Value = serde_json::from_str(&self.server.tool(&["check", "--json"])).unwrap();
        assert_eq!(
            (&report["unknown"], &report["under_way"]),
            (&json!([]), &json!(0)),
            "{report:#}"
        );
        report["differences"].as_array().unwrap().clone()
    }

    /// Also the other way: by what the nodes themselves say, not the product.
    fn nothing_is_found(&self) {
        assert_eq!(self.check(), [] as [Value; 0]);
        let found = differences(&self.server.database(self.runtime.handle()), &self.nodes);
        assert_eq!(found, [""; 0], "the nodes and the database differ");
    }

    /// The id of the only difference there is, which is of this kind and has these words.
    fn only(&self, kind: &str, words: &str) -> String {
        let found = self.check();
        assert_eq!(found.len(), 1, "{kind}: {found:#?}");
        assert_eq!(found[0]["kind"], kind, "{found:#?}");
        let text = found[0]["text"].as_str().unwrap();
        assert!(text.contains(words), "{words}: {found:#?}");
        self.say(text);
        found[0]["id"].as_str().unwrap().to_owned()
    }

    fn repair(&self, id: &str) {
        let plan = self.server.path("plan.json");
        let name = plan.display().to_string();
        self.server.tool(&["check", &format!("--plan={name}")]);
        self.server.tool(&["repair", &name, &format!("--only={id}")]);
        std::fs::remove_file(plan).unwrap();
    }

    /// It is found, it is repaired, and then nothing is found.
    fn repaired(&self, kind: &str, words: &str) {
        let found = self.only(kind, words);
        self.repair(&found);
        self.nothing_is_found();
        self.say(&format!("{kind}: repaired"));
    }

    fn say(&self, text: &str) {
        println!("lab drift: {text} ({} s)", self.started.elapsed().as_secs());
    }
}
