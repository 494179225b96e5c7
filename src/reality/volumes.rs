//! Whether gluster has the volumes that the database has, with the same bricks and options.
use super::{
    recognise::{self, Ground},
    view::{View, brick_in_name, difference},
};
use crate::{
    api::reality::{Difference, Kind, Repair, Unknown},
    domain::{ClusterId, DeviceId, VolumeId},
    node::{
        gluster::{ID_OPTION, VolumeReport},
        names::{BrickLv, MOUNTS},
    },
    store::{snapshot::StoredBrick, volumes::Volume},
};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn compare(
    view: &View<'_>,
    unknown: &mut Vec<Unknown>,
    differences: &mut Vec<Difference>,
) {
    let clusters = view.facts.after.clusters.iter().map(|cluster| cluster.id);
    let in_gluster: BTreeMap<ClusterId, _> = clusters.map(|id| (id, view.in_gluster(id))).collect();
    for (volume, bricks) in view.settled_volumes() {
        let Some((found, all_told)) = in_gluster.get(&volume.cluster) else { continue };
        match find(view, found, volume) {
            Some(report) if is_another(view, volume, &bricks, report) => {
                differences.push(another(volume, report));
            }
            Some(report) => {
                state(volume, report, differences);
                differences.extend(mark(volume, report));
                options(volume, report, differences);
                places(view, volume, &bricks, report, differences);
            }
            None if *all_told => differences.push(gone(volume)),
            None => unknown.push(Unknown {
                place: format!("volume {}", volume.name),
                what: "whether gluster has it".into(),
                why:
                    "not all nodes of its cluster told the same: some do not have it, or say other \
                      things of it"
                        .into(),
            }),
        }
    }
    for cluster in &view.facts.after.clusters {
        strangers(view, cluster.id, differences);
    }
}

/// By its name, which nobody else can have in its pool; or by its id, had it been renamed. A clone
/// that Heketi made has the id of its source, and is known by its own name.
fn find<'a>(
    view: &View<'_>,
    found: &BTreeMap<&str, &'a VolumeReport>,
    volume: &Volume,
) -> Option<&'a VolumeReport> {
    let id = volume.id.to_string();
    let renamed = || {
        let names = view.known_volumes().0;
        found.values().find(|report| {
            report.options.get(ID_OPTION) == Some(&id) && !names.contains(report.name.as_str())
        })
    };
    found.get(volume.name.as_str()).or_else(renamed).copied()
}

/// Whether another volume has taken the name of ours: nothing of it is ours to change. One without a
/// mark is ours if it has a brick of ours, one with another's if it has just our bricks.
fn is_another(
    view: &View<'_>,
    volume: &Volume,
    bricks: &[&StoredBrick],
    report: &VolumeReport,
) -> bool {
    let is_there = |brick: &&StoredBrick| {
        view.addresses(brick).iter().any(|address| report.bricks.contains(address))
    };
    match report.options.get(ID_OPTION) {
        Some(id) if *id == volume.id.to_string() => false,
        Some(_) => bricks.len() != report.bricks.len() || !bricks.iter().all(is_there),
        None => !bricks.iter().any(is_there),
    }
}

fn another(volume: &Volume, report: &VolumeReport) -> Difference {
    let other = report.options.get(ID_OPTION).map_or("without a mark", String::as_str);
    let (name, id) = (&volume.name, volume.id);
    let text = format!("gluster's volume {name} is another one ({other}) than ours ({id})");
    let mut found = difference(Kind::OptionChanged, &format!("{id}/{ID_OPTION}"), text, None);
    found.advice = "somebody has made it anew, or changed its mark: find out where ours is".into();
    found
}

fn gone(volume: &Volume) -> Difference {
    let (name, id) = (&volume.name, volume.id);
    let text = format!("gluster does not have volume {name} ({id})");
    let repair = Some(Repair::DeleteVolume { volume: id });
    let mut gone = difference(Kind::VolumeNotInGluster, &id.to_string(), text, repair);
    gone.advice = "its files may still be on its bricks: copy what is needed before you confirm, \
                   since the bricks go as well"
        .into();
    gone
}

fn state(volume: &Volume, report: &VolumeReport, differences: &mut Vec<Difference>) {
    if report.status == "Started" {
        return;
    }
    let text = format!("volume {} is not started: {}", volume.name, report.status);
    let repair = Some(Repair::StartVolume { volume: volume.id });
    differences.push(difference(Kind::VolumeNotStarted, &volume.id.to_string(), text, repair));
}

