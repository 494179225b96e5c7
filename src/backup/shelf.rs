//! Where backups lie: one Secret that says which backup is the present one, and Secrets with its
//! further parts.
//!
//! The order of writing is such that whoever is cut off anywhere leaves the former backup or the
//! new one, complete: first the names that are going to be used are noted, then the parts are made
//! under these new names, then the one Secret is turned to them in one write, then the old parts
//! go. That one write succeeds only when nobody else has written meanwhile.
use super::bundle::{
    Content, DATABASE, Damage, Described, LIMIT, NOTE, Note, PART, Part, compress, cut, sha256,
};
use crate::{
    kube::secret::{Data, Found, SecretError, Secrets},
    store::copy::Essence,
};
use jiff::Timestamp;
use std::collections::BTreeSet;

/// Labels of a Secret that we make: those of Heketi's manifests, and who made it.
const LABELS: [(&str, &str); 3] =
    [("app.kubernetes.io/managed-by", "brickyard"), ("glusterfs", "heketi-db"), ("heketi", "db")];
/// What somebody else left is kept under so many names at the most.
const KEPT_ASIDE: usize = 9;
/// Secrets that could not be removed and are remembered.
const DEBRIS: usize = 256;

/// The place of the backups of one server.
#[derive(Clone)]
pub struct Shelf {
    secrets: Secrets,
    name: String,
    /// Where several servers stand ready, this one among them.
    writer: Option<String>,
}

/// A backup that is ready to be written.
#[derive(Clone, Debug)]
pub struct Fresh {
    compressed: Vec<u8>,
    /// All but its number and its parts.
    described: Described,
    /// The epoch of our database before this server started: what is later and not ours was
    /// written by a server that we know nothing of.
    base: u64,
}

/// What a write did besides.
#[derive(Clone, Debug)]
pub struct Written {
    /// The backup as it lies there.
    pub described: Described,
    /// Secrets that are of no use any more and could not be removed, and why.
    pub left: Option<String>,
    /// Under which name that was kept which lay there before and was not ours.
    pub kept: Option<String>,
}

/// Why nothing was written, or read.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    /// The API server.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// There is a limit.
    #[error("the backup has {size} bytes, and {LIMIT} are the most that are kept in Secrets")]
    TooLarge {
        /// Bytes, compressed.
        size: usize,
    },
    /// Another server is at work on a copy of the database.
    #[error(
        "Secret {0} holds a backup of this database by a server that was started later than this \
         one: two servers must not work on copies of one database; end one of them"
    )]
    Later(String),
    /// This server does not work any more.
    #[error("Secret {0} belongs to another server now, which has taken over")]
    Superseded(String),
    /// It was written by a later version, or is damaged.
    #[error("Secret {0} cannot be understood: {1}")]
    Unreadable(String, Damage),
    /// This happened too often.
    #[error(
        "Secret {0} holds what is not a backup of this database, and {KEPT_ASIDE} of this kind are \
         kept aside already: look at them, and remove those that nobody needs"
    )]
    TooMany(String),
    /// A part is not there.
    #[error("Secret {0}, a part of the backup, does not exist")]
    Missing(String),
}

impl Fresh {
    /// Compresses and describes. Takes its time: not for the threads that serve.
    ///
    /// # Errors
    /// There is no memory.
    pub fn new(essence: &Essence, base: u64, ended: bool) -> std::io::Result<Self> {
        let compressed = compress(&essence.content)?;
        let described = Described {
            number: 0,
            taken_at: Timestamp::now(),
            server: env!("CARGO_PKG_VERSION").into(),
            origin: essence.origin.clone(),
            ended,
            ahead: false,
            size: compressed.len() as u64,
            sha256: sha256(&compressed),
            database_size: essence.content.len() as u64,
            parts: vec![],
        };
        Ok(Self { compressed, described, base })
    }
    /// Bytes, compressed.
    #[must_use]
    pub fn size(&self) -> usize {
        self.compressed.len()
    }
}

impl Shelf {
    /// The place that begins with the Secret of this name.
    #[must_use]
    pub fn new(secrets: Secrets, name: &str) -> Self {
        Self { secrets, name: name.to_owned(), writer: None }
    }

