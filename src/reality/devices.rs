//! Whether each device has its volume group, and its numbers are those of LVM.
use super::view::{View, difference, lv_of};
use crate::{
    api::reality::{Difference, Kind, Repair},
    domain::{DeviceId, Kib},
    node::{
        lvm::report::{Group, Lv},
        names::group,
    },
    store::devices::Device,
};
use std::collections::BTreeSet;

pub(super) fn compare(view: &View<'_>, differences: &mut Vec<Difference>) {
    for device in view.settled_devices() {
        let Some(stock) = view.stock(device.node) else { continue };
        let (Ok(groups), Ok(lvs)) = (&stock.groups, &stock.lvs) else { continue };
        let (id, host) = (device.id, view.host(device.node));
        let name = group(id);
        let Some(found) = groups.iter().find(|group| group.name == name) else {
            let text = format!("node {host} has no volume group {name} (device {})", device.name);
            let mut missing = difference(Kind::VolumeGroupMissing, &id.to_string(), text, None);
            missing.advice = "bring the disk back; if it is lost for good, set the device offline \
                              and remove it: its bricks are moved to others"
                .into();
            differences.push(missing);
            continue;
        };
        let Numbers { least, most } = view.numbers(device, found, lvs);
        if device.total == found.size && (least..=most).contains(&device.used) {
            continue;
        }
        let text = format!(
            "device {} of node {host}: the database has {} KiB of which {} KiB are used, LVM has \
             {} KiB of which {} KiB are used",
            device.name, device.total.0, device.used.0, found.size.0, least.0
        );
        let repair = Some(Repair::ResyncDevice { device: id });
        differences.push(difference(Kind::DeviceNumbers, &id.to_string(), text, repair));
    }
}

/// What of a device may be called used.
struct Numbers {
    /// By bricks that the database knows, and by what is left of such.
    least: Kib,
    /// By all that is in the group as well: a resync counts it, and the spare that LVM keeps.
    most: Kib,
}

impl View<'_> {
    /// A logical volume that is gone, or is nobody's, is a finding of its own: it does not make the
    /// numbers of its device wrong as well.
    fn numbers(&self, device: &Device, found: &Group, lvs: &[Lv]) -> Numbers {
        let takes =
            |lv: &Lv| lv.size.round_up(found.extent).plus(lv.metadata.round_up(found.extent));
        let inside = || lvs.iter().filter(|lv| lv.group == found.name && lv.pool.is_empty());
        // What a thin pool is made of is counted with it.
        let part = |lv: &&Lv| lv.name.ends_with("_tdata]") || lv.name.ends_with("_tmeta]");
        let all: Kib = inside().filter(|lv| !part(lv)).map(takes).sum();
        let known = self.known_lvs();
        let is_known = |lv: &&Lv| known.contains(&(lv.group.clone(), lv.name.clone()));
        let there: Kib = inside().filter(is_known).map(takes).sum();
        let gone = self.missing_pools(device.id, lvs);
        Numbers { least: there.plus(gone), most: all.plus(gone) }
    }

    /// The space of bricks whose pools are gone; what is left of others may or may not be there.
    fn missing_pools(&self, device: DeviceId, lvs: &[Lv]) -> Kib {
        let names: BTreeSet<&str> =
            lvs.iter().filter(|lv| lv.group == group(device)).map(|lv| lv.name.as_str()).collect();
        let here = self.bricks.iter().filter(|brick| brick.device == device);
        let gone = here.filter(|brick| !names.contains(lv_of(brick).pool().as_str()));
        let left = self.facts.after.debris.get(&device).copied().unwrap_or_default();
        let there: Kib = self
            .facts
            .debris
            .iter()
            .filter(|d| d.device == device && !names.contains(debris_pool(d).as_str()))
            .map(|d| d.space)
            .sum();
        gone.map(|brick| brick.size.total()).sum::<Kib>().plus(there.min(left))
    }
}

fn debris_pool(left: &crate::store::debris::Debris) -> String {
    crate::domain::brick::pool_of(left.brick, left.cloned.as_ref())
}
