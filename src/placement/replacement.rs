//! A place for one brick that leaves its device, while the others of its set stay where they are
//! (storage.md 3.6).
use super::{PlacedBrick, Request, View, rule::Refusals, set};
use crate::domain::{DeviceId, Kib, NodeId, Part};
use std::collections::BTreeSet;

/// The brick that is to move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replacement {
    /// Payload of the brick: the new one has the same.
    pub brick: Kib,
    /// What it holds: the new one holds the same.
    pub part: Part,
    /// The device that it leaves. Another one of the same node will do.
    pub from: DeviceId,
    /// The nodes of the other bricks of its set.
    pub others: BTreeSet<NodeId>,
}

/// No device can take the brick.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "No Replacement was found for resource requested to be removed ({devices} other devices in the \
     cluster: {refusals})"
)]
pub struct NoReplacement {
    /// Devices of the cluster besides the one that the brick leaves.
    pub devices: usize,
    /// How many of them each rule refused.
    pub refusals: Refusals,
}

/// Finds a device under the rules of the volume; `request` says nothing else here.
///
/// # Errors
/// [`NoReplacement`] with the counts of each rule.
pub fn replace(
    request: &Request,
    replacement: &Replacement,
    view: &View,
) -> Result<PlacedBrick, NoReplacement> {
    let Replacement { brick, part, from, others } = replacement;
    let devices: Vec<_> =
        view.devices.iter().filter(|device| device.id != *from).cloned().collect();
    set::beside(request, *part, *brick, others, &devices)
        .map_err(|refusals| NoReplacement { devices: devices.len(), refusals })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{Durability, Gib, SnapshotFactor, Tags},
        placement::{
            DeviceView,
            rule::{Reason, Rules},
            size::Limits,
        },
    };

    /// Nodes of one device each, of these zones.
    fn view(zones: &[i64]) -> View {
        let device = |zone: &i64| DeviceView {
            id: DeviceId::random(),
            node: NodeId::random(),
            zone: *zone,
            node_online: true,
            online: true,
            free: Gib(100).to_kib(),
            extent: Kib(4096),
            tags: Tags::new(),
        };
        View { online_nodes: zones.len(), devices: zones.iter().map(device).collect() }
    }
    fn request() -> Request {
        Request {
            size: Kib(0),
            durability: Durability::Replicate { replica: 3 },
            snapshot_factor: SnapshotFactor(1.0),
            arbiter: None,
            existing_bricks: 3,
            limits: Limits::default(),
            rules: Rules::default(),
            avoid: BTreeSet::new(),
            seed: 7,
        }
    }
    /// The brick on device 0 of a set on devices 0, 1 and 2.
    fn leaving(view: &View, part: Part) -> Replacement {
        let others = view.devices[1..3].iter().map(|d| d.node).collect();
        Replacement { brick: Gib(2).to_kib(), part, from: view.devices[0].id, others }
    }

    #[test]
    fn not_beside_another_brick_of_the_set() {
        let view = view(&[1, 1, 1, 1]);
        let placed = replace(&request(), &leaving(&view, Part::Data), &view).unwrap();
        assert_eq!(placed.device, view.devices[3].id);
        assert_eq!((placed.size.brick, placed.part), (Gib(2).to_kib(), Part::Data));
    }
    #[test]
    fn another_device_of_the_same_node_will_do() {
        let mut view = view(&[1, 1, 1]);
        let twin = DeviceView { id: DeviceId::random(), ..view.devices[0].clone() };
        view.devices.push(twin.clone());
        let placed = replace(&request(), &leaving(&view, Part::Data), &view).unwrap();
        assert_eq!(placed.device, twin.id);
    }
    #[test]
    fn the_refusal_counts_every_rule() {
        let mut view = view(&[1, 1, 1, 1, 1]);
        view.devices[3].free = Gib(2).to_kib();
        view.devices[4].online = false;
        let refused = replace(&request(), &leaving(&view, Part::Data), &view).unwrap_err();
        let count = |reason| refused.refusals.of(reason);
        assert_eq!(
            (count(Reason::SameNode), count(Reason::Space), count(Reason::DeviceOffline)),
            (2, 1, 1)
        );
        let text = refused.to_string();
        let heketi = "No Replacement was found for resource requested to be removed";
        assert!(text.starts_with(heketi) && text.contains("1 too little space"), "{text}");
    }
    /// Heketi also counted the brick that leaves, so that one zone a brick was one too few.
    #[test]
    fn the_zone_that_is_left_is_free_again() {
        let mut view = view(&[1, 2, 3, 2]);
        let twin = DeviceView { id: DeviceId::random(), ..view.devices[0].clone() };
        view.devices.push(twin.clone());
        let mut strict = request();
        strict.rules.strict_zones = true;
        let placed = replace(&strict, &leaving(&view, Part::Data), &view).unwrap();
        assert_eq!(placed.device, twin.id, "not zone 2, which another brick has");
    }
    #[test]
    fn tags_are_obeyed() {
        let mut view = view(&[1, 1, 1, 1, 1]);
        view.devices[3].tags = [("arbiter".to_owned(), "disabled".to_owned())].into();
        view.devices[3].free = Gib(500).to_kib();
        view.devices[4].tags = [("tier".to_owned(), "slow".to_owned())].into();
        let arbiter = Request { arbiter: Some(64), ..request() };
        let placed = replace(&arbiter, &leaving(&view, Part::Arbiter), &view).unwrap();
        assert_eq!(placed.device, view.devices[4].id);
        let mut matching = request();
        matching.rules.tag_match = Some("tier!=slow".parse().unwrap());
        let placed = replace(&matching, &leaving(&view, Part::Data), &view).unwrap();
        assert_eq!(placed.device, view.devices[3].id);
    }
}