/// The volume bears its id, by which it is known whatever becomes of its name and its bricks.
fn mark(volume: &Volume, report: &VolumeReport) -> Option<Difference> {
    let id = volume.id.to_string();
    let has = report.options.get(ID_OPTION);
    let (shown, advice) = match has {
        Some(has) if *has == id => return None,
        Some(has) => (
            format!("is {has:?}"),
            "by its bricks it is ours: gluster gives a clone the options of the volume that it was \
             made of, and Heketi leaves it so",
        ),
        None => (
            "is not set".to_owned(),
            "Heketi before version 9 did not set it; without it the volume gets another id when a \
             lost database is rebuilt",
        ),
    };
    let text = format!("volume {}: {ID_OPTION} {shown}, and should be {id:?}", volume.name);
    let about = format!("{id}/{ID_OPTION}");
    let repair = Repair::SetOption { volume: volume.id, key: ID_OPTION.to_owned(), value: id };
    let mut found = difference(Kind::OptionChanged, &about, text, Some(repair));
    found.advice = advice.into();
    Some(found)
}

fn options(volume: &Volume, report: &VolumeReport, differences: &mut Vec<Difference>) {
    let wanted: BTreeMap<&str, String> = volume
        .options
        .iter()
        .filter_map(|option| option.key_value())
        // `group` stands for many others, and names without their first word are shown with it.
        .filter(|(key, value)| key.contains('.') && !value.is_empty())
        .map(|(key, value)| (key, words(value)))
        .collect();
    let id = volume.id.to_string();
    for (key, value) in wanted {
        let has = report.options.get(key).map(|value| words(value));
        if has.as_deref().is_some_and(|has| same(has, &value)) {
            continue;
        }
        let shown = has.map_or("is not set".into(), |has| format!("is {has:?}"));
        let text = format!("volume {}: {key} {shown}, and was set to {value:?}", volume.name);
        let about = format!("{id}/{key}");
        let repair = Repair::SetOption { volume: volume.id, key: key.to_owned(), value };
        differences.push(difference(Kind::OptionChanged, &about, text, Some(repair)));
    }
}

