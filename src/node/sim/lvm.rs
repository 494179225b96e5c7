//! LVM on a simulated node: as much of it as `node::lvm` uses.
use super::world::{Group, Node, Outcome, Pv};
use crate::domain::Kib;

pub(super) fn execute(node: &mut Node, disk: Kib, argv: &[&str]) -> Outcome {
    match argv {
        [tool, "--reportformat", "json", "--units", "k"] => report(node, tool),
        [tool, .., "--units", "k", "--nosuffix"] => named_fields(node, tool),
        ["pvcreate", .., device] => pvcreate(node, device),
        ["pvremove", .., device] => pvremove(node, device),
        ["pvs", rest @ ..] if rest.contains(&"--select") => Ok(pvs(node, rest)),
        ["pvs", .., device] => match resolve(node, device) {
            Some(name) => Ok(pv_report(&[(&name, &node.pvs[&name])])),
            None => Err(format!("Failed to find physical volume \"{device}\".")),
        },
        ["vgcreate", rest @ .., group, device] => vgcreate(node, disk, rest, group, device),
        ["vgremove", .., group] => vgremove(node, group),
        ["vgs", rest @ ..] => {
            let wanted = select(rest, "vg_name");
            Ok(node.groups.keys().filter(|name| **name == wanted).cloned().collect())
        }
        ["vgdisplay", "-c", group] => vgdisplay(node, group),
        ["lvcreate", rest @ ..] => lvcreate(node, rest),
        ["lvremove", .., path] => lvremove(node, path),
        ["lvs", rest @ ..] => Ok(lvs(node, rest)),
        other => Err(format!("simulated lvm does not know: {}", other.join(" "))),
    }
}

/// The value of `field=value` in the `--select` argument.
fn select(argv: &[&str], field: &str) -> String {
    let filter = argv.iter().skip_while(|word| **word != "--select").nth(1).unwrap_or(&"");
    let value = filter.split(" && ").find_map(|term| term.strip_prefix(field)?.strip_prefix('='));
    value.unwrap_or_default().to_owned()
}
fn option<'a>(argv: &[&'a str], name: &str) -> Option<&'a str> {
    argv.iter().skip_while(|word| **word != name).nth(1).copied()
}

fn pvcreate(node: &mut Node, device: &str) -> Outcome {
    if let Some(group) = node.pvs.get(device).and_then(|pv| pv.group.as_ref()) {
        return Err(format!(
            "Can't initialize physical volume \"{device}\" of volume group \"{group}\" without -ff"
        ));
    }
    if node.foreign.contains(device) {
        return Err(format!(
            "1 existing signature left on the device {device}.\n  Aborting pvcreate on {device}."
        ));
    }
    let uuid = uuid::Uuid::new_v4().to_string();
    node.pvs.insert(device.to_owned(), Pv { uuid, group: None });
    Ok(String::new())
}

/// By name, or by the link that udev makes from the UUID.
fn resolve(node: &Node, device: &str) -> Option<String> {
    let by_uuid = device.strip_prefix("/dev/disk/by-id/lvm-pv-uuid-");
    node.pvs
        .iter()
        .find(|(name, pv)| *name == device || by_uuid == Some(&pv.uuid))
        .map(|(name, _)| name.clone())
}

fn pvremove(node: &mut Node, device: &str) -> Outcome {
    let Some(name) = resolve(node, device) else {
        return Err(format!("No PV found on device {device}."));
    };
    if let Some(group) = &node.pvs[&name].group {
        return Err(format!("PV {name} is used by VG {group} so please use vgreduce first."));
    }
    node.pvs.remove(&name);
    Ok(String::new())
}

fn pvs(node: &Node, argv: &[&str]) -> String {
    let group = select(argv, "vg_name");
    let in_group = |(_, pv): &(&String, &Pv)| pv.group.as_deref() == Some(group.as_str());
    pv_report(&node.pvs.iter().filter(in_group).collect::<Vec<_>>())
}

