//! Where the database is, and whether one of Heketi waits there.
use super::{Overrides, environment::Environment, file::File};
use crate::heketi_db;
use std::path::{Path, PathBuf};

/// Our database for a file that is named as Heketi's may be.
#[must_use]
pub fn own_database(named: &Path) -> PathBuf {
    let heketis = named.file_name().is_some_and(|name| name == "heketi.db") || is_bolt(named);
    if heketis { named.with_file_name("brickyard.db") } else { named.to_owned() }
}

/// Heketi's `db` names a file of BoltDB: ours stands beside it, so that the old one stays as it
/// is. Another name is taken as it is given.
pub(super) fn database(
    file: &File,
    env: &Environment<'_>,
    overrides: &Overrides,
) -> (PathBuf, Option<PathBuf>) {
    let named = env.text("HEKETI_DB_PATH").unwrap_or_else(|| file.glusterfs.db.clone());
    let named = PathBuf::from(if named.is_empty() { "heketi.db" } else { &named });
    // Named for us by the command line: whoever does that knows what else lies there.
    if let Some(ours) = &overrides.database {
        return (ours.clone(), None);
    }
    let ours = own_database(&named);
    let old = if ours == named { ours.with_file_name("heketi.db") } else { named };
    let there = old.metadata().is_ok_and(|m| m.len() > 0);
    (ours, there.then_some(old))
}

/// Whether the file is a database of Heketi, by its first bytes.
#[must_use]
pub fn is_bolt(path: &Path) -> bool {
    use std::io::Read;
    let mut page = [0; 20];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut page));
    read.is_ok() && heketi_db::is_bolt(&page)
}