fn words(value: &str) -> String {
    value.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

/// gluster shows what it was given; there are several words for yes and no.
fn same(one: &str, other: &str) -> bool {
    let plain = |value: &str| match value.to_ascii_lowercase().as_str() {
        "on" | "yes" | "true" | "enable" | "enabled" => "on".to_owned(),
        "off" | "no" | "false" | "disable" | "disabled" => "off".to_owned(),
        _ => value.to_owned(),
    };
    plain(one) == plain(other)
}

fn places(
    view: &View<'_>,
    volume: &Volume,
    bricks: &[&StoredBrick],
    report: &VolumeReport,
    differences: &mut Vec<Difference>,
) {
    let is_at = |brick: &StoredBrick, address: &String| view.addresses(brick).contains(address);
    let gone = |brick: &StoredBrick| !report.bricks.iter().any(|address| is_at(brick, address));
    let strange = |address: &String| !bricks.iter().any(|brick| is_at(brick, address));
    // Only where the order is known, and nothing was added or removed, one stands for the other.
    let in_order = bricks.first().is_some_and(|brick| brick.set_index >= 0)
        && bricks.len() == report.bricks.len();
    let mut paired = BTreeSet::new();
    if in_order {
        for (brick, address) in bricks.iter().zip(&report.bricks) {
            if gone(brick) && strange(address) {
                paired.insert(brick.id);
                differences.push(replaced(view, volume, brick, address));
            }
        }
    }
    for brick in bricks.iter().filter(|brick| gone(brick) && !paired.contains(&brick.id)) {
        let (id, name) = (brick.id, &volume.name);
        let text = format!("brick {id} is not among the bricks of volume {name} in gluster");
        differences.push(difference(Kind::BricksDiffer, &id.to_string(), text, None));
    }
    let more = report.bricks.iter().filter(|address| strange(address));
    for address in more.filter(|_| paired.is_empty()) {
        let name = &volume.name;
        let text = format!("volume {name} has a brick that is not in the database: {address}");
        let about = format!("{}/{address}", volume.id);
        let mut found = difference(Kind::BricksDiffer, &about, text, None);
        found.advice = "whoever added it knows why; `gluster volume remove-brick` takes it away \
                        again, after its data has moved"
            .into();
        differences.push(found);
    }
}

/// The brick that was put in the place of ours, if it is called as ours are and lies on a device
/// of ours.
fn replaced(view: &View<'_>, volume: &Volume, old: &StoredBrick, address: &str) -> Difference {
    let text = format!(
        "volume {} has {address} in the place of brick {} on node {}",
        volume.name,
        old.id,
        view.host(old.node)
    );
    let new = ours(view, volume.cluster, address);
    let repair = new.as_ref().ok().map(|lv| Repair::AdoptBrick {
        old: old.id,
        new: lv.id,
        device: lv.device,
    });
    let mut found = difference(Kind::BrickReplaced, &old.id.to_string(), text, repair);
    found.advice = match new {
        Ok(_) => "the logical volume of the old brick stays, and is found as nobody's then".into(),
        Err(why) => format!("{why}; put a brick of ours there with `gluster volume replace-brick`"),
    };
    found
}

fn ours(view: &View<'_>, cluster: ClusterId, address: &str) -> Result<BrickLv, String> {
    let not_ours = || "it does not lie where bricks of ours do".to_owned();
    let (host, path) = address.split_once(':').ok_or_else(not_ours)?;
    let point = path.strip_suffix("/brick").and_then(|path| path.strip_prefix(MOUNTS));
    let names = point.and_then(|point| point.strip_prefix('/')).and_then(|p| p.split_once('/'));
    let (group, name) = names.ok_or_else(not_ours)?;
    let device: Option<DeviceId> = group.strip_prefix("vg_").and_then(|id| id.parse().ok());
    let (device, brick) = device.zip(brick_in_name(name)).ok_or_else(not_ours)?;
    let lv = BrickLv::new(brick, device);
    let is_host = |name: &crate::domain::Hostname| name.as_str() == host;
    let node = view.members(cluster).find(|node| node.storage.iter().any(is_host));
    let node = node.ok_or_else(|| format!("no node of the cluster is called {host}"))?;
    let devices = &view.facts.after.devices;
    if !devices.iter().any(|d| d.id == device && d.node == node.id && d.pending.is_none()) {
        return Err(format!("{group} is no device of node {host} in the database"));
    }
    let lvs = view.stock(node.id).and_then(|stock| stock.lvs.as_ref().ok());
    let there = |pool: &str| {
        lvs.is_some_and(|lvs| {
            lvs.iter().any(|l| l.group == group && l.name == lv.name() && l.pool == pool)
        })
    };
    if name != lv.name() || !there(&lv.pool()) {
        return Err(format!("node {host} has no logical volume {group}/{name} in {}", lv.pool()));
    }
    if view.known_lvs().contains(&(group.to_owned(), name.to_owned())) {
        return Err("it belongs to another volume in the database".into());
    }
    Ok(lv)
}

/// Volumes in gluster that the database does not have.
fn strangers(view: &View<'_>, cluster: ClusterId, differences: &mut Vec<Difference>) {
    let (names, ids) = view.known_volumes();
    let is_known = |report: &VolumeReport| {
        let id = report.options.get(ID_OPTION).and_then(|id| id.parse::<VolumeId>().ok());
        // A clone that somebody made has the id of its source.
        names.contains(report.name.as_str())
            || id.is_some_and(|id| ids.contains(&id) && !has(view, id, &names))
    };
    for report in view.in_gluster(cluster).0.into_values().filter(|report| !is_known(report)) {
        let name = &report.name;
        let text =
            format!("gluster has volume {name} on cluster {cluster}, which is not in the database");
        let recognised = recognise::volume(report, cluster, &ground(view), &ids);
        let recognised = recognised.and_then(|found| {
            let known = view.known_lvs();
            let lv = |b: &StoredBrick| super::view::lv_of(b);
            let taken = found
                .bricks
                .iter()
                .map(lv)
                .find(|lv| known.contains(&(crate::node::names::group(lv.device), lv.name())));
            taken.map_or(Ok(found), |lv| {
                Err(format!("its brick {} belongs to another volume in the database", lv.id))
            })
        });
        let repair =
            recognised.is_ok().then(|| Repair::AdoptVolume { name: name.clone(), cluster });
        let about = format!("{cluster}/{name}");
        let mut strange = difference(Kind::VolumeNotInDatabase, &about, text, repair);
        if let Err(why) = recognised {
            strange.advice = format!(
                "it cannot be taken over: {why}; it is left alone, and so is the space it takes"
            );
        }
        differences.push(strange);
    }
}

/// Whether gluster has the volume of this id by the name that the database has for it.
fn has(view: &View<'_>, id: VolumeId, names: &BTreeSet<&str>) -> bool {
    let volume = view.facts.after.volumes.iter().find(|volume| volume.id == id);
    volume.is_some_and(|volume| {
        names.contains(volume.name.as_str())
            && view.in_gluster(volume.cluster).0.contains_key(volume.name.as_str())
    })
}

/// Nodes and devices that nobody adds or removes.
pub(super) fn ground<'a>(view: &View<'a>) -> Ground<'a> {
    let nodes = view.settled_nodes().filter_map(|node| Some((node, view.stock(node.id)?)));
    Ground { nodes: nodes.collect(), devices: &view.facts.after.devices }
}
