//! How a volume survives the loss of bricks, and how much a thin pool may grow for snapshots.
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// What one brick set of a volume looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Durability {
    /// One copy; losing the brick loses the data on it.
    None,
    /// Each file on `replica` bricks.
    Replicate {
        /// Copies, 1 to 3.
        replica: u8,
    },
    /// Erasure coding: any `data` of `data + redundancy` bricks give the file back.
    Disperse {
        /// Bricks' worth of payload.
        data: u8,
        /// Bricks that may be lost.
        redundancy: u8,
    },
}

impl Durability {
    /// The combinations of data and redundancy that are offered (api.md 11.1).
    pub const DISPERSIONS: [(i64, i64); 4] = [(2, 1), (4, 2), (8, 3), (8, 4)];
    /// The most copies a replicated volume may have.
    pub const MAX_REPLICA: i64 = 3;
    /// Copies when a request says `replicate` and no number.
    pub const DEFAULT_REPLICA: u8 = 2;

    /// How many bricks make one set.
    #[must_use]
    pub fn bricks_in_set(self) -> usize {
        match self {
            Self::None => 1,
            Self::Replicate { replica } => usize::from(replica),
            Self::Disperse { data, redundancy } => usize::from(data) + usize::from(redundancy),
        }
    }
    /// How many other bricks of its set must be there before one may be replaced (api.md 10.6).
    ///
    /// A volume without redundancy needs one, and has none.
    #[must_use]
    pub fn needed_to_replace(self) -> usize {
        match self {
            Self::None | Self::Replicate { replica: 0..=2 } => 1,
            Self::Replicate { replica } => usize::from(replica) / 2 + 1,
            Self::Disperse { data, .. } => usize::from(data),
        }
    }
    /// By how many bricks of a set the payload is shared out.
    #[must_use]
    pub fn data_bricks(self) -> u64 {
        match self {
            Self::None | Self::Replicate { .. } => 1,
            Self::Disperse { data, .. } => u64::from(data),
        }
    }
}

/// The word for a durability.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// One copy.
    #[default]
    None,
    /// Copies.
    Replicate,
    /// Erasure coding.
    Disperse,
}

impl Kind {
    /// The word on the wire and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Replicate => "replicate",
            Self::Disperse => "disperse",
        }
    }
}

/// The word is none of `none`, `replicate`, `disperse`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Unknown durability type")]
pub struct UnknownKind;

impl FromStr for Kind {
    type Err = UnknownKind;
    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        match text {
            "none" => Ok(Self::None),
            "replicate" => Ok(Self::Replicate),
            "disperse" => Ok(Self::Disperse),
            _ => Err(UnknownKind),
        }
    }
}

/// A durability with all numbers of the request, also those that do not count: answers echo them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requested {
    /// Which of the numbers count.
    pub kind: Kind,
    /// Copies; 0 when not given.
    pub replica: i64,
    /// Data bricks a set; 0 when not given.
    pub data: i64,
    /// Redundancy bricks a set; 0 when not given.
    pub redundancy: i64,
}

/// The numbers do not make a durability that is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadDurability {
    /// More copies than offered, or fewer than one.
    #[error("Invalid replica value")]
    Replica,
    /// Not one of the offered combinations.
    #[error("Invalid dispersion combination: {0}+{1}")]
    Dispersion(i64, i64),
}

impl Requested {
    /// Refuses numbers that are not offered.
    ///
    /// # Errors
    /// [`BadDurability`] for the numbers that count.
    pub fn check(&self) -> Result<(), BadDurability> {
        match self.kind {
            Kind::Replicate if !(0..=Durability::MAX_REPLICA).contains(&self.replica) => {
                Err(BadDurability::Replica)
            }
            Kind::Disperse if !Durability::DISPERSIONS.contains(&(self.data, self.redundancy)) => {
                Err(BadDurability::Dispersion(self.data, self.redundancy))
            }
            _ => Ok(()),
        }
    }
    /// What is really made; numbers that [`Requested::check`] refuses count as not given.
    #[must_use]
    pub fn effective(&self) -> Durability {
        let small = |n: i64| u8::try_from(n).unwrap_or_default();
        match self.kind {
            Kind::None => Durability::None,
            Kind::Replicate => match small(self.replica) {
                0 => Durability::Replicate { replica: Durability::DEFAULT_REPLICA },
                replica => Durability::Replicate { replica },
            },
            Kind::Disperse => {
                Durability::Disperse { data: small(self.data), redundancy: small(self.redundancy) }
            }
        }
    }
}

/// The thin pool's size as a multiple of the brick's: room for snapshots, 1 to 100.
///
/// Single precision on purpose: Heketi stores a 32-bit float and widens it, and the accounting of
/// existing devices follows from that to the KiB (storage.md 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SnapshotFactor(pub f32);

impl Default for SnapshotFactor {
    fn default() -> Self {
        Self(1.0)
    }
}
