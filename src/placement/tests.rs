//! What every placement must keep, for any cluster and any request.
use super::{rule::Reason, *};
use crate::domain::{Gib, SnapshotFactor};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn request(size: Kib, durability: Durability) -> Request {
    Request {
        size,
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

fn node_id(n: u8) -> NodeId {
    format!("{n:032x}").parse().unwrap()
}
fn device(n: u8, node: u8, zone: i64, free: u64) -> DeviceView {
    DeviceView {
        id: format!("{:032x}", u32::from(n) + 1000).parse().unwrap(),
        node: node_id(node),
        zone,
        node_online: true,
        online: true,
        free: Gib(free).to_kib(),
        extent: Kib(4096),
        tags: Tags::new(),
    }
}
fn view(devices: Vec<DeviceView>) -> View {
    let nodes: BTreeSet<_> = devices.iter().filter(|d| d.node_online).map(|d| d.node).collect();
    View { online_nodes: nodes.len(), devices }
}
fn tagged(mut device: DeviceView, key: &str, value: &str) -> DeviceView {
    device.tags.insert(key.to_owned(), value.to_owned());
    device
}
const REPLICA_3: Durability = Durability::Replicate { replica: 3 };

#[test]
fn zones_spread_before_nodes_and_nodes_before_space() {
    // Zone 1 has the emptiest devices, but zones 2 and 3 must be used as well.
    let cluster = view(vec![
        device(0, 0, 1, 500),
        device(1, 1, 1, 500),
        device(2, 2, 2, 50),
        device(3, 3, 3, 20),
        device(4, 3, 3, 30),
    ]);
    let placement = place(&request(Gib(10).to_kib(), REPLICA_3), &cluster).unwrap();
    let devices: BTreeSet<_> = placement.sets[0].iter().map(|b| b.device).collect();
    assert!(devices.contains(&cluster.devices[2].id));
    assert!(devices.contains(&cluster.devices[4].id), "the emptier device of the node");
}

#[test]
fn sets_spread_over_nodes() {
    let cluster = view((0..6).map(|n| device(n, n, i64::from(n % 3), 60)).collect());
    let placement = place(&request(Gib(100).to_kib(), REPLICA_3), &cluster).unwrap();
    assert_eq!(placement.sets.len(), 2);
    let nodes: BTreeSet<_> = placement.sets.iter().flatten().map(|b| b.node).collect();
    assert_eq!(nodes.len(), 6);
}

#[test]
fn an_arbiter_never_takes_the_only_place_for_data() {
    // The emptiest device would be the greedy choice for the arbiter, and then data finds no place.
    let cluster = view(vec![device(0, 0, 1, 500), device(1, 1, 2, 300), device(2, 2, 3, 2)]);
    let wish = Request { arbiter: Some(64), ..request(Gib(100).to_kib(), REPLICA_3) };
    let placement = place(&wish, &cluster).unwrap();
    let parts: Vec<_> = placement.sets[0].iter().map(|b| b.part).collect();
    assert_eq!(parts, [Part::Data, Part::Data, Part::Arbiter]);
    assert_eq!(placement.sets[0][2].device, cluster.devices[2].id);
    assert_eq!(placement.sets[0][2].size.brick, Kib(1_638_400));
}

#[test]
fn arbiter_tags_are_kept() {
    let cluster = view(vec![
        tagged(device(0, 0, 1, 100), "arbiter", "required"),
        tagged(device(1, 1, 1, 100), "arbiter", "disabled"),
        device(2, 2, 1, 900),
        device(3, 3, 1, 900),
    ]);
    let wish = Request { arbiter: Some(64), ..request(Gib(10).to_kib(), REPLICA_3) };
    let set = &place(&wish, &cluster).unwrap().sets[0];
    assert_eq!(set[2].device, cluster.devices[0].id);
    assert!(set[..2].iter().any(|b| b.device == cluster.devices[1].id));
}

#[test]
fn the_report_counts_each_rule_and_names_the_largest_that_fits() {
    let mut cluster = view((0..5).map(|n| device(n, n, i64::from(n), 100)).collect());
    cluster.devices[0].online = false;
    cluster.devices[1].node_online = false;
    cluster.devices[2].free = Gib(3).to_kib();
    let wish = request(Gib(50).to_kib(), REPLICA_3);
    let refusal = place(&wish, &cluster).unwrap_err();
    let (Refusal::MaxBricks(report) | Refusal::MinBrickSize(report)) = refusal else {
        panic!("{refusal:?}")
    };
    let first = &report.tried[0].refusals;
    assert_eq!(first.of(Reason::DeviceOffline), 1);
    assert_eq!(first.of(Reason::NodeOffline), 1);
    assert_eq!(first.of(Reason::Space), 1);
    assert_eq!(first.of(Reason::SameNode), 2);
    assert_eq!(report.largest, Some(Gib(2).to_kib()));
    let text = report.to_string();
    assert!(text.contains("5 devices") && text.contains("1 too little space"), "{text}");
    assert!(text.ends_with("the largest that would fit: 2 GiB"), "{text}");
}

#[test]
fn an_empty_cluster_says_so() {
    let wish = request(Gib(1).to_kib(), Durability::None);
    assert_eq!(place(&wish, &View::default()), Err(Refusal::NoNodes));
    let mut offline = device(0, 0, 1, 10);
    offline.online = false;
    assert_eq!(place(&wish, &view(vec![offline])), Err(Refusal::NoDevices));
}

#[test]
fn space_must_be_strictly_greater() {
    let needed = Kib(1_056_768);
    let mut only = device(0, 0, 1, 1);
    only.free = needed;
    assert!(place(&request(Gib(1).to_kib(), Durability::None), &view(vec![only.clone()])).is_err());
    only.free = needed.plus(Kib(1));
    assert!(place(&request(Gib(1).to_kib(), Durability::None), &view(vec![only])).is_ok());
}

prop_compose! {
    fn any_device(n: u8)(
        node in 0_u8..8, zone in 1_i64..4, free in 0_u64..40, online in prop::bool::weighted(0.9),
        node_online in prop::bool::weighted(0.9), tag in prop::option::of(0_u8..3),
    ) -> DeviceView {
        let mut d = device(n, node, zone, free);
        // A node lies in one zone and is online or not as a whole.
        d.zone = 1 + i64::from(node) % 4;
        d.node_online = node_online || node % 3 != 0;
        d.online = online;
        let _ = zone;
        if let Some(t) = tag {
            let word = ["required", "supported", "disabled"][usize::from(t)];
            d.tags.insert("arbiter".into(), word.into());
        }
        d
    }
}
fn any_cluster() -> impl Strategy<Value = View> {
    (0_u8..14).prop_flat_map(|count| (0..count).map(any_device).collect::<Vec<_>>()).prop_map(view)
}
fn any_durability() -> impl Strategy<Value = Durability> {
    prop_oneof![
        Just(Durability::None),
        (1_u8..4).prop_map(|replica| Durability::Replicate { replica }),
        Just(Durability::Disperse { data: 2, redundancy: 1 }),
        Just(Durability::Disperse { data: 4, redundancy: 2 }),
    ]
}

/// The rules again, written down independently of the code that chooses.
fn check(wish: &Request, cluster: &View, placement: &Placement) {
    let mut taken: BTreeMap<DeviceId, Kib> = BTreeMap::new();
    for set in &placement.sets {
        assert_eq!(set.len(), wish.durability.bricks_in_set());
        let nodes: BTreeSet<_> = set.iter().map(|b| b.node).collect();
        assert_eq!(nodes.len(), set.len(), "two bricks of a set on one node");
        let mut zones = BTreeSet::new();
        for (position, brick) in set.iter().enumerate() {
            let device = cluster.devices.iter().find(|d| d.id == brick.device).unwrap();
            assert!(device.online && device.node_online && !wish.avoid.contains(&device.node));
            zones.insert(device.zone);
            let sum = taken.entry(device.id).or_default();
            *sum = sum.plus(brick.size.total());
            assert!(*sum < device.free, "more than there is");
            let arbiter = wish.arbiter.is_some() && set.len() == 3 && position == 2;
            assert_eq!(brick.part == Part::Arbiter, arbiter);
            let tag = device.tags.get("arbiter").map(String::as_str);
            if wish.arbiter.is_some() {
                assert_ne!(tag, Some(if arbiter { "disabled" } else { "required" }));
            }
        }
        if wish.rules.strict_zones {
            assert_eq!(zones.len(), set.len(), "strict zones");
        }
    }
    let data: u64 =
        placement.sets.iter().map(|s| s[0].size.brick.0 * wish.durability.data_bricks()).sum();
    let lost = wish.size.0 - data;
    assert!(lost < wish.durability.data_bricks() * placement.sets.len() as u64 * 2, "lost {lost}");
    let bricks: usize = placement.sets.iter().map(Vec::len).sum();
    assert!(bricks + wish.existing_bricks <= wish.limits.max_bricks);
}

/// Whether one set of data bricks of this size can be placed at all, by counting nodes or zones.
fn one_set_is_possible(wish: &Request, cluster: &View, brick: Kib) -> bool {
    let fits = cluster.devices.iter().filter(|d| {
        let size = size::of_brick(brick, wish.snapshot_factor, d.extent);
        d.online && d.node_online && !wish.avoid.contains(&d.node) && d.free > size.total()
    });
    let (nodes, zones): (BTreeSet<_>, BTreeSet<_>) = fits.map(|d| (d.node, d.zone)).unzip();
    let groups = if wish.rules.strict_zones { zones.len() } else { nodes.len() };
    groups >= wish.durability.bricks_in_set()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn every_placement_keeps_every_rule(
        cluster in any_cluster(),
        durability in any_durability(),
        gib in 1_u64..60,
        strict_zones in any::<bool>(),
        arbiter in prop::option::weighted(0.3, 1_u64..200),
        avoid in prop::option::weighted(0.3, 0_u8..8),
        existing_bricks in 0_usize..12,
        seed in any::<u128>(),
    ) {
        let mut wish = request(Gib(gib).to_kib(), durability);
        wish.rules.strict_zones = strict_zones;
        wish.arbiter = arbiter.filter(|_| durability == REPLICA_3);
        wish.avoid = avoid.map(node_id).into_iter().collect();
        wish.existing_bricks = existing_bricks;
        wish.seed = seed;
        match place(&wish, &cluster) {
            Ok(placement) => {
                check(&wish, &cluster, &placement);
                prop_assert_eq!(place(&wish, &cluster).unwrap(), placement, "not deterministic");
            }
            Err(refusal) => {
                let whole = Kib(wish.size.0 / durability.data_bricks());
                let allowed = whole >= wish.limits.brick_min
                    && existing_bricks + durability.bricks_in_set() <= wish.limits.max_bricks;
                if wish.arbiter.is_none() && allowed {
                    prop_assert!(!one_set_is_possible(&wish, &cluster, whole), "{:?}", refusal);
                }
            }
        }
    }
}
