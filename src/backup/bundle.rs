//! What lies in a Secret: a database, compressed and cut into parts, with a note of what it is.
//!
//! The note stands in a key of its own and not in annotations, so that whoever mounts the Secret as
//! files has it as well.
use crate::{heketi_db, kube::secret::Data, store::origin::Origin};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    fmt::Write as _,
    io::{Read, Write},
};

/// The key of the compressed database, or of its first part: Heketi's.
pub const DATABASE: &str = "heketi.db.gz";
/// The key of the note.
pub const NOTE: &str = "brickyard.json";
/// The key of any further part.
pub const PART: &str = "part";

/// Bytes in a part. A Secret may hold 1 MiB (1,048,576 bytes); as base64, in which it travels and is
/// kept by tools, this much is still less than that.
pub const PART_SIZE: usize = 700 * 1024;
/// Parts of one backup at the most: some 45 MB, or a hundred thousand volumes.
pub const MOST_PARTS: usize = 64;
/// Bytes of all parts together at the most.
pub const LIMIT: usize = PART_SIZE * MOST_PARTS;
/// The largest database that is restored: compressed data may claim to be anything.
const LARGEST: u64 = 1 << 30;
/// The only form of the note so far.
const FORMAT: u32 = 1;

/// What stands beside the first part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The form of this note; a server does not touch what it cannot read.
    pub format: u32,
    /// The backup; none before the first is complete.
    pub backup: Option<Described>,
    /// Secrets that may exist and belong to no backup that is complete.
    #[serde(default)]
    pub debris: Vec<String>,
    /// Where several servers stand ready: the only one that writes here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writer: Option<String>,
}

/// A complete backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Described {
    /// Counts the backups in this place.
    pub number: u64,
    /// When the database was like this.
    pub taken_at: Timestamp,
    /// The version of the server.
    pub server: String,
    /// Which database, and how late.
    pub origin: Origin,
    /// The server ended after it in order: nothing was done on nodes since.
    pub ended: bool,
    /// Everything was written here before it was done on nodes: this knows of all that may be there.
    #[serde(default)]
    pub ahead: bool,
    /// Bytes of all parts.
    pub size: u64,
    /// SHA-256 of all parts together, hex.
    pub sha256: String,
    /// Bytes of the database.
    pub database_size: u64,
    /// All parts but the first, in their order.
    pub parts: Vec<Part>,
}

/// A part that has a Secret of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Name of the Secret.
    pub secret: String,
    /// SHA-256 of its bytes, hex.
    pub sha256: String,
}

/// Why a backup cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Damage(String);

fn damage<T>(what: impl Into<String>) -> Result<T, Damage> {
    Err(Damage(what.into()))
}

/// What a Secret was found to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// No backup: it is empty, or the first one is not complete.
    Nothing,
    /// A backup of ours, and its first part.
    Ours(Box<Described>, Vec<u8>),
    /// The database of a Heketi, as it is compressed.
    Heketi(Vec<u8>),
    /// Something else, or a backup of ours that is damaged.
    Unknown(Damage),
}

impl Content {
    /// What this is.
    #[must_use]
    pub fn of(data: &Data) -> Self {
        let database = data.get(DATABASE).filter(|bytes| !bytes.is_empty());
        let Some(note) = data.get(NOTE) else {
            return match database {
                None => Self::Nothing,
                Some(bytes) if is_heketis(bytes) => Self::Heketi(bytes.clone()),
                Some(_) => Self::Unknown(Damage(format!(
                    "{DATABASE} is no database of Heketi, and {NOTE}, which would say what it is, \
                     is missing"
                ))),
            };
        };
        match (Note::read(note), database) {
            (Err(damage), _) => Self::Unknown(damage),
            (Ok(Note { backup: None, .. }), None) => Self::Nothing,
            // The first backup is on its way, and Heketi's last one still there.
            (Ok(Note { backup: None, .. }), Some(bytes)) if is_heketis(bytes) => {
                Self::Heketi(bytes.clone())
            }
            (Ok(Note { backup: None, .. }), Some(_)) => {
                Self::Unknown(Damage(format!("{NOTE} does not know the {DATABASE} beside it")))
            }
            (Ok(Note { backup: Some(_), .. }), None) => {
                Self::Unknown(Damage(format!("{DATABASE} is missing")))
            }
            (Ok(Note { backup: Some(described), .. }), Some(first)) => {
                Self::Ours(Box::new(described), first.clone())
            }
        }
    }
}

