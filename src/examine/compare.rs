//! What the nodes have against what the database says: pure.
use super::Answers;
use crate::{
    domain::{BrickId, NodeId, VolumeId},
    node::{
        names::{BrickLv, group},
        survey::Survey,
    },
    store::snapshot::{Snapshot, StoredBrick},
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Lines of the report: Heketi's comparison of volume lists, then ours of single bricks. What was
/// pending or not there at either of the two moments is not judged.
pub(super) fn compare(before: &Snapshot, after: &Snapshot, answers: &Answers) -> Vec<String> {
    let look = Look { before, after, answers };
    let mut lines = look.silent();
    let matched = look.volume_lists(&mut lines);
    if matched && answers.values().all(|(_, answer)| answer.is_ok()) {
        lines.push("heketi volume list matches with volume list of all nodes".into());
    }
    look.volumes(&mut lines);
    look.bricks(&mut lines);
    look.strangers(&mut lines);
    lines
}

struct Look<'a> {
    before: &'a Snapshot,
    after: &'a Snapshot,
    answers: &'a Answers,
}

impl Look<'_> {
    /// Nodes, or parts of nodes, of which nothing is known.
    fn silent(&self) -> Vec<String> {
        let mut lines = vec![];
        for (host, answer) in self.answers.values() {
            match answer {
                Err(why) => lines.push(format!("could not fetch data from node {host}: {why}")),
                Ok(survey) => {
                    lines.extend(silent_parts(survey).map(|(what, why)| {
                        format!("could not fetch {what} from node {host}: {why}")
                    }));
                }
            }
        }
        lines
    }

    /// Names of volumes, as Heketi compares them: all of a pool are expected to be ours. Pending
    /// ones may be in gluster or not.
    fn volume_lists(&self, lines: &mut Vec<String>) -> bool {
        let mut matched = true;
        for node in &self.after.nodes {
            let Some((_, Ok(survey))) = self.answers.get(&node.id) else { continue };
            let Ok(volumes) = &survey.volumes else {
                matched = false;
                continue;
            };
            let have: BTreeSet<&str> = volumes.iter().map(|v| v.name.as_str()).collect();
            let ours = |snapshot: &'_ Snapshot, pending: bool| -> BTreeSet<String> {
                let of = snapshot.volumes.iter().filter(|v| v.cluster == node.cluster);
                of.filter(|v| pending || v.pending.is_none()).map(|v| v.name.to_string()).collect()
            };
            let settled: BTreeSet<String> =
                ours(self.before, false).intersection(&ours(self.after, false)).cloned().collect();
            let known: BTreeSet<String> =
                ours(self.before, true).union(&ours(self.after, true)).cloned().collect();
            let missing: Vec<_> =
                settled.iter().filter(|name| !have.contains(name.as_str())).collect();
            let strange: Vec<_> = have.iter().filter(|name| !known.contains(**name)).collect();
            if missing.is_empty() && strange.is_empty() {
                continue;
            }
            matched = false;
            let id = node.id;
            lines.push(format!("heketi volume list does not match with volume list of node {id}"));
            lines.extend(
                missing.iter().map(|n| format!("volume {n} is not in gluster on node {id}")),
            );
            lines.extend(
                strange.iter().map(|n| format!("volume {n} on node {id} is not in the database")),
            );
        }
        matched
    }

    /// Whether gluster has each brick, and runs each volume; asked of one node for each volume.
    fn volumes(&self, lines: &mut Vec<String>) {
        let peers: HashMap<NodeId, String> = self
            .after
            .nodes
            .iter()
            .filter_map(|n| Some((n.id, n.storage.first()?.to_string())))
            .collect();
        let mut bricks = BTreeMap::<VolumeId, Vec<&StoredBrick>>::new();
        for brick in &self.after.bricks {
            bricks.entry(brick.volume).or_default().push(brick);
        }
        for volume in self.after.volumes.iter().filter(|v| self.volume_is_settled(v.id)) {
            let nodes = self.after.nodes.iter().filter(|node| node.cluster == volume.cluster);
            let mut reports = nodes.filter_map(|node| {
                let volumes = self.answers.get(&node.id)?.1.as_ref().ok()?.volumes.as_ref().ok()?;
                volumes.iter().find(|report| report.name == volume.name.as_str())
            });
            let Some(report) = reports.next() else { continue };
            if report.status != "Started" {
                let (name, status) = (&volume.name, &report.status);
                lines.push(format!("volume {name} is not started in gluster: {status}"));
            }
            let ours = bricks.get(&volume.id).map(Vec::as_slice).unwrap_or_default();
            let address = |b: &StoredBrick| Some(format!("{}:{}", peers.get(&b.node)?, b.path));
            // What has just been moved was a brick of it when its node answered.
            let earlier = self.before.bricks.iter().filter(|b| b.volume == volume.id);
            let known: BTreeSet<_> =
                ours.iter().copied().chain(earlier).filter_map(address).collect();
            for brick in ours.iter().filter(|b| self.is_settled(b.id)) {
                if address(brick).is_some_and(|address| !report.bricks.contains(&address)) {
                    let (id, name) = (brick.id, &volume.name);
                    lines.push(format!(
                        "brick {id} is not among the bricks of volume {name} in gluster"
                    ));
                }
            }
            for strange in report.bricks.iter().filter(|address| !known.contains(*address)) {
                let name = &volume.name;
                lines.push(format!(
                    "volume {name} has a brick that is not in the database: {strange}"
                ));
            }
        }
    }

    /// Whether each brick is there, is mounted, and will be after a reboot.
    fn bricks(&self, lines: &mut Vec<String>) {
        for brick in self.after.bricks.iter().filter(|b| self.is_settled(b.id)) {
            let Some((host, Ok(survey))) = self.answers.get(&brick.node) else { continue };
            let (id, device, cloned) = (brick.id, brick.device, brick.cloned.clone());
            let lv = BrickLv { id, device, cloned };
            let mut say = |what: &str| {
                lines.push(format!("brick {} of volume {} {what} {host}", brick.id, brick.volume));
            };
            let named = (group(brick.device), lv.name());
            if survey.logical_volumes().is_some_and(|all| !all.contains(&named)) {
                say("has no logical volume on node");
                continue;
            }
            let (device, point) = (lv.device_node(), lv.mount_point());
            if survey.mounts.as_ref().is_ok_and(|all| !all.iter().any(|m| m.point == point)) {
                say("is not mounted on node");
            }
            // What gluster mounts itself stands in no fstab.
            let at_boot = |m: &crate::node::survey::Mounted| m.device == device && m.point == point;
            if lv.is_in_fstab() && survey.fstab.as_ref().is_ok_and(|all| !all.iter().any(at_boot)) {
                say("has no line in the fstab of node");
            }
        }
    }

    /// Logical volumes that are called like bricks of ours and belong to none.
    fn strangers(&self, lines: &mut Vec<String>) {
        let bricks = self.before.bricks.iter().chain(&self.after.bricks);
        let known: BTreeSet<BrickId> = bricks.map(|brick| brick.id).collect();
        let names =
            self.after.bricks.iter().filter_map(|brick| Some(brick.cloned.as_ref()?.lv.clone()));
        let named: BTreeSet<String> = names.collect();
        for (host, answer) in self.answers.values() {
            let Ok(survey) = answer else { continue };
            for (group, name) in survey.logical_volumes().unwrap_or_default() {
                let id = name.strip_prefix("brick_").and_then(|id| id.parse::<BrickId>().ok());
                if id.is_some_and(|id| !known.contains(&id)) && !named.contains(&name) {
                    lines.push(format!(
                        "logical volume {group}/{name} on node {host} belongs to no brick"
                    ));
                }
            }
        }
    }

    fn is_settled(&self, id: BrickId) -> bool {
        let settled = |snapshot: &Snapshot| {
            let at = snapshot.bricks.binary_search_by_key(&id, |brick| brick.id);
            at.ok().and_then(|at| snapshot.bricks.get(at)).is_some_and(|b| b.pending.is_none())
        };
        settled(self.before) && settled(self.after)
    }

    fn volume_is_settled(&self, id: VolumeId) -> bool {
        let settled = |snapshot: &Snapshot| {
            let at = snapshot.volumes.binary_search_by_key(&id, |volume| volume.id);
            at.ok().and_then(|at| snapshot.volumes.get(at)).is_some_and(|v| v.pending.is_none())
        };
        settled(self.before) && settled(self.after)
    }
}

fn silent_parts(survey: &Survey) -> impl Iterator<Item = (&'static str, &String)> {
    [
        ("volumes of gluster", survey.volumes.as_ref().err()),
        ("physical volumes", survey.pvs.as_ref().err()),
        ("volume groups", survey.vgs.as_ref().err()),
        ("logical volumes", survey.lvs.as_ref().err()),
        ("mounts", survey.mounts.as_ref().err()),
        ("the fstab", survey.fstab.as_ref().err()),
    ]
    .into_iter()
    .filter_map(|(what, error)| Some((what, error?)))
}
