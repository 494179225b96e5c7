//! Sizes with their unit in the type: the API speaks GiB, LVM and the accounting KiB (api.md 3.4).
use serde::{Deserialize, Serialize};
use std::fmt;

/// A size in KiB: devices, bricks, thin pools, metadata.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Kib(pub u64);

/// A size in GiB: volumes, as requested and as reported.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Gib(pub u64);

impl Kib {
    /// No space at all.
    pub const ZERO: Self = Self(0);

    /// The sum; saturates, since a size beyond 2^64 KiB fits nowhere anyway.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
    /// The difference, at least zero.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
    /// This size rounded up to a multiple of `extent` (unchanged when the extent is unknown).
    #[must_use]
    pub fn round_up(self, extent: Self) -> Self {
        if extent.0 == 0 { self } else { Self(self.0.div_ceil(extent.0).saturating_mul(extent.0)) }
    }
    /// Whole GiB in it, the rest cut off, as Heketi's command line shows sizes.
    #[must_use]
    pub fn whole_gib(self) -> Gib {
        Gib(self.0 / Gib::KIB)
    }
}

impl Gib {
    const KIB: u64 = 1024 * 1024;

    /// The same size in KiB; saturates.
    #[must_use]
    pub fn to_kib(self) -> Kib {
        Kib(self.0.saturating_mul(Self::KIB))
    }
    /// The sum; saturates.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
    /// The number that the API shows, whose sizes are signed; saturates.
    #[must_use]
    pub fn to_number(self) -> i64 {
        i64::try_from(self.0).unwrap_or(i64::MAX)
    }
}

impl fmt::Display for Kib {
    /// GiB with two digits from one GiB on: the number is for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.whole_gib() {
            Gib(0) => write!(f, "{} KiB", self.0),
            Gib(whole) => write!(f, "{whole}.{:02} GiB", self.0 % Gib::KIB * 100 / Gib::KIB),
        }
    }
}
impl fmt::Display for Gib {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} GiB", self.0)
    }
}
impl std::iter::Sum for Kib {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::ZERO, Self::plus)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_goes_up_to_whole_extents() {
        assert_eq!(Kib(1).round_up(Kib(4096)), Kib(4096));
        assert_eq!(Kib(4096).round_up(Kib(4096)), Kib(4096));
        assert_eq!(Kib(4097).round_up(Kib(4096)), Kib(8192));
        assert_eq!(Gib(3).to_kib().whole_gib(), Gib(3));
    }
}
