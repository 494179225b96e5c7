//! LVM: volume groups of devices, thin pools and thin volumes of bricks (storage.md 1.1-1.6).
//!
//! Names hold our ids, so what exists under such a name is ours; nothing else is ever touched.
pub mod report;

use super::{
    NodeError, Ran, Result, Script, Tools, When,
    names::{BrickLv, group},
    script::Cmd,
};
use crate::domain::{BrickSize, DeviceFacts, DeviceId, DeviceName, Hostname, Kib, Part};
use serde::Deserialize;

fn lvm<const N: usize>(tools: &Tools, argv: [&str; N]) -> Cmd {
    Cmd::new(wrapper(tools).chain(["/usr/sbin/lvm"]).chain(argv))
}
/// The words before a command that runs outside of the container, if there are any.
fn wrapper(tools: &Tools) -> impl Iterator<Item = &str> {
    tools.lvm_wrapper.as_deref().into_iter().flat_map(str::split_ascii_whitespace)
}
fn autobackup(tools: &Tools) -> &'static str {
    if tools.backup_lvm_metadata { "--autobackup=y" } else { "--autobackup=n" }
}

/// Lists the logical volume if it exists. A volume group that is gone is no error here.
fn find_lv(tools: &Tools, device: DeviceId, name: &str, and: &str) -> Cmd {
    let filter = format!("vg_name={} && lv_name={name}{and}", group(device));
    lvm(tools, ["lvs", "--noheadings", "-o", "lv_name", "--select", &filter])
}
/// Lists the volume group if it exists.
fn find_group(tools: &Tools, device: DeviceId) -> Cmd {
    let filter = format!("vg_name={}", group(device));
    lvm(tools, ["vgs", "--noheadings", "-o", "vg_name", "--select", &filter])
}

/// Makes the thin pool and the thin volume, each unless it exists.
#[must_use]
pub fn create_brick(
    script: Script,
    tools: &Tools,
    brick: &BrickLv,
    size: BrickSize,
    part: Part,
) -> Script {
    let pool = format!("{}/{}", group(brick.device), brick.pool());
    let kib = |size: Kib| format!("{}K", size.0);
    let (name, backup) = (brick.name(), autobackup(tools));
    let (virtual_size, pool_size) = (kib(size.brick), kib(size.pool));
    let metadata = kib(size.metadata);
    let chunk = match part {
        Part::Data => tools.chunk_size.as_str(),
        Part::Arbiter => "256K",
    };
    let both = lvm(
        tools,
        [
            "lvcreate",
            "-qq",
            backup,
            "--poolmetadatasize",
            &metadata,
            "--chunksize",
            chunk,
            "--size",
            &pool_size,
            "--thin",
            &pool,
            "--virtualsize",
            &virtual_size,
            "--name",
            &name,
        ],
    );
    // Only after a run that was cut off between the pool and the volume.
    let volume_only = lvm(
        tools,
        [
            "lvcreate",
            "-qq",
            backup,
            "--thin",
            &pool,
            "--virtualsize",
            &virtual_size,
            "--name",
            &name,
        ],
    );
    let no_pool = When::PrintsNothing(find_lv(tools, brick.device, &brick.pool(), ""));
    let no_volume = When::PrintsNothing(find_lv(tools, brick.device, &name, ""));
    script.then_when(no_pool, both).then_when(no_volume, volume_only)
}

/// Removes the thin volume, and its pool when nothing else lies in it; then lists both, so
/// that [`reclaimed`] can tell whether the space is free again.
#[must_use]
pub fn remove_brick(script: Script, tools: &Tools, brick: &BrickLv) -> Script {
    let (device, backup) = (brick.device, autobackup(tools));
    let of = |name: &str| format!("{}/{name}", group(device));
    let remove = |name: &str| lvm(tools, ["lvremove", backup, "-f", &of(name)]);
    let exists = When::Prints(find_lv(tools, device, &brick.name(), ""));
    let empty = When::Prints(find_lv(tools, device, &brick.pool(), " && thin_count=0"));
    script
        .then_when(exists, remove(&brick.name()))
        .then_when(empty, remove(&brick.pool()))
        .then(find_group(tools, device))
        .then(find_lv(tools, device, &brick.pool(), ""))
}

/// Lists the thin volumes in a brick's pool whose names begin so: those that gluster made for one
/// of its volumes.
#[must_use]
pub fn find_made_by_gluster(
    script: Script,
    tools: &Tools,
    source: &BrickLv,
    begin: &str,
) -> Script {
    let filter = format!(
        "vg_name={} && pool_lv={} && lv_name=~^{begin}_",
        group(source.device),
        source.pool()
    );
    script.then(lvm(tools, ["lvs", "--noheadings", "-o", "lv_name", "--select", &filter]))
}

/// Whether the last lines of [`remove_brick`] found no group: nobody knows what is in it.
#[must_use]
pub fn group_is_away(ran: &[Ran]) -> bool {
    matches!(ran, [.., group, _] if group.stdout.trim().is_empty())
}

