//! What a person is told about a database that is to change hands.
use super::Adoption;
use crate::operation::{Inherited, InheritedKind};
use std::fmt::{self, Display};

/// Nobody can say which side is right, and nothing depends on it.
const STAYS: &str = "Contradicts itself or looks strange, and stays as it is (`brickyard check` \
                     compares it with the nodes later)";

impl Display for Adoption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, format, dump, damage, strange, outcome, changes } = self;
        writeln!(f, "{} is {format}:", source.display())?;
        for (count, what) in [
            (dump.clusterentries.len(), "cluster(s)"),
            (dump.nodeentries.len(), "node(s)"),
            (dump.deviceentries.len(), "device(s)"),
            (dump.volumeentries.len(), "volume(s)"),
            (dump.blockvolumeentries.len(), "block volume(s)"),
            (dump.brickentries.len(), "brick(s)"),
            (dump.pendingoperations.len(), "unfinished operation(s)"),
        ] {
            writeln!(f, "  {count} {what}")?;
        }
        section(f, "Cannot be read, and would be lost", damage)?;
        section(f, "Is unknown to this version, and would be left out", strange)?;
        match outcome {
            Ok(import) => {
                let unfinished: Vec<_> = import.inherited.iter().map(fate).collect();
                section(f, "Unfinished, and what becomes of it at the first start", unfinished)?;
                section(f, "Will be set right", changes)?;
                section(f, "Contradicts itself, and will not any more", &import.mended)?;
                section(f, STAYS, &import.notes)
            }
            Err(problems) => section(f, "Cannot be taken over", &problems.0),
        }
    }
}

/// What becomes of an unfinished operation, in words.
#[must_use]
pub fn fate(Inherited { id, kind, .. }: &Inherited) -> String {
    match kind {
        InheritedKind::CreateVolume(volume) => {
            format!("operation {id} was to make volume {volume}: it is taken back")
        }
        InheritedKind::DeleteVolume(volume) => {
            format!("operation {id} was to delete volume {volume}: it is finished")
        }
        InheritedKind::ExpandVolume { volume, by } => format!(
            "operation {id} was to expand volume {volume} by {} GiB: it is finished if gluster has \
             the new bricks, and taken back if it has none of them",
            by.0
        ),
        InheritedKind::CreateBlockVolume { block, hosting: None } => {
            format!("operation {id} was to make block volume {block}: it is taken back")
        }
        InheritedKind::CreateBlockVolume { block, hosting: Some(volume) } => format!(
            "operation {id} was to make block volume {block}, and volume {volume} for it: both are \
             taken back"
        ),
        InheritedKind::DeleteBlockVolume(block) => {
            format!("operation {id} was to delete block volume {block}: it is finished")
        }
        InheritedKind::ExpandBlockVolume { block, to } => format!(
            "operation {id} was to expand block volume {block} to {} GiB: it is finished if \
             gluster-block has begun it, and taken back if not",
            to.0
        ),
        InheritedKind::EvictBrick { old, new: Some(new), .. } => format!(
            "operation {id} was to put brick {new} in the place of brick {old}: it is finished if \
             gluster has the new one, and taken back if it has the old one"
        ),
        InheritedKind::EvictBrick { old, new: None, .. } => format!(
            "operation {id} was to move brick {old}, and had not begun: it is forgotten; ask for it \
             again"
        ),
        InheritedKind::CloneVolume { source, clone } => format!(
            "operation {id} was to clone volume {source}: it is forgotten, and no node is touched. Look \
             there whether the clone (vol_{clone}, or as the request named it) and its snapshot \
             (tmpsnap_...) are left: `gluster volume list`, `gluster snapshot list`"
        ),
        InheritedKind::RemoveDevice(device) => format!(
            "operation {id} was to remove device {device}: it is forgotten, what was moved stays \
             moved, and the device stays offline; ask for it again"
        ),
    }
}

/// A list under a heading, or nothing.
fn section<T: Display>(
    f: &mut fmt::Formatter<'_>,
    heading: &str,
    lines: impl IntoIterator<Item = T, IntoIter: ExactSizeIterator>,
) -> fmt::Result {
    let mut lines = lines.into_iter();
    if lines.len() == 0 {
        return Ok(());
    }
    writeln!(f, "{heading} ({}):", lines.len())?;
    lines.try_for_each(|line| writeln!(f, "  {line}"))
}
