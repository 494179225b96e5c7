//! The whole product against real storage nodes: real SSH, LVM, XFS and glusterd.
//!
//! Run by `tests/lab/run`, which boots the nodes. The server is the real binary, commanded through
//! the real command line; what it did is checked on the nodes by other means than its own.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    unreachable_pub,
    reason = "a run that cannot go on fails, and what it prints is its report"
)]
#[path = "scenario/cluster.rs"]
mod cluster;
#[path = "scenario/compare.rs"]
mod compare;
#[path = "scenario/database.rs"]
#[expect(dead_code, reason = "the other run asks for more")]
mod database;
#[path = "scenario/node.rs"]
mod node;
#[path = "../operations/rest.rs"]
mod rest;
#[path = "scenario/server.rs"]
#[expect(dead_code, reason = "the other run kills it")]
mod server;

use cluster::{
    NODES, come_together, devices, dissolve, index_of, leftovers, mount, read_back, topology,
    unmount, write_to,
};
use compare::differences;
use node::{Node, sh};
use server::Server;
use std::time::Instant;
use tokio::runtime::Runtime;

const GIB: u64 = 1024 * 1024;

fn main() {
    let users = std::env::args().nth(1).unwrap_or_else(|| "storage root".into());
    for (n, user) in users.split_whitespace().enumerate() {
        let started = Instant::now();
        let life = Life::new(user);
        // What a user may do is seen from one command of each tool; the others are the same.
        let what = if n == 0 {
            life.lead();
            "everything"
        } else {
            life.lead_shortly();
            "one volume"
        };
        say(&format!("{what} as {user}: {} s", started.elapsed().as_secs()));
    }
}

fn say(text: &str) {
    println!("lab: {text}");
}

/// Runs one part and tells how long it took.
fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let result = work();
    say(&format!("{what}: {:.1} s", started.elapsed().as_secs_f64()));
    result
}

/// Everything that happens to a cluster from its first node to its last.
struct Life {
    server: Server,
    nodes: Vec<Node>,
    runtime: Runtime,
}

/// A volume under test.
struct Volume {
    what: &'static str,
    id: String,
    name: String,
    /// SHA-256 of the file written to it.
    sum: String,
}

impl Life {
    fn new(user: &str) -> Self {
        let nodes = NODES.map(Node).to_vec();
        Self { server: Server::start(user, |_| {}), nodes, runtime: Runtime::new().unwrap() }
    }

    fn lead(mut self) {
        assert_eq!(leftovers(&[]), "", "the nodes are not clean to begin with");
        let topology = self.server.write("topology.json", &topology());
        timed("topology load", || self.server.cli(&["topology", "load", "--json", &topology]));
        self.agrees();
        self.a_bad_option_leaves_nothing();

        let mut volumes = self.create_all();
        for volume in &mut volumes {
            volume.sum = timed(&format!("write to {}", volume.what), || {
                write_to(self.nodes[0], &volume.name)
            });
            self.find_on_bricks(volume);
        }
        self.agrees();
        self.expand(&volumes[1]);
        let clone = self.clone_of(&mut volumes[1]);
        timed("reboot of node 2", || self.reboot(2));
        for volume in volumes.iter().chain([&clone]) {
            let sum = read_back(self.nodes[0], &volume.name);
            assert_eq!(sum, volume.sum, "{}: the file changed", volume.what);
        }
        self.restart_server();

        self.delete_source(&volumes.remove(1), &clone);
        volumes.push(clone);
        for volume in &volumes {
            timed(&format!("delete {}", volume.what), || {
                self.server.cli(&["volume", "delete", &volume.id]);
            });
        }
        assert_eq!(leftovers(&["--volumes-only"]), "", "deleted volumes left something");
        self.agrees();
        assert!(
            devices(&self.server, &self.nodes)
                .iter()
                .all(|(_, device)| device["storage"]["used"] == 0)
        );

        timed("removing devices, nodes and the cluster", || dissolve(&self.server, &self.nodes));
        assert_eq!(leftovers(&[]), "", "the cluster left something");
        self.server.end();
    }

    /// One volume and its clone, from the first node to the last.
    fn lead_shortly(self) {
        assert_eq!(leftovers(&[]), "", "the nodes are not clean to begin with");
        let topology = self.server.write("topology.json", &topology());
        timed("topology load", || self.server.cli(&["topology", "load", "--json", &topology]));
        let mut volume = self.create(&("replica 3", &["--size=1", "--replica=3"]));
        volume.sum = write_to(self.nodes[0], &volume.name);
        self.expand(&volume);
        assert_eq!(read_back(self.nodes[0], &volume.name), volume.sum, "the file changed");
        let clone = self.clone_of(&mut volume);
        for volume in [volume, clone] {
            timed(&format!("delete {}", volume.what), || {
                self.server.cli(&["volume", "delete", &volume.id]);
            });
        }
        self.agrees();
        timed("removing devices, nodes and the cluster", || dissolve(&self.server, &self.nodes));
        assert_eq!(leftovers(&[]), "", "the cluster left something");
        self.server.end();
    }

    fn create_all(&self) -> Vec<Volume> {
        let arbiter = "--gluster-volume-options=user.heketi.arbiter true";
        let table: [(&str, &[&str]); 4] = [
            ("replica 2", &["--size=1", "--replica=2", "--gid=2000", "--name=two"]),
            ("replica 3", &["--size=1", "--replica=3"]),
            ("arbiter", &["--size=1", "--replica=3", arbiter]),
            // 2 GiB is the least for two data bricks of at least 1 GiB each.
            (
                "disperse 2+1",
                &["--size=2", "--durability=disperse", "--disperse-data=2", "--redundancy=1"],
            ),
        ];
        table.iter().map(|row| self.create(row)).collect()
    }