/// BoltDB's magic number within what was compressed.
fn is_heketis(compressed: &[u8]) -> bool {
    let mut page = [0; 20];
    GzDecoder::new(compressed).read_exact(&mut page).is_ok() && heketi_db::is_bolt(&page)
}

impl Note {
    /// A note on these.
    #[must_use]
    pub fn new(backup: Option<Described>, debris: Vec<String>) -> Self {
        Self { format: FORMAT, backup, debris, writer: None }
    }
    /// The same, where only this server writes.
    #[must_use]
    pub fn by(self, writer: Option<&str>) -> Self {
        Self { writer: writer.map(str::to_owned), ..self }
    }
    /// The note in its bytes.
    ///
    /// # Errors
    /// It is none, or of a later version.
    pub fn read(bytes: &[u8]) -> Result<Self, Damage> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let unreadable = |error: serde_json::Error| Damage(format!("{NOTE}: {error}"));
        let Format { format } = serde_json::from_slice(bytes).map_err(unreadable)?;
        if format != FORMAT {
            return damage(format!("{NOTE} has the format {format} of another version"));
        }
        let note: Self = serde_json::from_slice(bytes).map_err(unreadable)?;
        if note.backup.as_ref().is_some_and(|backup| backup.parts.len() >= MOST_PARTS) {
            return damage(format!("{NOTE} names too many parts"));
        }
        Ok(note)
    }
    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        // Plain data: there is nothing that could not be written.
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }
}

/// Compresses a database. Takes its time: not for the threads that serve.
///
/// # Errors
/// There is no memory.
pub fn compress(database: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(vec![], Compression::best());
    encoder.write_all(database)?;
    encoder.finish()
}

/// Cuts what was compressed into parts; there is always a first.
#[must_use]
pub fn cut(compressed: &[u8]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let mut parts = compressed.chunks(PART_SIZE).map(<[u8]>::to_vec);
    (parts.next().unwrap_or_default(), parts.collect())
}

impl Described {
    /// The database, from its parts in their order. Takes its time: not for the threads that serve.
    ///
    /// # Errors
    /// It is not what was backed up, to the last bit.
    pub fn join(&self, first: &[u8], rest: &[Vec<u8>]) -> Result<Vec<u8>, Damage> {
        if rest.len() != self.parts.len() {
            return damage(format!("{} further parts of {}", rest.len(), self.parts.len()));
        }
        for (part, bytes) in self.parts.iter().zip(rest) {
            if sha256(bytes) != part.sha256 {
                return damage(format!("the part in Secret {} is damaged", part.secret));
            }
        }
        let mut all = first.to_vec();
        for part in rest {
            all.extend_from_slice(part);
        }
        if all.len() as u64 != self.size {
            return damage(format!("it has {} bytes and should have {}", all.len(), self.size));
        }
        if sha256(&all) != self.sha256 {
            return damage("its checksum is wrong");
        }
        if self.database_size > LARGEST {
            return damage(format!("a database of {} bytes is too large", self.database_size));
        }
        let mut database = vec![];
        let mut decoder = GzDecoder::new(all.as_slice()).take(self.database_size + 1);
        if let Err(error) = decoder.read_to_end(&mut database) {
            return damage(format!("it cannot be unpacked: {error}"));
        }
        if database.len() as u64 != self.database_size {
            let wanted = self.database_size;
            return damage(format!("it unpacks to other than {wanted} bytes"));
        }
        Ok(database)
    }
}

