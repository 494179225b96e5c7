//! One brick set: a node for each brick, zones spread first, then nodes, then free space.
use super::{
    DeviceView, PlacedBrick, Request,
    rule::{self, ArbiterTag, Reason, Refusals},
    size,
};
use crate::domain::{DeviceId, Durability, Kib, NodeId, Part};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

/// Free space while sets are placed one after another, and how busy each node is with them.
pub(super) struct Room<'a> {
    devices: &'a [DeviceView],
    taken: BTreeMap<DeviceId, Kib>,
    bricks_on: BTreeMap<NodeId, usize>,
}

impl<'a> Room<'a> {
    pub(super) fn new(devices: &'a [DeviceView]) -> Self {
        Self { devices, taken: BTreeMap::new(), bricks_on: BTreeMap::new() }
    }
    fn free(&self, device: &DeviceView) -> Kib {
        device.free.minus(self.taken.get(&device.id).copied().unwrap_or_default())
    }
    fn take(&mut self, set: &[PlacedBrick]) {
        for brick in set {
            let taken = self.taken.entry(brick.device).or_default();
            *taken = taken.plus(brick.size.total());
            *self.bricks_on.entry(brick.node).or_default() += 1;
        }
    }
}

/// Places one set and takes its space, or counts what stood in the way.
///
/// Data bricks of a set are alike, so taking the best device again and again finds a place
/// whenever there is one. An arbiter brick is not like them: each place for it is tried.
pub(super) fn choose(
    request: &Request,
    brick: Kib,
    room: &mut Room<'_>,
) -> Result<Vec<PlacedBrick>, Refusals> {
    let count = request.durability.bricks_in_set();
    let replica_3 = request.durability == Durability::Replicate { replica: 3 };
    let found = match request.arbiter.filter(|_| replica_3) {
        None => Draft::default().fill(request, room, Part::Data, brick, count),
        Some(average_file) => {
            let small = size::arbiter(brick, average_file);
            with_arbiter(request, room, brick, small, count)
        }
    };
    let set = found?.bricks;
    room.take(&set);
    Ok(set)
}

/// The best device for one more brick of a set whose other bricks lie on these nodes, or what stood
/// in the way of each.
pub(super) fn beside(
    request: &Request,
    part: Part,
    brick: Kib,
    others: &BTreeSet<NodeId>,
    devices: &[DeviceView],
) -> Result<PlacedBrick, Refusals> {
    let room = Room::new(devices);
    let mut draft = Draft { nodes: others.clone(), ..Draft::default() };
    for node in others {
        if let Some(device) = devices.iter().find(|device| device.node == *node) {
            *draft.zones.entry(device.zone).or_default() += 1;
        }
    }
    draft.best(request, &room, part, brick).map(|place| place.brick)
}

fn with_arbiter(
    request: &Request,
    room: &Room<'_>,
    brick: Kib,
    small: Kib,
    count: usize,
) -> Result<Draft, Refusals> {
    let (places, mut refusals) = Draft::default().ranked(request, room, Part::Arbiter, small);
    for place in places {
        let mut draft = Draft::default();
        draft.add(place);
        match draft.fill(request, room, Part::Data, brick, count) {
            Ok(mut full) => {
                full.bricks.rotate_left(1); // gluster expects the arbiter last
                return Ok(full);
            }
            Err(more) => refusals = more,
        }
    }
    Err(refusals)
}

/// A set in the making.
#[derive(Clone, Default)]
struct Draft {
    bricks: Vec<PlacedBrick>,
    nodes: BTreeSet<NodeId>,
    zones: BTreeMap<i64, usize>,
}

/// A device that passed every rule, with what it would be used for.
struct Place<'a> {
    device: &'a DeviceView,
    brick: PlacedBrick,
}

impl Draft {
    fn add(&mut self, place: Place<'_>) {
        self.nodes.insert(place.device.node);
        *self.zones.entry(place.device.zone).or_default() += 1;
        self.bricks.push(place.brick);
    }

    fn fill(
        mut self,
        request: &Request,
        room: &Room<'_>,
        part: Part,
        brick: Kib,
        count: usize,
    ) -> Result<Self, Refusals> {
        while self.bricks.len() < count {
            let best = self.best(request, room, part, brick)?;
            self.add(best);
        }
        Ok(self)
    }

    /// The best device for the brick, or why none may take it. One pass over all of them, since
    /// there may be very many.
    fn best<'a>(
        &self,
        request: &Request,
        room: &Room<'a>,
        part: Part,
        brick: Kib,
    ) -> Result<Place<'a>, Refusals> {
        let mut refusals = Refusals::default();
        let places = self.candidates(request, room, part, brick, &mut refusals);
        let best = places.min_by_key(|place| self.rank(request, room, part, place.device));
        best.ok_or(refusals)
    }

    /// Every device that may take the brick, the best first, and why the others may not.
    fn ranked<'a>(
        &self,
        request: &Request,
        room: &Room<'a>,
        part: Part,
        brick: Kib,
    ) -> (Vec<Place<'a>>, Refusals) {
        let mut refusals = Refusals::default();
        let places = self.candidates(request, room, part, brick, &mut refusals);
        let mut places: Vec<_> = places.collect();
        places.sort_by_cached_key(|place| self.rank(request, room, part, place.device));
        (places, refusals)
    }

    /// Every device that may take the brick; why others may not is counted on the way.
    fn candidates<'a>(
        &self,
        request: &Request,
        room: &Room<'a>,
        part: Part,
        brick: Kib,
        refusals: &mut Refusals,
    ) -> impl Iterator<Item = Place<'a>> {
        room.devices.iter().filter_map(move |device| {
            let size = size::of_brick(brick, request.snapshot_factor, device.extent);
            let refused = rule::refuse(device, request, part, room.free(device), size.total())
                .or_else(|| self.refuse(request, device));
            if let Some(reason) = refused {
                refusals.add(reason);
                return None;
            }
            let brick = PlacedBrick { device: device.id, node: device.node, part, size };
            Some(Place { device, brick })
        })
    }

    fn refuse(&self, request: &Request, device: &DeviceView) -> Option<Reason> {
        if self.nodes.contains(&device.node) {
            Some(Reason::SameNode)
        } else if request.rules.strict_zones && self.zones.contains_key(&device.zone) {
            Some(Reason::SameZone)
        } else {
            None
        }
    }

    /// Smaller is better. Devices kept for one kind of brick are used for it first, so that the
    /// others stay free for both kinds (storage.md 3.4).
    fn rank(
        &self,
        request: &Request,
        room: &Room<'_>,
        part: Part,
        device: &DeviceView,
    ) -> (bool, usize, usize, Reverse<Kib>, u128) {
        let meant_for = match part {
            Part::Arbiter => ArbiterTag::Required,
            Part::Data => ArbiterTag::Disabled,
        };
        (
            request.arbiter.is_some() && ArbiterTag::of(&device.tags) != meant_for,
            self.zones.get(&device.zone).copied().unwrap_or_default(),
            room.bricks_on.get(&device.node).copied().unwrap_or_default(),
            Reverse(room.free(device)),
            shuffled(request.seed, device.id),
        )
    }
}

/// A number that orders equal devices differently for each volume.
fn shuffled(seed: u128, device: DeviceId) -> u128 {
    // One round of multiply-and-fold: spreads well enough to break ties, and needs no state.
    const ODD: u128 = 0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835;
    let mixed = (seed ^ device.as_u128()).wrapping_mul(ODD);
    (mixed ^ (mixed >> 64)).wrapping_mul(ODD)
}