    fn create(&self, (what, options): &(&'static str, &[&str])) -> Volume {
        let arguments = [&["volume", "create"], *options].concat();
        let volume = timed(&format!("create {what}"), || self.server.json(&arguments));
        let text = |key: &str| volume[key].as_str().unwrap().to_owned();
        Volume { what, id: text("id"), name: text("name"), sum: String::new() }
    }

    /// gluster refuses the option after the bricks were made: all of it must be taken back.
    fn a_bad_option_leaves_nothing(&self) {
        let options = "--gluster-volume-options=no.such-option 1";
        let error = timed("create with a bad option", || {
            self.server.fails(&["volume", "create", "--size=1", "--replica=3", options])
        });
        assert!(error.contains("option : no.such"), "{error}");
        assert_eq!(leftovers(&["--volumes-only"]), "", "a failed create left something");
        self.agrees();
    }

    /// Replicas hold the whole file, an arbiter an empty one, dispersed bricks a part each.
    fn find_on_bricks(&self, volume: &Volume) {
        let info = self.server.json(&["volume", "info", &volume.id]);
        let bricks = info["bricks"].as_array().unwrap();
        let (mut whole, mut empty, mut parts) = (0, 0, 0);
        for brick in bricks {
            let node = &self.nodes[self.node_of(brick["node"].as_str().unwrap())];
            let file = format!("{}/file", brick["path"].as_str().unwrap());
            match node.run(&format!("stat -c %s {file}")).parse::<u64>().unwrap() {
                0 => empty += 1,
                5_242_880 => {
                    assert_eq!(node.run(&format!("sha256sum < {file}")), volume.sum);
                    whole += 1;
                }
                _ => parts += 1,
            }
        }
        let want = match volume.what {
            "replica 2" => (2, 0, 0),
            "replica 3" => (3, 0, 0),
            "arbiter" => (2, 1, 0),
            _ => (0, 0, 3),
        };
        assert_eq!((whole, empty, parts), want, "{}", volume.what);
        if volume.what == "replica 2" {
            let path = bricks[0]["path"].as_str().unwrap();
            let node = &self.nodes[self.node_of(bricks[0]["node"].as_str().unwrap())];
            assert_eq!(node.run(&format!("stat -c '%g %a' {path}")), "2000 2775", "gid and mode");
        }
    }

    fn expand(&self, volume: &Volume) {
        let argument = format!("--volume={}", volume.id);
        let arguments = ["volume", "expand", &argument, "--expand-size=1"];
        let info = timed(&format!("expand {}", volume.what), || self.server.json(&arguments));
        assert_eq!((info["size"].as_u64(), info["bricks"].as_array().unwrap().len()), (Some(2), 6));
        self.agrees();
        let at = mount(self.nodes[0], &volume.name);
        let kib = self.nodes[0].run(&format!("df -k --output=size {at} | tail -1"));
        assert!(kib.trim().parse::<u64>().unwrap() > GIB * 3 / 2, "{kib} KiB after the expansion");
        unmount(self.nodes[0], &at);
    }

    /// What is written to the source afterwards is not in the clone.
    fn clone_of(&self, source: &mut Volume) -> Volume {
        let clone =
            timed("clone", || self.server.json(&["volume", "clone", &source.id, "--name=clone"]));
        let id = clone["id"].as_str().unwrap().to_owned();
        let sum = source.sum.clone();
        let clone = Volume { what: "the clone", id, name: "clone".into(), sum };
        self.agrees();
        source.sum = write_to(self.nodes[0], &source.name);
        assert_eq!(read_back(self.nodes[0], &clone.name), clone.sum, "the clone changed");
        clone
    }

    /// A clone outlives its source; the thin pools stay as long as anything lies in them.
    fn delete_source(&self, source: &Volume, clone: &Volume) {
        timed("delete the source of the clone", || {
            self.server.cli(&["volume", "delete", &source.id])
        });
        self.agrees();
        assert_eq!(read_back(self.nodes[0], &clone.name), clone.sum, "the clone changed");
        let argument = format!("--volume={}", clone.id);
        timed("expand the clone", || {
            self.server.cli(&["volume", "expand", &argument, "--expand-size=1"])
        });
        self.agrees();
    }

    /// After a power cut a node has its bricks mounted again, and gluster's data is whole.
    fn reboot(&self, number: u8) {
        let node = &self.nodes[usize::from(number) - 1];
        let count = "grep -c /var/lib/heketi/mounts/ /proc/mounts || true";
        let before = node.run(count);
        assert_ne!(before, "0");
        sh(&["nodes", "reboot", &number.to_string()]);
        assert_eq!(node.run(count), before, "bricks mounted after the reboot");
        come_together(self.nodes[0]).unwrap();
    }

    /// A server that is started again knows everything, and answers for operations of before.
    fn restart_server(&mut self) {
        let before = self.server.json(&["topology", "info"]);
        self.server.restart();
        assert_eq!(self.server.json(&["topology", "info"]), before);
    }

    fn node_of(&self, id: &str) -> usize {
        index_of(&self.nodes, &self.server.json(&["node", "info", id]))
    }

    /// Every KiB and every name is the same in the database and on the nodes.
    fn agrees(&self) {
        let found = differences(&self.server.database(self.runtime.handle()), &self.nodes);
        assert_eq!(found, [""; 0], "the nodes and the database differ");
    }
}