/// All there is, as LVM reports it: sizes as text with their unit.
fn report(node: &Node, tool: &str) -> Outcome {
    let kib = |extents: u64, group: &Group| format!("{}.00k", extents * group.extent.0);
    let used = |group: &Group| group.pools.values().sum::<u64>();
    let (key, rows): (_, Vec<_>) = match tool {
        "pvs" => return Ok(pv_report(&node.pvs.iter().collect::<Vec<_>>())),
        "vgs" => {
            let row = |(name, group): (&String, &Group)| {
                let (size, free) =
                    (kib(group.extents, group), kib(group.extents - used(group), group));
                serde_json::json!({"vg_name": name, "vg_size": size, "vg_free": free})
            };
            ("vg", node.groups.iter().map(row).collect())
        }
        "lvs" => {
            let row = |(name, group): (&String, &Group)| {
                let lv = |lv: &String, pool: &str| serde_json::json!({"lv_name": lv, "vg_name": name, "pool_lv": pool});
                let pools = group.pools.keys().map(|pool| lv(pool, ""));
                pools.chain(group.volumes.iter().map(|(v, pool)| lv(v, pool))).collect::<Vec<_>>()
            };
            ("lv", node.groups.iter().flat_map(row).collect())
        }
        other => return Err(format!("simulated lvm does not know: {other}")),
    };
    Ok(serde_json::json!({"report": [{key: rows}]}).to_string())
}

/// The fields that `node::lvm::report` asks for.
fn named_fields(node: &Node, tool: &str) -> Outcome {
    let size = |kib: u64| format!("{kib}.00");
    let vg = |(name, group): (&String, &Group)| {
        let extent = group.extent.0;
        serde_json::json!({"vg_name": name, "vg_size": size(group.extents * extent),
            "vg_extent_size": size(extent)})
    };
    let lvs = |(name, group): (&String, &Group)| {
        let lv = |lv: &String, pool: &str, kib: u64, metadata: String| {
            serde_json::json!({"vg_name": name, "lv_name": lv, "pool_lv": pool,
                "lv_size": size(kib), "lv_metadata_size": metadata})
        };
        let extent = group.extent.0;
        let pools = group.pools.iter().map(|(pool, extents)| {
            let metadata = group.metadata.get(pool).copied().unwrap_or(0);
            lv(pool, "", (extents - metadata) * extent, size(metadata * extent))
        });
        let volumes = group.volumes.iter().map(|(volume, pool)| {
            lv(volume, pool, group.sizes.get(volume).map_or(0, |size| size.0), String::new())
        });
        pools.chain(volumes).collect::<Vec<_>>()
    };
    let (key, rows): (_, Vec<_>) = match tool {
        "pvs" => return Ok(pv_report(&node.pvs.iter().collect::<Vec<_>>())),
        "vgs" => ("vg", node.groups.iter().map(vg).collect()),
        "lvs" => ("lv", node.groups.iter().flat_map(lvs).collect()),
        other => return Err(format!("simulated lvm does not know: {other}")),
    };
    Ok(serde_json::json!({"report": [{key: rows}]}).to_string())
}

fn pv_report(pvs: &[(&String, &Pv)]) -> String {
    let row = |(name, pv): &(&String, &Pv)| {
        let group = pv.group.as_deref().unwrap_or_default();
        serde_json::json!({"pv_name": name, "pv_uuid": pv.uuid, "vg_name": group})
    };
    serde_json::json!({"report": [{"pv": pvs.iter().map(row).collect::<Vec<_>>()}]}).to_string()
}

fn vgcreate(node: &mut Node, disk: Kib, argv: &[&str], group: &str, device: &str) -> Outcome {
    let Some(pv) = node.pvs.get_mut(device) else {
        return Err(format!("No device found for {device}."));
    };
    if node.groups.contains_key(group) {
        return Err(format!("A volume group called {group} already exists."));
    }
    let extent = argv.iter().find_map(|word| word.strip_prefix("--physicalextentsize="));
    let extent = extent.and_then(kib).unwrap_or(Kib(4096));
    pv.group = Some(group.to_owned());
    let extents = disk.0 / extent.0;
    let fresh = Group { extent, extents, ..Group::default() };
    node.groups.insert(group.to_owned(), fresh);
    Ok(String::new())
}

fn vgremove(node: &mut Node, group: &str) -> Outcome {
    match node.groups.get(group) {
        None => Err(format!("Volume group \"{group}\" not found")),
        Some(g) if !g.pools.is_empty() || !g.volumes.is_empty() => {
            Err(format!("Volume group \"{group}\" still contains logical volumes"))
        }
        Some(_) => {
            node.groups.remove(group);
            for pv in node.pvs.values_mut() {
                if pv.group.as_deref() == Some(group) {
                    pv.group = None;
                }
            }
            Ok(String::new())
        }
    }
}

