//! Logical volumes that are called like bricks of ours and belong to none.
use super::view::{View, brick_in_name, difference};
use crate::{
    api::reality::{Difference, Kind, Repair, Unknown},
    domain::{BrickId, DeviceId},
    node::{
        lvm::report::Lv,
        names::{BrickLv, group},
    },
    store::nodes::Node,
};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn compare(
    view: &View<'_>,
    unknown: &mut Vec<Unknown>,
    differences: &mut Vec<Difference>,
) {
    for node in view.settled_nodes() {
        let found = strays(view, node);
        if found.is_empty() {
            continue;
        }
        let (in_gluster, all_told) = view.in_gluster(node.cluster);
        for ((device, brick), sizes) in found {
            let lv = BrickLv::new(brick, device);
            let (host, names) = (view.host(node.id), sizes.join(" and "));
            // A brick of a volume that the database does not have is told with its volume.
            if in_gluster.values().any(|v| v.bricks.iter().any(|b| lv.holds(b))) {
                continue;
            }
            if !all_told {
                unknown.push(Unknown {
                    place: host,
                    what: format!("whose the logical volume {} is", lv.name()),
                    why: "not all nodes of the cluster told which volumes gluster has".into(),
                });
                continue;
            }
            let text = format!("node {host} has {names} in {}, of no brick", group(device));
            let used = elsewhere(view, node, &lv);
            let repair = used.is_none().then_some(Repair::RemoveStray { device, brick });
            let about = format!("{device}/{brick}");
            let mut stray = difference(Kind::LogicalVolumeOfNobody, &about, text, repair);
            stray.advice = match used {
                Some(point) => format!("somebody uses it at {point}: it is left alone"),
                None => "no volume of gluster uses it; look into it before you confirm: it may \
                         hold the last copy of something"
                    .into(),
            };
            differences.push(stray);
        }
    }
}

/// Where else than in its own place it is mounted, or is to be at boot.
fn elsewhere(view: &View<'_>, node: &Node, lv: &BrickLv) -> Option<String> {
    let stock = view.stock(node.id)?;
    let (device, own) = (lv.device_node(), lv.mount_point());
    let all = [&stock.mounts, &stock.fstab].into_iter().flatten().flatten();
    let mut others = all.filter(|mount| mount.device == device && mount.point != own);
    others.next().map(|mount| mount.point.clone())
}

/// What is found of each unknown brick on the node's own devices.
fn strays(view: &View<'_>, node: &Node) -> BTreeMap<(DeviceId, BrickId), Vec<String>> {
    let mut found = BTreeMap::<_, Vec<String>>::new();
    let Some(Ok(lvs)) = view.stock(node.id).map(|stock| &stock.lvs) else { return found };
    let known = view.known_lvs();
    let devices: BTreeMap<String, DeviceId> = view
        .facts
        .after
        .devices
        .iter()
        .filter(|device| device.node == node.id && device.pending.is_none())
        .map(|device| (group(device.id), device.id))
        .collect();
    // A pool in which something of ours lies is ours, whatever it is called after.
    let used: BTreeSet<(&str, &str)> = lvs
        .iter()
        .filter(|lv| known.contains(&(lv.group.clone(), lv.name.clone())))
        .map(|lv| (lv.group.as_str(), lv.pool.as_str()))
        .collect();
    let is_known = |lv: &Lv| {
        known.contains(&(lv.group.clone(), lv.name.clone()))
            || used.contains(&(lv.group.as_str(), lv.name.as_str()))
    };
    for lv in lvs.iter().filter(|lv| !is_known(lv)) {
        let (Some(device), Some(brick)) = (devices.get(&lv.group), brick_in_name(&lv.name)) else {
            continue;
        };
        let size = format!("{} ({} KiB)", lv.name, lv.size.0);
        found.entry((*device, brick)).or_default().push(size);
    }
    found
}