/// Whether the last lines of [`remove_brick`] found the group, and no pool in it any more. A group
/// that is away, with its disk perhaps, may come back with all that is in it.
#[must_use]
pub fn reclaimed(ran: &[Ran]) -> bool {
    let printed = |ran: &Ran| !ran.stdout.trim().is_empty();
    matches!(ran, [.., group, pool] if printed(group) && !printed(pool))
}

/// Makes a physical volume and the volume group `vg_<id>` on it, unless the group exists.
///
/// pvcreate asks before it overwrites a signature; without input the answer is no, so a device
/// that holds data fails here. `wipe` takes all signatures away first.
#[must_use]
pub fn create_group(
    script: Script,
    tools: &Tools,
    device: DeviceId,
    name: &DeviceName,
    wipe: bool,
) -> Script {
    let absent = || When::PrintsNothing(find_group(tools, device));
    let alignment = format!("--dataalignment={}", tools.data_alignment);
    let extent = format!("--physicalextentsize={}", tools.extent_size);
    let name = name.as_str();
    let pv = lvm(tools, ["pvcreate", "-qq", "--metadatasize=128M", &alignment, name]);
    let vg = lvm(tools, ["vgcreate", "-qq", &extent, autobackup(tools), &group(device), name]);
    let script =
        if wipe { script.then_when(absent(), Cmd::new(["wipefs", "--all", name])) } else { script };
    script.then_when(absent(), pv).then_when(absent(), vg)
}

/// Reads size, UUID and paths of a device whose volume group exists; see [`facts`].
#[must_use]
pub fn read_group(script: Script, tools: &Tools, device: DeviceId, name: &DeviceName) -> Script {
    let filter = format!("vg_name={}", group(device));
    let fields = "pv_name,pv_uuid,vg_name";
    let pvs = lvm(tools, ["pvs", "-o", fields, "--reportformat=json", "--select", &filter]);
    let query = ["/usr/bin/udevadm", "info", "--query=symlink", "--name", name.as_str()];
    let links = Cmd::new(wrapper(tools).chain(query));
    script.then(pvs).then_try(links).then(lvm(tools, ["vgdisplay", "-c", &group(device)]))
}

/// Reports all physical volumes, groups and logical volumes, whoever they belong to, as JSON with
/// sizes in KiB.
#[must_use]
pub fn list(script: Script, tools: &Tools) -> Script {
    let report = |tool| lvm(tools, [tool, "--reportformat", "json", "--units", "k"]);
    ["pvs", "vgs", "lvs"].into_iter().fold(script, |script, tool| script.then_try(report(tool)))
}

/// Asks whether the device is a physical volume; see [`found_pv`].
#[must_use]
pub fn read_pv(script: Script, tools: &Tools, name: &DeviceName) -> Script {
    let fields = "pv_name,pv_uuid,vg_name";
    script.then_try(lvm(tools, ["pvs", "-o", fields, "--reportformat=json", name.as_str()]))
}

/// The UUID of the physical volume that [`read_pv`] found, if it found one.
#[must_use]
pub fn found_pv(ran: &Ran) -> Option<String> {
    parse_pvs(&ran.stdout).ok().filter(|_| ran.ok())
}

/// Understands the last lines of a script that ends with [`read_group`].
///
/// # Errors
/// [`NodeError::Nonsense`] when LVM's answer is not of the known form.
pub fn facts(host: &Hostname, name: &DeviceName, ran: &[Ran]) -> Result<DeviceFacts> {
    let nonsense = |command: &str, why: String| NodeError::Nonsense {
        host: host.clone(),
        command: command.to_owned(),
        why,
    };
    let [.., pvs, links, display] = ran else {
        return Err(nonsense("lvm pvs", "no answer".into()));
    };
    let pv_uuid = parse_pvs(&pvs.stdout).map_err(|why| nonsense("lvm pvs", why))?;
    let (total, used, extent) =
        parse_vgdisplay(&display.stdout).map_err(|why| nonsense("lvm vgdisplay -c", why))?;
    Ok(DeviceFacts { total, used, extent, pv_uuid, paths: paths_of(name, links) })
}

/// The UUID in an answer of exactly one report with exactly one physical volume.
fn parse_pvs(text: &str) -> Result<String, String> {
    #[derive(Deserialize)]
    struct Answer {
        report: Vec<Report>,
    }
    #[derive(Deserialize)]
    struct Report {
        pv: Vec<Pv>,
    }
    #[derive(Deserialize)]
    struct Pv {
        pv_uuid: String,
    }
    let answer: Answer = serde_json::from_str(text.trim()).map_err(|e| e.to_string())?;
    match answer.report.as_slice() {
        [Report { pv }] => match pv.as_slice() {
            [only] => Ok(only.pv_uuid.clone()),
            many => Err(format!("expected one physical volume, found {}", many.len())),
        },
        many => Err(format!("expected one report, found {}", many.len())),
    }
}