fn vgdisplay(node: &Node, group: &str) -> Outcome {
    let Some(g) = node.groups.get(group) else {
        return Err(format!("Volume group \"{group}\" not found"));
    };
    let used: u64 = g.pools.values().sum();
    let (extent, total) = (g.extent.0, g.extents);
    let (kib, free) = (total * extent, total - used);
    Ok(format!("  {group}:r/w:772:-1:0:0:0:-1:0:1:1:{kib}:{extent}:{total}:{used}:{free}:uuid\n"))
}

fn lvcreate(node: &mut Node, argv: &[&str]) -> Outcome {
    let usage = || format!("simulated lvcreate does not know: {}", argv.join(" "));
    let path = option(argv, "--thin").ok_or_else(usage)?;
    let name = option(argv, "--name").ok_or_else(usage)?;
    let (group, pool) = path.split_once('/').ok_or_else(usage)?;
    let Some(g) = node.groups.get_mut(group) else {
        return Err(format!("Volume group \"{group}\" not found"));
    };
    if let Some(size) = option(argv, "--size") {
        if g.pools.contains_key(pool) {
            return Err(format!(
                "Logical Volume \"{pool}\" already exists in volume group \"{group}\""
            ));
        }
        let metadata = option(argv, "--poolmetadatasize").ok_or_else(usage)?;
        let extents = |text| kib(text).map(|size| size.0.div_ceil(g.extent.0)).ok_or_else(usage);
        let metadata = extents(metadata)?;
        let needed = extents(size)? + metadata;
        let free = g.extents - g.pools.values().sum::<u64>();
        if needed > free {
            return Err(format!(
                "Volume group \"{group}\" has insufficient free space ({free} extents): {needed} required."
            ));
        }
        g.pools.insert(pool.to_owned(), needed);
        g.metadata.insert(pool.to_owned(), metadata);
    } else if !g.pools.contains_key(pool) {
        return Err(format!("Thin pool {path} not found."));
    }
    if g.volumes.contains_key(name) {
        return Err(format!(
            "Logical Volume \"{name}\" already exists in volume group \"{group}\""
        ));
    }
    g.volumes.insert(name.to_owned(), pool.to_owned());
    let size = option(argv, "--virtualsize").and_then(kib).ok_or_else(usage)?;
    g.sizes.insert(name.to_owned(), size.round_up(g.extent));
    Ok(String::new())
}

fn lvremove(node: &mut Node, path: &str) -> Outcome {
    let missing = || format!("Failed to find logical volume \"{path}\"");
    let (group, name) = path.split_once('/').ok_or_else(missing)?;
    let device = format!("/dev/mapper/{group}-{name}");
    if node.mounts.values().any(|mounted| *mounted == device) {
        return Err(format!("Logical volume {path} contains a filesystem in use."));
    }
    let g = node.groups.get_mut(group).ok_or_else(missing)?;
    if g.volumes.remove(name).is_some() {
        g.sizes.remove(name);
        node.file_systems.remove(&device);
        return Ok(String::new());
    }
    if g.volumes.values().any(|pool| pool == name) {
        return Err(format!("simulated: pool {path} is not empty"));
    }
    g.metadata.remove(name);
    g.pools.remove(name).map(|_| String::new()).ok_or_else(missing)
}

fn lvs(node: &Node, argv: &[&str]) -> String {
    let (group, name) = (select(argv, "vg_name"), select(argv, "lv_name"));
    let Some(g) = node.groups.get(&group) else {
        return String::new();
    };
    let begin = select(argv, "lv_name").strip_prefix("~^").map(str::to_owned);
    if let Some(begin) = begin {
        let wanted = select(argv, "pool_lv");
        let is_wanted =
            |(lv, pool): &(&String, &String)| **pool == wanted && lv.starts_with(&begin);
        let found: Vec<_> = g.volumes.iter().filter(is_wanted).map(|(lv, _)| lv.as_str()).collect();
        return found.join("\n");
    }
    let count = g.volumes.values().filter(|pool| **pool == name).count();
    let wanted = select(argv, "thin_count");
    let found = match g.pools.get(&name) {
        Some(_) => wanted.is_empty() || wanted == count.to_string(),
        None => g.volumes.contains_key(&name) && wanted.is_empty(),
    };
    if found { format!("  {name}\n") } else { String::new() }
}

/// `4M`, `1024K`.
fn kib(text: &str) -> Option<Kib> {
    let (number, unit) = text.split_at(text.len().checked_sub(1)?);
    let factor = match unit {
        "K" => 1,
        "M" => 1024,
        "G" => 1024 * 1024,
        _ => return None,
    };
    Some(Kib(number.parse::<u64>().ok()? * factor))
}
