//! What single parts cost, without server, disk and nodes: `just bench-parts`. Placement, by the size of
//! the cluster, and JSON as it comes in and goes out.
#![expect(clippy::unwrap_used, reason = "a tool for people")]
use brickyard::{
    api::volume::VolumeCreateRequest,
    domain::{DeviceId, Durability, Gib, Kib, NodeId, SnapshotFactor, Tags, VolumeId},
    lenient,
    placement::{self, DeviceView, Request, View, rule::Rules, size::Limits},
};
use divan::{Bencher, black_box};
use std::collections::BTreeSet;

fn main() {
    divan::main();
}

/// A cluster with 12 devices on each node, in three zones, each device as full as no other.
fn view(devices: usize) -> View {
    let device = |n: usize| {
        let node = n / 12;
        DeviceView {
            id: format!("{:032x}", n + 1).parse::<DeviceId>().unwrap(),
            node: format!("{:032x}", node + 1).parse::<NodeId>().unwrap(),
            zone: i64::try_from(node % 3).unwrap() + 1,
            node_online: true,
            online: true,
            free: Gib(1000 + (n as u64 * 7919) % 1000).to_kib(),
            extent: Kib(4096),
            tags: Tags::new(),
        }
    };
    View { online_nodes: devices / 12, devices: (0..devices).map(device).collect() }
}

fn request(size: Gib, durability: Durability) -> Request {
    Request {
        size: size.to_kib(),
        durability,
        snapshot_factor: SnapshotFactor(1.0),
        arbiter: None,
        existing_bricks: 0,
        limits: Limits::default(),
        rules: Rules::default(),
        avoid: BTreeSet::new(),
        seed: 7,
    }
}

const DEVICES: [usize; 3] = [36, 600, 12_000];

#[divan::bench(args = DEVICES)]
fn place_replica_3(bencher: Bencher<'_, '_>, devices: usize) {
    let (view, request) = (view(devices), request(Gib(10), Durability::Replicate { replica: 3 }));
    bencher.bench(|| placement::place(black_box(&request), black_box(&view)).unwrap());
}

#[divan::bench(args = DEVICES)]
fn place_disperse_4_2(bencher: Bencher<'_, '_>, devices: usize) {
    let durability = Durability::Disperse { data: 4, redundancy: 2 };
    let (view, request) = (view(devices.max(72)), request(Gib(10), durability));
    bencher.bench(|| placement::place(black_box(&request), black_box(&view)).unwrap());
}

/// The longest way: each layout is tried, and then what would fit is searched for.
#[divan::bench(args = DEVICES)]
fn refuse_what_does_not_fit(bencher: Bencher<'_, '_>, devices: usize) {
    let durability = Durability::Replicate { replica: 3 };
    let (view, request) = (view(devices), request(Gib(100_000_000), durability));
    bencher.bench(|| placement::place(black_box(&request), black_box(&view)).unwrap_err());
}

const BODY: &str = r#"{"size": 100, "name": "", "durability": {"type": "replicate", "replicate":
    {"replica": 3}, "disperse": {}}, "gid": 2001, "clusters": [], "snapshot": {"enable": false,
    "factor": 1}, "glustervolumeoptions": ["user.heketi.arbiter true", "nfs.disable on"]}"#;

/// As leniently as Heketi.
#[divan::bench]
fn read_a_request() -> VolumeCreateRequest {
    lenient::from_slice(black_box(BODY.as_bytes())).unwrap()
}

/// The answer to `GET /volumes`, by their number.
#[divan::bench(args = [100, 10_000])]
fn write_a_list(bencher: Bencher<'_, '_>, volumes: usize) {
    let ids: Vec<VolumeId> = (0..volumes).map(|_| VolumeId::random()).collect();
    bencher.bench(|| serde_json::to_string(black_box(&ids)).unwrap());
}