    /// From now on only a server of this name writes here: another one that still tries to learns
    /// that it is superseded, whatever it may believe. What lies there stays. Whether one of several
    /// servers has written here before.
    ///
    /// # Errors
    /// The API server; or what lies there has a note that cannot be read.
    pub async fn claim(self, writer: &str) -> Result<(Self, bool), ShelfError> {
        let shelf = Self { writer: Some(writer.to_owned()), ..self };
        // Whoever is still at work writes no more than twice.
        let mut tries = 10;
        loop {
            let found = shelf.secrets.get(&shelf.name).await?;
            let mut data = found.as_ref().map(Found::data).unwrap_or_default();
            let note = match data.get(NOTE) {
                Some(bytes) => Note::read(bytes),
                None => Ok(Note::new(None, vec![])),
            };
            let note = note.map_err(|why| ShelfError::Unreadable(shelf.full_name(), why))?;
            let before = note.writer.is_some();
            data.insert(NOTE.into(), note.by(Some(writer)).bytes());
            match shelf.write(found.as_ref(), data).await {
                Ok(_) => return Ok((shelf, before)),
                Err(SecretError::Changed(_)) if tries > 0 => tries -= 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Whether several servers stand ready, and this one works.
    #[must_use]
    pub fn is_claimed(&self) -> bool {
        self.writer.is_some()
    }

    /// Namespace and name of the first Secret, for people.
    #[must_use]
    pub fn full_name(&self) -> String {
        self.secrets.full_name(&self.name)
    }

    /// What the first Secret holds.
    ///
    /// # Errors
    /// The API server.
    pub async fn look(&self) -> Result<Content, ShelfError> {
        let found = self.secrets.get(&self.name).await?;
        Ok(found.map_or(Content::Nothing, |found| Content::of(&found.data())))
    }

    /// The further parts of a backup, in their order.
    ///
    /// # Errors
    /// The API server; a part is missing.
    pub async fn parts(&self, described: &Described) -> Result<Vec<Vec<u8>>, ShelfError> {
        let mut parts = vec![];
        for part in &described.parts {
            let missing = || ShelfError::Missing(self.secrets.full_name(&part.secret));
            let found = self.secrets.get(&part.secret).await?.ok_or_else(missing)?;
            parts.push(found.data().remove(PART).ok_or_else(missing)?);
        }
        Ok(parts)
    }

    /// Puts a backup in the place of the former one. `removed` are the Secrets that this server
    /// has removed already; it learns of more.
    ///
    /// # Errors
    /// [`ShelfError`]; the former backup is still there, or the new one is there as a whole.
    ///
    /// # Cancel safety
    /// As after an error.
    pub async fn put(
        &self,
        fresh: &Fresh,
        removed: &mut BTreeSet<String>,
    ) -> Result<Written, ShelfError> {
        if fresh.size() > LIMIT {
            return Err(ShelfError::TooLarge { size: fresh.size() });
        }
        let mut found = self.secrets.get(&self.name).await?;
        let data = found.as_ref().map(Found::data).unwrap_or_default();
        let note = data.get(NOTE).and_then(|bytes| Note::read(bytes).ok()).unwrap_or_default();
        let writer = self.writer.as_deref();
        // Where nothing lies any more, whoever works writes it again; another one would be there.
        if writer.is_some() && found.is_some() && note.writer.as_deref() != writer {
            return Err(ShelfError::Superseded(self.full_name()));
        }
        let before = Content::of(&data);
        let kept = match self.stranger(&before, fresh)? {
            None => None,
            Some(whose) => Some(self.keep_aside(&data, &whose).await?),
        };
        let mut debris: Vec<String> =
            note.debris.iter().filter(|name| !removed.contains(*name)).cloned().collect();
        let mut number = 1;
        if let Content::Ours(former, _) = &before {
            number = former.number.saturating_add(1);
            // The parts of what is kept aside are kept as well.
            if kept.is_none() {
                debris.extend(former.parts.iter().map(|part| part.secret.clone()));
            }
        }

        let (first, rest) = cut(&fresh.compressed);
        let parts: Vec<Part> =
            (2..).zip(&rest).map(|(n, bytes)| self.part(number, n, bytes)).collect();
        let names: BTreeSet<&str> = parts.iter().map(|part| part.secret.as_str()).collect();
        debris.retain(|name| !names.contains(name.as_str()));
        debris.drain(..debris.len().saturating_sub(DEBRIS));
        if !parts.is_empty() {
            // Whoever comes after a crash finds here what to remove.
            let mut noted = note.debris.clone();
            let new = names.iter().filter(|name| !note.debris.iter().any(|n| n == *name));
            noted.extend(new.map(ToString::to_string));
            let mut intent = data.clone();
            intent.insert(NOTE.into(), Note::new(note.backup.clone(), noted).by(writer).bytes());
            found = Some(self.write(found.as_ref(), intent).await?);
        }
        for (part, bytes) in parts.iter().zip(rest) {
            self.put_part(part, bytes).await?;
            removed.remove(&part.secret);
        }
        let ahead = writer.is_some();
        let described = Described { number, ahead, parts, ..fresh.described.clone() };
        let note = Note::new(Some(described.clone()), debris.clone()).by(writer);
        let data = [(DATABASE.to_owned(), first), (NOTE.to_owned(), note.bytes())];
        self.write(found.as_ref(), Data::from(data)).await?;

        let mut left = None;
        for name in debris {
            match self.secrets.delete(&name).await {
                Ok(()) => drop(removed.insert(name)),
                Err(error) => left = Some(error.to_string()),
            }
        }
        Ok(Written { described, left, kept })
    }

    async fn write(&self, found: Option<&Found>, data: Data) -> Result<Found, SecretError> {
        match found {
            Some(found) => self.secrets.replace(found, data).await,
            None => self.secrets.create(&self.name, &LABELS, data).await,
        }
    }

    /// A name that no other content ever has: two servers cannot put parts of theirs into one
    /// backup.
    fn part(&self, number: u64, n: usize, bytes: &[u8]) -> Part {
        let sha256 = sha256(bytes);
        let secret = format!("{}-{number}-{n}-{}", self.name, &sha256[..12]);
        Part { secret, sha256 }
    }

    async fn put_part(&self, part: &Part, bytes: Vec<u8>) -> Result<(), SecretError> {
        let data = Data::from([(PART.to_owned(), bytes)]);
        match self.secrets.create(&part.secret, &LABELS[..1], data.clone()).await {
            // By an attempt whose answer was lost, or that was cut off.
            Err(SecretError::Changed(name)) => {
                let there = self.secrets.get(&part.secret).await?;
                let same = there.as_ref().is_some_and(|found| found.data() == data);
                if same {
                    return Ok(());
                }
                match there {
                    Some(there) => self.secrets.replace(&there, data).await.map(drop),
                    None => Err(SecretError::Changed(name)),
                }
            }
            other => other.map(drop),
        }
    }

    /// Whose it is that lies there, if it is not ours to replace.
    fn stranger(&self, before: &Content, fresh: &Fresh) -> Result<Option<String>, ShelfError> {
        let ours = &fresh.described.origin;
        Ok(match before {
            Content::Heketi(_) => Some("of-heketi".into()),
            Content::Unknown(_) => Some("unknown".into()),
            Content::Ours(there, _) if there.origin.generation_id != ours.generation_id => {
                Some("of-another".into())
            }
            Content::Ours(there, _) if there.origin.epoch > ours.epoch => {
                return Err(ShelfError::Later(self.full_name()));
            }
            Content::Ours(there, _)
                if there.origin.epoch > fresh.base && there.origin.epoch < ours.epoch =>
            {
                Some("of-another".into())
            }
            Content::Nothing | Content::Ours(..) => None,
        })
    }

    /// Keeps a copy of what lies there under a name of its own, once; the name.
    async fn keep_aside(&self, data: &Data, whose: &str) -> Result<String, ShelfError> {
        let mut data = data.clone();
        if let Some(note) = data.get(NOTE).and_then(|bytes| Note::read(bytes).ok()) {
            // What was only going to be written is no part of it.
            match note.backup {
                None => drop(data.remove(NOTE)),
                backup => drop(data.insert(NOTE.into(), Note::new(backup, vec![]).bytes())),
            }
        }
        for n in 1..=KEPT_ASIDE {
            let number = if n == 1 { String::new() } else { format!("-{n}") };
            let name = format!("{}-{whose}{number}", self.name);
            match self.secrets.get(&name).await? {
                Some(there) if there.data() == data => return Ok(self.secrets.full_name(&name)),
                Some(_) => {}
                None => {
                    self.secrets.create(&name, &LABELS, data).await?;
                    return Ok(self.secrets.full_name(&name));
                }
            }
        }
        Err(ShelfError::TooMany(self.full_name()))
    }
}
