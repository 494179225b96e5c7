//! How large bricks are and what they take from a device (storage.md 2).
use super::Request;
use crate::domain::{BrickSize, Durability, Gib, Kib, SnapshotFactor};

/// Bounds of bricks, from the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// No data brick is smaller.
    pub brick_min: Kib,
    /// No data brick is larger.
    pub brick_max: Kib,
    /// A volume never has more bricks.
    pub max_bricks: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { brick_min: Gib(1).to_kib(), brick_max: Gib(4096).to_kib(), max_bricks: 32 }
    }
}

impl Limits {
    /// The smallest volume of this durability.
    #[must_use]
    pub fn smallest_volume(self, durability: Durability) -> Kib {
        Kib(self.brick_min.0.saturating_mul(durability.data_bricks()))
    }
}

/// The thin pool and its metadata for a brick, in whole extents.
#[must_use]
pub fn of_brick(brick: Kib, factor: SnapshotFactor, extent: Kib) -> BrickSize {
    const METADATA_SHARE: f64 = 0.005;
    const METADATA_MAX: Kib = Kib(16 * 1024 * 1024);
    // The 32-bit factor is widened as it is: 1.2 becomes 1.2000000476837158, as on the nodes that
    // Heketi formatted.
    let pool = scaled(brick, f64::from(factor.0)).round_up(extent);
    let metadata = scaled(pool, METADATA_SHARE).min(METADATA_MAX).round_up(extent);
    BrickSize { brick, pool, metadata }
}

/// The product, cut to whole KiB.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "Heketi's formula is in double precision; sizes stay far below 2^53 KiB and positive"
)]
fn scaled(size: Kib, factor: f64) -> Kib {
    Kib((size.0 as f64 * factor) as u64)
}

/// Payload of an arbiter brick: 1 KiB a file, at least 16 MiB.
#[must_use]
pub fn arbiter(data: Kib, average_file: u64) -> Kib {
    const SMALLEST: Kib = Kib(16 * 1024);
    Kib(data.0 / average_file.max(1)).max(SMALLEST)
}

/// One way to cut the size into sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// Number of brick sets.
    pub(super) sets: u64,
    /// Payload of each data brick.
    pub(super) brick: Kib,
}

/// Why there is no further layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The next would have more bricks than a volume may have.
    MaxBricks,
    /// The next would have bricks below the minimum.
    MinBrickSize,
}

/// The layouts to try, in order: 1, 2, 4, 8 ... sets; sizes above the maximum are passed over.
/// The last item is the reason why the search ends there.
pub(super) fn layouts(request: &Request) -> impl Iterator<Item = Result<Layout, End>> {
    let Request { size, durability, limits, existing_bricks, .. } = request.clone();
    let mut ended = false;
    (0..u64::BITS)
        .map(move |doubling| {
            let sets = 1_u64 << doubling;
            let brick = Kib(size.0 / sets / durability.data_bricks());
            let in_set = u64::try_from(durability.bricks_in_set()).unwrap_or(u64::MAX);
            let bricks = sets.saturating_mul(in_set).saturating_add(existing_bricks as u64);
            if brick < limits.brick_min {
                Err(End::MinBrickSize)
            } else if brick > limits.brick_max {
                Ok(None)
            } else if bricks > limits.max_bricks as u64 {
                Err(End::MaxBricks)
            } else {
                Ok(Some(Layout { sets, brick }))
            }
        })
        .filter_map(Result::transpose)
        .take_while(move |item| !std::mem::replace(&mut ended, item.is_err()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXTENT: Kib = Kib(4096);

    /// The reference values of storage.md 2.2.
    #[test]
    fn pools_and_metadata_to_the_kib() {
        let gib = |n: u64| Gib(n).to_kib();
        for (brick, factor, pool, metadata, total) in [
            (gib(1), 1.0, 1_048_576, 8192, 1_056_768),
            (gib(10), 1.0, 10_485_760, 53_248, 10_539_008),
            (gib(100), 1.0, 104_857_600, 524_288, 105_381_888),
            (gib(100), 1.5, 157_286_400, 786_432, 158_072_832),
            (gib(100), 1.2, 125_833_216, 630_784, 126_464_000),
            (gib(4096), 1.0, 4_294_967_296, 16_777_216, 4_311_744_512),
            (gib(10), 1.5, 15_728_640, 81_920, 15_810_560),
        ] {
            let size = of_brick(brick, SnapshotFactor(factor), EXTENT);
            assert_eq!(
                (size.pool, size.metadata, size.total()),
                (Kib(pool), Kib(metadata), Kib(total)),
                "{brick} x {factor}"
            );
        }
    }
    /// The reference values of storage.md 2.3.
    #[test]
    fn arbiter_bricks() {
        assert_eq!(arbiter(Gib(4).to_kib(), 64), Kib(65_536));
        assert_eq!(arbiter(Gib(100).to_kib(), 64), Kib(1_638_400));
        assert_eq!(arbiter(Kib(1), 64), Kib(16_384), "at least 16 MiB");
        let size = of_brick(Kib(65_536), SnapshotFactor(1.0), EXTENT);
        assert_eq!((size.pool, size.metadata), (Kib(65_536), Kib(4096)));
        let size = of_brick(Kib(1_638_400), SnapshotFactor(1.0), EXTENT);
        assert_eq!(size.metadata, Kib(8192));
    }

    fn search(gib: u64, durability: Durability, max_bricks: usize) -> Vec<Result<(u64, u64), End>> {
        let request = super::super::tests::request(Gib(gib).to_kib(), durability);
        let request = Request { limits: Limits { max_bricks, ..Limits::default() }, ..request };
        layouts(&request).map(|l| l.map(|l| (l.sets, l.brick.0))).collect()
    }

    /// The examples of storage.md 2.1.
    #[test]
    fn sets_double_until_a_limit() {
        let found = search(100, Durability::Replicate { replica: 3 }, 1000);
        let hundred = Gib(100).to_kib().0;
        let want: Vec<_> = (0..7).map(|n| Ok((1 << n, hundred >> n))).collect();
        assert_eq!(found[..7], want[..]);
        assert_eq!(found[7..], [Err(End::MinBrickSize)]);

        let found = search(100, Durability::Replicate { replica: 3 }, 32);
        assert_eq!(found.len(), 5, "8 sets of 3 are the most: {found:?}");
        assert_eq!(found[4], Err(End::MaxBricks));

        let found = search(10 * 1024, Durability::None, 32);
        assert_eq!(found[0], Ok((4, Gib(2560).to_kib().0)), "bricks above 4 TiB are passed over");
    }
    #[test]
    fn disperse_shares_the_payload_out() {
        let found = search(8, Durability::Disperse { data: 4, redundancy: 2 }, 32);
        assert_eq!(found[0], Ok((1, 2 * 1_048_576)));
        assert_eq!(found[1], Ok((2, 1_048_576)));
        assert_eq!(found[2], Err(End::MinBrickSize));
        let limits = Limits::default();
        let smallest = limits.smallest_volume(Durability::Disperse { data: 4, redundancy: 2 });
        assert_eq!(smallest, Gib(4).to_kib());
    }
}
