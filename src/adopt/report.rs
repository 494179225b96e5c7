//! What a person is told about a database that is to change hands.
use super::Adoption;
use crate::operation::{Inherited, InheritedKind};
use std::fmt::{self, Display};

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
                section(f, "Unfinished, and settled at the first start", unfinished)?;
                section(f, "Will be set right", changes)?;
                section(f, "Contradicts itself, which keeps nobody from adopting it", &import.notes)
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
        InheritedKind::DeleteBlockVolume(block) => {
            format!("operation {id} was to delete block volume {block}: it is finished")
        }
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
