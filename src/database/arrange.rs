//! Which thin pool a brick has and where it stands in its volume, as far as that can be known.
use crate::{
    api::database::{BrickPosition, Dump},
    domain::{BrickId, DeviceId, Kib, Part, VolumeId},
    operation::{Inherited, InheritedKind},
    store::snapshot::{Snapshot, StoredBrick},
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A set, or a place in one, that only gluster knows: any number below 0.
pub(super) const UNKNOWN: i64 = -1;

/// Heketi tells the size of a thin pool with each brick in it; it is taken only once.
pub(super) fn share_pools(bricks: &mut [StoredBrick]) {
    let mut owners = HashMap::<(DeviceId, String), BrickId>::new();
    for brick in &*bricks {
        let owner = owners.entry((brick.device, brick.pool())).or_insert(brick.id);
        if brick.cloned.is_none() {
            *owner = brick.id;
        }
    }
    for brick in bricks {
        if owners.get(&(brick.device, brick.pool())) != Some(&brick.id) {
            (brick.size.pool, brick.size.metadata) = (Kib::ZERO, Kib::ZERO);
        }
    }
}

/// Puts bricks in their places: as the dump says, or as far as they can be known otherwise. Those
/// that are still to join their volume have none.
pub(super) fn arrange(snapshot: &mut Snapshot, dump: &Dump, inherited: &[Inherited]) {
    let told = dump.brickyard.as_ref().map(|extension| &extension.bricks);
    let volumes: HashMap<_, _> =
        snapshot.volumes.iter().map(|v| (v.id, v.effective().bricks_in_set())).collect();
    let mut of_volume = BTreeMap::<VolumeId, Vec<&mut StoredBrick>>::new();
    for brick in &mut snapshot.bricks {
        if inherited.iter().any(|one| is_joining(one, brick)) {
            (brick.set_index, brick.position) = (UNKNOWN, UNKNOWN);
        } else {
            of_volume.entry(brick.volume).or_default().push(brick);
        }
    }
    for (volume, mut bricks) in of_volume {
        let positions: Option<Vec<_>> =
            bricks.iter().map(|b| told?.get(&b.id.to_string()).copied()).collect();
        if let Some(positions) = positions.filter(|all| are_distinct(all)) {
            for (brick, at) in bricks.iter_mut().zip(positions) {
                (brick.set_index, brick.position) = (at.set, at.position);
            }
            continue;
        }
        // The arbiter comes last in its set.
        bricks.sort_by_key(|brick| (brick.part == Part::Arbiter, brick.id));
        let in_set = volumes.get(&volume).copied().unwrap_or_default();
        let set = if bricks.len() <= in_set { 0 } else { UNKNOWN };
        for (number, brick) in (1_i64..).zip(bricks.iter_mut().rev()) {
            (brick.set_index, brick.position) = (set, -number);
        }
        if let [only] = bricks.as_mut_slice() {
            (only.set_index, only.position) = (0, 0);
        }
    }
}

/// Whether the operation was adding the brick to a volume that is in use.
fn is_joining(one: &Inherited, brick: &StoredBrick) -> bool {
    match one.kind {
        InheritedKind::ExpandVolume { .. } => brick.pending == Some(one.id),
        InheritedKind::EvictBrick { new, .. } => new == Some(brick.id),
        _ => false,
    }
}

fn are_distinct(positions: &[BrickPosition]) -> bool {
    let places: BTreeSet<_> = positions.iter().map(|at| (at.set, at.position)).collect();
    places.len() == positions.len()
}
