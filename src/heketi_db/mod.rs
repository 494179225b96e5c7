//! Heketi's own database, a file of BoltDB with values in Go's gob, read into what `db export` of
//! Heketi makes of it.
//!
//! ```text
//! bytes -> bolt (buckets, keys) -> gob (values) -> entries (members by name) -> api::database::Dump
//! ```
//! The file is never written, and nothing in it is trusted: what cannot be read is told with its
//! place, and the rest is read. Whether the entries fit together is asked elsewhere, in `database`.
mod bolt;
mod damage;
mod entries;
mod gob;
mod members;

pub use damage::Damage;

use crate::api::database::Dump;
use damage::shown;
use flate2::read::MultiGzDecoder;
use std::{
    cell::RefCell,
    collections::BTreeSet,
    fs::{File, TryLockError},
    io::{self, Read},
    path::{Path, PathBuf},
};

/// Larger than any database of Heketi: a thousand volumes are about 10 MiB.
const LARGEST: u64 = 512 << 20;

/// What a database has.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Its entries, as Heketi exports them.
    pub dump: Dump,
    /// What could not be read.
    pub damage: Vec<Damage>,
    /// Members and buckets that nobody here knows, and which are left out: of a newer version, or
    /// of somebody else's.
    pub strange: BTreeSet<String>,
}

/// The file cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file system says no.
    #[error("{path}: {why}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        why: io::Error,
    },
    /// Heketi has it open.
    #[error("{0} is in use by another program, most likely Heketi: end that first")]
    Locked(PathBuf),
    /// Nobody's database is as large as that.
    #[error("{0} has more than {LARGEST} bytes, which no database of Heketi has")]
    TooLarge(PathBuf),
}

/// The bytes of a file, unpacked if it was packed by gzip. While they are read no Heketi can
/// write: it keeps others away by a lock on the file.
///
/// # Errors
/// The file is in use, too large, or cannot be read.
pub fn bytes(path: &Path) -> Result<Vec<u8>, ReadError> {
    let failed = |why| ReadError::Io { path: path.into(), why };
    let file = File::open(path).map_err(failed)?;
    match file.try_lock_shared() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(ReadError::Locked(path.into())),
        // Where there are no locks there are none to keep.
        Err(TryLockError::Error(why)) if why.kind() == io::ErrorKind::Unsupported => {}
        Err(TryLockError::Error(why)) => return Err(failed(why)),
    }
    let too_large = || ReadError::TooLarge(path.into());
    let bytes = limited(&file).map_err(failed)?.ok_or_else(too_large)?;
    if bytes.starts_with(&[0x1f, 0x8b]) {
        return limited(MultiGzDecoder::new(bytes.as_slice()))
            .map_err(failed)?
            .ok_or_else(too_large);
    }
    Ok(bytes)
}

/// All there is; none when that is too much.
fn limited(from: impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = vec![];
    let read = from.take(LARGEST + 1).read_to_end(&mut bytes)?;
    Ok(u64::try_from(read).is_ok_and(|read| read <= LARGEST).then_some(bytes))
}

/// Whether this is the beginning of a database of BoltDB.
#[must_use]
pub fn is_bolt(bytes: &[u8]) -> bool {
    bolt::is_bolt(bytes)
}

/// Reads a database.
///
/// # Errors
/// Nothing of it can be read, and why.
pub fn read(bytes: &[u8]) -> Result<Found, String> {
    let contents = bolt::read(bytes)?;
    let mut found = Found { damage: contents.damage, ..Found::default() };
    let strange = RefCell::default();
    let mut buckets = contents.buckets;
    for (bucket, put) in entries::BUCKETS {
        for (key, value) in buckets.remove(bucket.as_bytes()).unwrap_or_default() {
            if entries::is_registry(bucket, key) {
                continue;
            }
            let read = match str::from_utf8(key) {
                Ok(name) => put(&mut found.dump, name.to_owned(), value, &strange),
                Err(_) => Err("its name is no text".to_owned()),
            };
            if let Err(why) = read {
                let (bucket, key) = (bucket.to_owned(), shown(key));
                found.damage.push(Damage { bucket, key, why });
            }
        }
    }
    found.strange = strange.into_inner();
    found.strange.extend(buckets.keys().map(|bucket| format!("bucket {}", shown(bucket))));
    Ok(found)
}
