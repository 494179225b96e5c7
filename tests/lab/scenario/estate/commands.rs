//! Heketi's commands on nodes, in Heketi's words (storage.md 1.2 to 1.11).
use super::{Age, Brick, Estate, Volume, storage};
use crate::node::Node;
use serde_json::Value;
use std::{
    thread,
    time::{Duration, Instant},
};

const LVM: &str = "/usr/sbin/lvm";
const GLUSTER: &str = "gluster --mode=script --timeout=600";
const FSTAB: &str = "/var/lib/heketi/fstab";
const MOUNT_OPTIONS: &str = "rw,inode64,noatime,nouuid";

/// What Heketi finds out of a device that it has added.
pub(super) struct Facts {
    /// KiB.
    pub(super) total: u64,
    pub(super) extent: u64,
    pub(super) pv_uuid: String,
    pub(super) paths: Vec<String>,
}

/// 1.3
pub(super) fn add_device(node: Node, id: &str, name: &str) -> Facts {
    node.run(&format!(
        "set -e\n\
         {LVM} pvcreate -qq --metadatasize=128M --dataalignment=256K '{name}'\n\
         {LVM} vgcreate -qq --physicalextentsize=4M --autobackup=n vg_{id} {name}"
    ));
    let report = format!("{LVM} pvs -o pv_name,pv_uuid,vg_name --reportformat=json {name}");
    let report: Value = serde_json::from_str(&node.run(&report)).unwrap();
    let pv_uuid = report["report"][0]["pv"][0]["pv_uuid"].as_str().unwrap().to_owned();
    let links = node.run(&format!("udevadm info --query=symlink --name={name}"));
    let links = links.split_whitespace().map(|link| format!("/dev/{link}"));
    let mut paths: Vec<_> =
        links.filter(|link| !link.starts_with("/dev/disk/by-id/lvm-pv-uuid-")).collect();
    if !paths.iter().any(|path| path == name) {
        paths.push(name.to_owned());
    }
    let group = node.run(&format!("{LVM} vgdisplay -c vg_{id}"));
    let fields: Vec<_> = group.split(':').collect();
    let [extent, count] = [12, 13].map(|at| fields[at].parse::<u64>().unwrap());
    Facts { total: count * extent, extent, pv_uuid, paths }
}

/// 1.2, from the first node; returns when all know all.
pub(super) fn probe(nodes: &[Node]) {
    for other in &nodes[1..] {
        nodes[0].run(&format!("{GLUSTER} peer probe {}", storage(*other)));
    }
    let limit = Instant::now() + Duration::from_mins(2);
    for node in nodes {
        loop {
            let status = node.run(&format!("{GLUSTER} peer status"));
            if status.matches("Peer in Cluster (Connected)").count() == nodes.len() - 1 {
                break;
            }
            assert!(Instant::now() < limit, "{status}");
            thread::sleep(Duration::from_secs(1));
        }
    }
}

/// 1.5
pub(super) fn make_brick(estate: &Estate, brick: &Brick, gid: u64) -> String {
    let Brick { id, size, pool, metadata, .. } = brick;
    let (group, point) = (format!("vg_{}", estate.device(brick.at).id), estate.mount_point(brick));
    let device = format!("/dev/mapper/{group}-brick_{id}");
    let inodes = if brick.is_arbiter { "maxpct=100" } else { "size=512" };
    let mut commands = vec![
        "set -e".to_owned(),
        format!("mkdir -p {point}"),
        format!(
            "{LVM} lvcreate -qq --autobackup=n --poolmetadatasize {metadata}K --chunksize 256K \
             --size {pool}K --thin {group}/tp_{id} --virtualsize {size}K --name brick_{id}"
        ),
        format!("mkfs.xfs -i {inodes} -n size=8192 {device}"),
        format!(
            "awk \"BEGIN {{print \\\"{device} {point} xfs {MOUNT_OPTIONS} 1 2\\\" >> \\\"{FSTAB}\\\"}}\""
        ),
        format!("mount -o {MOUNT_OPTIONS} {device} {point}"),
        format!("mkdir {point}/brick"),
    ];
    if gid != 0 {
        commands.push(format!("chown :{gid} {point}/brick"));
        commands.push(format!("chmod 2775 {point}/brick"));
    }
    commands.join("\n")
}

/// 1.7, on the node of the first brick.
pub(super) fn create(estate: &Estate, volume: &Volume) {
    let Volume { id, name, .. } = volume;
    let bricks = addresses(estate, &volume.bricks);
    let mut commands = vec![
        "set -e".to_owned(),
        format!("{GLUSTER} volume create {name} {} {bricks}", volume.kind()),
    ];
    let mark = format!("user.heketi.id {id}");
    let mark = (volume.age == Age::Ten).then_some(mark.as_str());
    for option in volume.options().into_iter().filter(|option| !option.is_empty()).chain(mark) {
        commands.push(format!("{GLUSTER} volume set {name} {option}"));
    }
    commands.push(format!("{GLUSTER} volume start {name}"));
    estate.nodes[volume.bricks[0].at.0].node.run(&commands.join("\n"));
}

/// 1.8
pub(super) fn expand(estate: &Estate, volume: &Volume, set: &[Brick]) {
    let (name, bricks) = (&volume.name, addresses(estate, set));
    estate.nodes[volume.bricks[0].at.0].node.run(&format!(
        "set -e\n\
         {GLUSTER} volume add-brick {name} {bricks}\n\
         {GLUSTER} volume rebalance {name} start"
    ));
}

fn addresses(estate: &Estate, bricks: &[Brick]) -> String {
    bricks.iter().map(|brick| estate.address(brick)).collect::<Vec<_>>().join(" ")
}

/// 1.11, on the first node. The logical volume and the path of each of the clone's bricks, in the
/// order of their sources.
pub(super) fn clone_volume(estate: &Estate, source: &Volume, name: &str) -> Vec<(String, String)> {
    let (node, source, xml) = (estate.nodes[0].node, &source.name, format!("{GLUSTER} --xml"));
    // Failures end with status 0 here.
    for command in [
        format!("snapshot create tmpsnap {source} no-timestamp"),
        "snapshot activate tmpsnap".to_owned(),
        format!("snapshot clone {name} tmpsnap"),
        format!("volume start {name}"),
        "snapshot deactivate tmpsnap".to_owned(),
        "snapshot delete tmpsnap".to_owned(),
    ] {
        let answer = node.run(&format!("{xml} {command}"));
        assert!(answer.contains("<opRet>0</opRet>"), "{command}: {answer}");
    }
    let info = node.run(&format!("{GLUSTER} volume info {name}"));
    let value = |line: &str, key: &str| {
        line.strip_prefix(key).and_then(|rest| rest.split_once(": ")).map(|(_, v)| v.to_owned())
    };
    let uuid = info.lines().find_map(|line| value(line, "Volume ID")).unwrap().replace('-', "");
    // "Bricks:" has nothing after it, and "Number of Bricks" begins otherwise.
    let bricks = info.lines().filter_map(|line| value(line, "Brick"));
    let path = |brick: String| brick.split_once(':').unwrap().1.to_owned();
    bricks.map(|brick| (format!("{uuid}_0"), path(brick))).collect()
}