/// Total, used and extent size from `vgdisplay -c`: fields 12 to 15 between colons are extent
/// size in KiB, total, allocated and free extents.
fn parse_vgdisplay(text: &str) -> Result<(Kib, Kib, Kib), String> {
    let line = text.lines().map(str::trim).find(|l| !l.is_empty()).unwrap_or_default();
    let fields: Vec<&str> = line.split(':').collect();
    if fields.len() < 17 {
        return Err(format!("expected 17 fields, found {}: {line}", fields.len()));
    }
    let number = |i: usize| fields[i].parse::<u64>().map_err(|e| format!("field {i}: {e}"));
    let (extent, total, used) = (number(12)?, number(13)?, number(14)?);
    let kib = |extents: u64| extents.checked_mul(extent).map(Kib).ok_or("size out of range");
    Ok((kib(total)?, kib(used)?, Kib(extent)))
}

/// The links that udev knows, and the name the device was added by.
///
/// The link that LVM makes (`lvm-pv-uuid-...`) is left out: it follows from the UUID.
fn paths_of(name: &DeviceName, links: &Ran) -> Vec<String> {
    let words = if links.ok() { links.stdout.as_str() } else { "" };
    let mut paths: Vec<String> = words
        .split_whitespace()
        .map(|word| format!("/dev/{word}"))
        .filter(|link| !link.starts_with("/dev/disk/by-id/lvm-pv-uuid-"))
        .collect();
    if !paths.iter().any(|p| p == name.as_str()) {
        paths.push(name.to_string());
    }
    paths
}

/// Removes the volume group, if it exists, and then the physical volume; see [`group_removed`].
///
/// pvremove refuses a device that another volume group uses, so it can do no harm.
#[must_use]
pub fn remove_group(script: Script, tools: &Tools, device: DeviceId, path: &str) -> Script {
    let vg = lvm(tools, ["vgremove", "-qq", &group(device)]);
    let pv = lvm(tools, ["pvremove", "-qq", path]);
    script.then_when(When::Prints(find_group(tools, device)), vg).then_try(pv)
}

/// Judges the last line of [`remove_group`]: a device that is no physical volume any more, is
/// gone, or by now belongs to somebody else, is as good as removed.
///
/// # Errors
/// pvremove failed for another reason.
pub fn group_removed(host: &Hostname, path: &str, last: &Ran) -> Result<()> {
    const GONE: [&str; 5] =
        ["No PV found", "not found", "Cannot use", "Couldn't find", "is used by VG"];
    let Some(status) = last.status.filter(|s| *s != 0) else {
        return Ok(());
    };
    if GONE.iter().any(|text| last.stderr.contains(text)) {
        return Ok(());
    }
    let (host, stderr) = (host.clone(), last.stderr.trim().to_owned());
    Err(NodeError::Failed { host, command: format!("lvm pvremove -qq {path}"), status, stderr })
}

/// The path to command a device by: the one that survives a renaming of disks, if LVM's UUID is
/// known, else the name it was added by (storage.md 1.4).
#[must_use]
pub fn stable_path(name: &DeviceName, pv_uuid: &str) -> String {
    if pv_uuid.is_empty() {
        name.to_string()
    } else {
        format!("/dev/disk/by-id/lvm-pv-uuid-{pv_uuid}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_come_from_vgdisplay() {
        let line = "  vg_x:r/w:772:-1:0:0:0:-1:0:1:1:104722432:4096:25567:258:25309:uuid\n";
        let got = parse_vgdisplay(line).unwrap();
        assert_eq!(got, (Kib(25_567 * 4096), Kib(258 * 4096), Kib(4096)));
        for bad in
            ["", "a:b", &line.replace("25567", "x"), &line.replace("25567", "99999999999999999")]
        {
            assert!(parse_vgdisplay(bad).is_err(), "{bad}");
        }
    }
    #[test]
    fn exactly_one_physical_volume() {
        let pv = r#"{"pv_name":"/dev/vdb","pv_uuid":"HjXb1z","vg_name":"vg_x"}"#;
        let answer = |pvs: &str| format!(r#"  {{ "report": [ {{ "pv": [{pvs}] }} ] }}"#);
        assert_eq!(parse_pvs(&answer(pv)).unwrap(), "HjXb1z");
        assert!(parse_pvs(&answer("")).is_err());
        assert!(parse_pvs(&answer(&format!("{pv},{pv}"))).is_err());
        assert!(parse_pvs("Failed to find physical volume").is_err());
    }
    #[test]
    fn paths_hold_the_given_name_and_not_lvms_own_link() {
        let name = "/dev/vdb".parse().unwrap();
        let links = |status, text: &str| Ran { status, stdout: text.into(), stderr: String::new() };
        let some = links(Some(0), "disk/by-id/virtio-1 disk/by-id/lvm-pv-uuid-HjXb1z\n");
        assert_eq!(paths_of(&name, &some), ["/dev/disk/by-id/virtio-1", "/dev/vdb"]);
        assert_eq!(paths_of(&name, &links(Some(127), "junk")), ["/dev/vdb"]);
    }
}
