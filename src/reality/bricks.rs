//! Whether each brick has its logical volume, is mounted, and will be after a reboot.
use super::view::{View, difference, lv_of};
use crate::{
    api::reality::{Difference, Kind, Repair},
    domain::{Durability, Kib, VolumeId},
    node::{names::group, stock::Stock},
    store::snapshot::StoredBrick,
};

pub(super) fn compare(view: &View<'_>, differences: &mut Vec<Difference>) {
    for brick in &view.bricks {
        let Some(stock) = view.stock(brick.node) else { continue };
        match logical_volume(view, brick, stock) {
            Some(found) if found.kind == Kind::LogicalVolumeMissing => differences.push(found),
            found => {
                differences.extend(found);
                mounts(view, brick, stock, differences);
            }
        }
    }
}

/// How the brick is called for people.
fn title(view: &View<'_>, brick: &StoredBrick) -> String {
    let (volume, host) = (view.volume_name(brick.volume), view.host(brick.node));
    format!("brick {} of volume {volume} on node {host}", brick.id)
}

fn logical_volume(view: &View<'_>, brick: &StoredBrick, stock: &Stock) -> Option<Difference> {
    let (Ok(lvs), Ok(groups)) = (&stock.lvs, &stock.groups) else { return None };
    let (lv, of) = (lv_of(brick), group(brick.device));
    let title = title(view, brick);
    // A group that is away is a finding of its own, and may come back with all that is in it.
    let extent = groups.iter().find(|group| group.name == of)?.extent;
    let Some(found) = lvs.iter().find(|l| l.group == of && l.name == lv.name()) else {
        let text = format!("{title} has no logical volume {of}/{}", lv.name());
        let can_heal = has_redundancy(view, brick.volume);
        let repair = can_heal.then_some(Repair::MoveBrick { brick: brick.id });
        let mut missing =
            difference(Kind::LogicalVolumeMissing, &brick.id.to_string(), text, repair);
        missing.advice = if can_heal {
            "what was on it is healed from the other bricks of its set".into()
        } else {
            "its volume has no redundancy: what was on the brick is lost, unless LVM's archive \
             brings the logical volume back (vgcfgrestore)"
                .into()
        };
        return Some(missing);
    };
    let wanted = brick.size.brick.round_up(extent);
    // Zero is no size that LVM tells of anything.
    if found.size == wanted || found.size == Kib::ZERO {
        return None;
    }
    let text = format!(
        "{title} has {} KiB in the database, its logical volume has {} KiB",
        brick.size.brick.0, found.size.0
    );
    let mut differs = difference(Kind::BrickSize, &brick.id.to_string(), text, None);
    differs.advice = "somebody has resized it; bring the logical volume back to its size, or move \
                      the brick (`brick evict`)"
        .into();
    Some(differs)
}

fn has_redundancy(view: &View<'_>, volume: VolumeId) -> bool {
    let found = view.facts.after.volumes.iter().find(|v| v.id == volume);
    found.is_some_and(|v| match v.effective() {
        Durability::None => false,
        Durability::Replicate { replica } => replica > 1,
        Durability::Disperse { .. } => true,
    })
}

fn mounts(view: &View<'_>, brick: &StoredBrick, stock: &Stock, differences: &mut Vec<Difference>) {
    let lv = lv_of(brick);
    let (device, point) = (lv.device_node(), lv.mount_point());
    let (id, title) = (brick.id.to_string(), title(view, brick));
    // What gluster mounts itself, it mounts again when its volume is started.
    let repair = || {
        Some(if lv.is_in_fstab() {
            Repair::RestoreBrick { brick: brick.id }
        } else {
            Repair::StartVolume { volume: brick.volume }
        })
    };
    if let Ok(mounts) = &stock.mounts {
        // The last one that was mounted there is the one that is seen.
        match mounts.iter().rev().find(|mount| mount.point == point) {
            None => {
                let text = format!("{title} is not mounted");
                differences.push(difference(Kind::BrickNotMounted, &id, text, repair()));
            }
            Some(other) if other.device != device && names_device(&other.device) => {
                let text = format!("{title}: {} is mounted in its place", other.device);
                let mut found = difference(Kind::BrickNotMounted, &id, text, None);
                found.advice = format!("find out what it is before you unmount {point}");
                differences.push(found);
            }
            Some(_) => {}
        }
    }
    if let Ok(fstab) = &stock.fstab
        && lv.is_in_fstab()
        && !fstab.iter().any(|line| line.device == device && line.point == point)
    {
        let text = format!("{title} has no line in the fstab");
        let repair = Some(Repair::RestoreBrick { brick: brick.id });
        differences.push(difference(Kind::FstabLineMissing, &id, text, repair));
    }
}

/// Other names of the same device, such as `/dev/dm-3`, tell nothing.
fn names_device(device: &str) -> bool {
    device.starts_with("/dev/mapper/")
}
