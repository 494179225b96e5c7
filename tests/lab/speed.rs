//! How long things take on real nodes, beside what the nodes themselves need for them: the rows "on the
//! lab" of docs/PERFORMANCE.md. What is compared is measured in turns, in one run.
//!
//! Run by `tests/lab/speed`, which boots the nodes. It judges nothing: all of it depends on how busy the
//! machine is.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    unreachable_pub,
    reason = "a run that cannot go on fails, and what it prints is its report"
)]
#[path = "scenario/cluster.rs"]
#[expect(dead_code, reason = "the other runs ask for more")]
mod cluster;
#[path = "scenario/database.rs"]
#[expect(dead_code, reason = "the other runs ask for more")]
mod database;
#[path = "scenario/http.rs"]
mod http;
#[path = "scenario/node.rs"]
mod node;
#[path = "scenario/ran.rs"]
mod ran;
#[path = "scenario/server.rs"]
#[expect(dead_code, reason = "the other runs kill it")]
mod server;

use cluster::{NODES, devices, dissolve, leftovers, topology};
use http::Http;
use node::{Node, sh};
use ran::Ran;
use reqwest::Method;
use serde_json::{Value, json};
use server::Server;
use std::{
    thread,
    time::{Duration, Instant},
};
use tokio::runtime::Runtime;

/// Creates that are timed, by each.
const TURNS: usize = 5;
/// Creates at once.
const MANY: usize = 20;
const SIZE_KIB: &str = "2097152";

fn main() {
    assert_eq!(leftovers(&[]), "", "the nodes are not clean to begin with");
    let runtime = Runtime::new().unwrap();
    load();
    let server = Server::start("root", |_| {});
    server.cli(&["topology", "load", "--json", &server.write("topology.json", &topology())]);
    let http = Http::new(server.url(), runtime.handle().clone());
    let session = create(&server, &http);
    at_once(&http, session);
    dissolve(&server, &NODES.map(Node));
    assert_eq!(leftovers(&[]), "", "the cluster left something");
    server.end();
}

/// What a load of the topology takes, and its commands one after another on fresh nodes.
fn load() {
    let server = Server::start("root", |_| {});
    let hosts = server.write("topology.json", &topology());
    let took = timed(|| drop(server.cli(&["topology", "load", "--json", &hosts])));
    let ran = ran::all(&server.log());
    server.end();
    sh(&["nodes", "renew", "1", "2", "3"]);
    let alone: Duration = ran.iter().map(again).sum();
    tell(
        "topology load, 3 nodes with 2 devices",
        took,
        "its commands one after another",
        alone,
        0.6,
    );
    sh(&["nodes", "renew", "1", "2", "3"]);
}

/// The same once more, as nobody else is at work; without the connection.
fn again(ran: &Ran) -> Duration {
    let script =
        format!("s=$(date +%s%N); {{ {}; }} >/dev/null; echo $(($(date +%s%N) - s))", ran.script);
    let taken = ran.node().run(&script);
    Duration::from_nanos(taken.lines().last().unwrap().parse().unwrap())
}

/// A volume of replica 3 by the server, and by the script, in turns. What one session of gluster takes.
fn create(server: &Server, http: &Http) -> Duration {
    let folder = tempfile::tempdir().unwrap();
    let by_hand = |words: &[&str]| {
        let (verb, rest) = words.split_first().unwrap();
        let all = [&["by-hand", verb, folder.path().to_str().unwrap()], rest].concat();
        sh(&all);
    };
    by_hand(&["open"]);
    let all = devices(server, &NODES.map(Node));
    let group = |at: usize| {
        let (_, device) = all.iter().find(|(node, _)| *node == at).unwrap();
        format!("vg_{}", device["id"].as_str().unwrap())
    };
    let groups = [group(0), group(1), group(2)];
    let groups = groups.each_ref().map(String::as_str);
    // The first of each finds nothing in any cache.
    let (mut ours, mut theirs) = (vec![], vec![]);
    for turn in 0..=TURNS {
        let name = format!("by-hand-{turn}");
        let script = timed(|| by_hand(&[&["create", &name, SIZE_KIB], &groups[..]].concat()));
        by_hand(&[&["delete", &name], &groups[..]].concat());
        let mut volume = Value::Null;
        let took = timed(|| volume = finished(http, begin(http)));
        remove(http, &[volume]);
        if turn > 0 {
            ours.push(took);
            theirs.push(script);
        }
    }
    by_hand(&["close"]);
    tell("create, replica 3", median(ours), "the script", median(theirs), 1.1);
    let sessions = ran::all(&server.log()).into_iter().filter(|ran| ran.is("volume create"));
    median(sessions.skip(1).map(|ran| ran.elapsed).collect())
}

/// glusterd makes one change at a time: the rest should hide behind that.
fn at_once(http: &Http, session: Duration) {
    let mut volumes = vec![];
    let took = timed(|| {
        let begun: Vec<_> = (0..MANY).map(|_| begin(http)).collect();
        volumes.extend(begun.into_iter().map(|queue| finished(http, queue)));
    });
    let alone = session * u32::try_from(MANY).unwrap();
    tell(&format!("{MANY} creates at once"), took, "their gluster sessions alone", alone, 1.3);
    remove(http, &volumes);
}

/// Where the operation can be asked for.
fn begin(http: &Http) -> String {
    let body = json!({"size": 2, "durability": {"type": "replicate", "replicate": {"replica": 3}}});
    loop {
        let answer = http.answer(http.send(Method::POST, "/volumes", &body)).unwrap();
        match answer.status {
            202 => return answer.location.unwrap(),
            // So many at a time and no more: as every client does.
            429 => thread::sleep(Duration::from_millis(100)),
            _ => panic!("{answer:?}"),
        }
    }
}

/// What came of it.
fn finished(http: &Http, queue: String) -> Value {
    let mut path = queue;
    loop {
        let answer = http.get(&path);
        match answer.status {
            200 if answer.pending => thread::sleep(Duration::from_millis(20)),
            200 => return serde_json::from_str(&answer.text).unwrap(),
            204 => return Value::Null,
            303 => path = answer.location.unwrap(),
            _ => panic!("{answer:?}"),
        }
    }
}

fn remove(http: &Http, volumes: &[Value]) {
    for volume in volumes {
        let path = format!("/volumes/{}", volume["id"].as_str().unwrap());
        let answer = http.answer(http.send(Method::DELETE, &path, &Value::Null)).unwrap();
        finished(http, answer.location.unwrap());
    }
}

fn timed(work: impl FnOnce()) -> Duration {
    let started = Instant::now();
    work();
    started.elapsed()
}
fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
fn tell(what: &str, took: Duration, beside: &str, other: Duration, target: f64) {
    let (took, other) = (took.as_secs_f64(), other.as_secs_f64());
    let times = took / other;
    println!("{what}: {took:.2} s; {beside}: {other:.2} s; {times:.2} times, target {target}");
}
