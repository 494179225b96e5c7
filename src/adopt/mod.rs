//! A Heketi estate changes hands: its database is read, what becomes of it is told, ours is made.
//!
//! Nothing of the source is ever written. Ours appears whole, under its name, or not at all.
mod changes;
mod make;
mod report;

pub use make::{make, refuse_to_overwrite};
pub use report::fate;

use crate::{
    api::database::Dump,
    database::{self, Import, Problems},
    heketi_db::{self, Damage},
    store::Lock,
};
use anyhow::{Context, Result, anyhow, bail};
use changes::Change;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

/// What was found in a file, and what becomes of it. Shown, it is a report for a person.
#[derive(Debug)]
pub struct Adoption {
    /// The file.
    pub source: PathBuf,
    /// What it is, in words.
    format: &'static str,
    /// Its entries, as Heketi exports them.
    pub dump: Dump,
    /// What could not be read.
    pub damage: Vec<Damage>,
    /// What nobody here knows, and is left out.
    pub strange: BTreeSet<String>,
    /// The rows that are made of the entries, or why there are none.
    pub outcome: Result<Import, Problems>,
    /// What is different in our database.
    changes: Vec<Change>,
}

impl Adoption {
    /// Reads a database of Heketi, as it is, packed by gzip, or as the JSON of an export. No Heketi
    /// can have the file open meanwhile.
    ///
    /// # Errors
    /// Nothing of it can be read; what is only damaged is told in the result.
    pub fn read(source: &Path) -> Result<Self> {
        let bytes = heketi_db::bytes(source)?;
        let shown = || source.display().to_string();
        let (format, found) = if heketi_db::is_bolt(&bytes) {
            let found = heketi_db::read(&bytes).map_err(|why| anyhow!(why)).with_context(shown)?;
            ("a database of Heketi", found)
        } else if bytes.trim_ascii_start().starts_with(b"{") {
            let dump = database::read_export(&bytes).with_context(shown)?;
            ("an export", heketi_db::Found { dump, ..Default::default() })
        } else {
            // The reader knows best what is wrong with a file that looks like neither.
            let why = heketi_db::read(&bytes).err().unwrap_or_default();
            bail!("{}: neither a database of Heketi ({why}) nor an export of one", shown());
        };
        let mut whole = found.dump.clone();
        if !found.damage.is_empty() {
            // A brick that cannot be read is told as lost, and is missed by its volume as well.
            for volume in whole.volumeentries.values_mut() {
                volume.bricks.retain(|brick| whole.brickentries.contains_key(brick));
            }
        }
        let outcome = database::import(whole);
        let changes = match &outcome {
            Ok(import) => changes::between(&found.dump, &database::dump(&import.snapshot))?,
            Err(_) => vec![],
        };
        let heketi_db::Found { dump, damage, strange } = found;
        Ok(Self { source: source.into(), format, dump, damage, strange, outcome, changes })
    }

    /// Whether something would be lost: a person has to know of it, and to want it.
    #[must_use]
    pub fn loses(&self) -> bool {
        !self.damage.is_empty() || !self.strange.is_empty()
    }

    /// Whether nobody can tell what would be lost: not single entries, but pages of them.
    #[must_use]
    pub fn loses_pages(&self) -> bool {
        self.damage.iter().any(|damage| damage.key.is_empty())
    }

    /// The rows, if everything of the file is in them.
    ///
    /// # Errors
    /// Something cannot be taken over, or would be left out; the text is the whole report.
    pub fn rows(&self) -> Result<&Import> {
        match &self.outcome {
            Ok(import) if !self.loses() => Ok(import),
            _ => bail!("{self}"),
        }
    }
}

/// Our database in the folder of a file of Heketi's.
#[must_use]
pub fn beside(source: &Path) -> PathBuf {
    source.with_file_name("brickyard.db")
}

/// Whether a file is what Heketi worked on to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// It is Heketi's database itself.
    Last,
    /// It is a backup: Heketi may have gone on after it.
    Unknown,
}

/// Why a backup with unfinished operations is not taken over by itself.
const WHAT_BECAME_OF_THEM: &str = "operation(s) were unfinished when this backup was made. What became of them after that \
     is not known: to take a volume back that was finished later would destroy it, so a person has \
     to decide. Where none of them was finished later (compare with `gluster volume list`), make the \
     database with `brickyard adopt --yes`; otherwise export it with `brickyard db export`, take the \
     operations and the marks on what they made out of the JSON, and adopt that";

/// Refuses what must not be settled without a person.
fn decided(import: &Import, age: Age) -> Result<()> {
    match (age, import.inherited.len()) {
        (Age::Last, _) | (Age::Unknown, 0) => Ok(()),
        (Age::Unknown, unfinished) => bail!("{unfinished} {WHAT_BECAME_OF_THEM}"),
    }
}

/// What a server does that finds a database of Heketi and none of its own: it takes it over if
/// nobody has to decide anything, and tells in the log what it did.
///
/// # Errors
/// Something would be lost, or cannot be taken over, or ours cannot be written. Nothing is made.
pub async fn at_start(source: &Path, age: Age, target: &Path) -> Result<()> {
    let advice = || {
        format!(
            "{} is the database of a Heketi estate, and was not adopted. Nothing was changed. Look at \
             it with `brickyard adopt {0}`; to start with a new, empty database all the same, name it \
             with --database",
            source.display()
        )
    };
    let _lock = Lock::take(target)?;
    refuse_to_overwrite(target)?;
    let adoption = Adoption::read(source).with_context(advice)?;
    let import = adoption.rows().with_context(advice)?;
    decided(import, age).with_context(advice)?;
    make(import, target).await.with_context(|| target.display().to_string())?;
    for change in &adoption.changes {
        tracing::info!("adopted: {change}");
    }
    for note in &import.mended {
        tracing::info!("adopted: set right: {note}");
    }
    for note in &import.notes {
        tracing::warn!("adopted: {note}");
    }
    for inherited in &import.inherited {
        tracing::warn!("adopted: unfinished: {}", fate(inherited));
    }
    let rows = &import.snapshot;
    tracing::warn!(
        source = %source.display(),
        database = %target.display(),
        clusters = rows.clusters.len(),
        nodes = rows.nodes.len(),
        devices = rows.devices.len(),
        volumes = rows.volumes.len(),
        block_volumes = rows.block_volumes.len(),
        bricks = rows.bricks.len(),
        "Heketi's database was adopted: it stays as it is, and is not looked at any more"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{OperationId, VolumeId},
        operation::{Inherited, InheritedKind},
    };

    /// What a Heketi was making when its backup was taken may be in use since.
    #[test]
    fn nobody_takes_back_what_a_backup_calls_unfinished() {
        let kind = InheritedKind::CreateVolume(VolumeId::random());
        let unfinished = Inherited { id: OperationId::random(), created_at: 0, kind };
        let none = database::import(Dump::default()).unwrap();
        let one = Import { inherited: vec![unfinished], ..none.clone() };
        for age in [Age::Last, Age::Unknown] {
            decided(&none, age).unwrap();
        }
        decided(&one, Age::Last).unwrap();
        let refused = decided(&one, Age::Unknown).unwrap_err().to_string();
        assert!(refused.starts_with("1 operation(s) were unfinished"), "{refused}");
    }
}