/// SHA-256 in hex.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn described(database: &[u8]) -> (Described, Vec<u8>, Vec<Vec<u8>>) {
        let compressed = compress(database).unwrap();
        let (first, rest) = cut(&compressed);
        let part = |(n, bytes): (usize, &Vec<u8>)| Part {
            secret: format!("part-{n}"),
            sha256: sha256(bytes),
        };
        let described = Described {
            number: 1,
            taken_at: Timestamp::UNIX_EPOCH,
            server: "1".into(),
            origin: Origin { generation_id: "g".into(), epoch: 7 },
            ended: false,
            ahead: false,
            size: compressed.len() as u64,
            sha256: sha256(&compressed),
            database_size: database.len() as u64,
            parts: rest.iter().enumerate().map(part).collect(),
        };
        (described, first, rest)
    }

    /// Bytes that do not get smaller.
    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040);
            state.to_be_bytes()[0]
        };
        std::iter::repeat_with(next).take(length).collect()
    }

    #[test]
    fn what_was_cut_is_joined() {
        for length in [0, 1, 4096, PART_SIZE, PART_SIZE * 3] {
            let database = noise(length);
            let (described, first, rest) = described(&database);
            assert_eq!(
                rest.len(),
                usize::try_from(described.size - 1).unwrap() / PART_SIZE,
                "{length}"
            );
            let whole = first.len() + rest.iter().map(Vec::len).sum::<usize>();
            assert_eq!(whole as u64, described.size);
            assert!(rest.iter().all(|part| part.len() <= PART_SIZE));
            assert_eq!(described.join(&first, &rest).unwrap(), database);
        }
        // As base64 in JSON, with the note: still below what a Secret may hold.
        assert!(PART_SIZE.div_ceil(3) * 4 < 1_000_000);
    }

    #[test]
    fn no_damage_passes() {
        let database = noise(PART_SIZE * 2);
        let (good, first, rest) = described(&database);
        assert_eq!(rest.len(), 2);
        let why = |described: &Described, first: &[u8], rest: &[Vec<u8>]| {
            described.join(first, rest).unwrap_err().to_string()
        };
        assert_eq!(why(&good, &first, &rest[..1]), "1 further parts of 2");
        let swapped = [rest[1].clone(), rest[0].clone()];
        assert_eq!(why(&good, &first, &swapped), "the part in Secret part-0 is damaged");
        assert!(why(&good, &first[1..], &rest).contains("bytes and should have"));
        let mut bent = first.clone();
        bent[100] ^= 1;
        assert_eq!(why(&good, &bent, &rest), "its checksum is wrong");
        for wrong in [0, good.database_size - 1, good.database_size + 1] {
            let lie = Described { database_size: wrong, ..good.clone() };
            assert!(why(&lie, &first, &rest).contains("unpacks to other than"));
        }
        let huge = Described { database_size: u64::MAX, ..good.clone() };
        assert!(why(&huge, &first, &rest).contains("too large"));
        let bytes = b"not compressed".to_vec();
        let odd = Described {
            size: bytes.len() as u64,
            sha256: sha256(&bytes),
            parts: vec![],
            ..good.clone()
        };
        assert!(why(&odd, &bytes, &[]).contains("cannot be unpacked"));
    }

    #[test]
    fn contents_are_told_apart() {
        let data = |pairs: &[(&str, Vec<u8>)]| -> Data {
            pairs.iter().map(|(key, bytes)| ((*key).to_owned(), bytes.clone())).collect()
        };
        let (described, first, _) = described(b"database");
        let note = Note::new(Some(described.clone()), vec![]).bytes();
        let none = Note::new(None, vec!["x".into()]).bytes();
        let mut bolt = vec![0; 4096];
        bolt[16..20].copy_from_slice(&0xED0C_DAED_u32.to_le_bytes());
        let bolt = compress(&bolt).unwrap();

        assert_eq!(Content::of(&data(&[])), Content::Nothing);
        assert_eq!(Content::of(&data(&[(DATABASE, vec![])])), Content::Nothing);
        assert_eq!(Content::of(&data(&[(NOTE, none.clone())])), Content::Nothing);
        let heketis = Content::Heketi(bolt.clone());
        assert_eq!(Content::of(&data(&[(DATABASE, bolt.clone())])), heketis);
        assert_eq!(Content::of(&data(&[(DATABASE, bolt), (NOTE, none.clone())])), heketis);
        let ours = Content::Ours(Box::new(described), first.clone());
        assert_eq!(Content::of(&data(&[(DATABASE, first.clone()), (NOTE, note.clone())])), ours);
        for (pairs, words) in [
            (vec![(NOTE, note.clone())], "is missing"),
            (vec![(DATABASE, first.clone())], "is no database of Heketi"),
            (vec![(DATABASE, first.clone()), (NOTE, none)], "does not know"),
            (vec![(DATABASE, first.clone()), (NOTE, b"{".to_vec())], "brickyard.json: "),
            (vec![(DATABASE, first.clone()), (NOTE, b"{\"format\": 2}".to_vec())], "format 2"),
        ] {
            let Content::Unknown(damage) = Content::of(&data(&pairs)) else { panic!("{pairs:?}") };
            assert!(damage.to_string().contains(words), "{damage}");
        }
    }

    proptest! {
        /// Whatever lies there, it is told apart without a panic, and never taken for a backup.
        #[test]
        fn noise_is_never_a_backup(database in any::<Vec<u8>>(), note in any::<Vec<u8>>()) {
            let data = [(DATABASE, database), (NOTE, note)].map(|(k, v)| (k.to_owned(), v));
            let content = Content::of(&Data::from(data));
            prop_assert!(!matches!(content, Content::Ours(..)), "{content:?}");
        }
    }
}
