//! Limits and defaults of operations, from the configuration (config.md 1.2).
use crate::{
    domain::{Gib, VolumeOption},
    placement::size::Limits,
};
use std::time::Duration;

/// What the configuration says about operations.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Bounds of bricks.
    pub limits: Limits,
    /// KiB a file, for the size of arbiter bricks.
    pub average_file_size: u64,
    /// Each brick of a set in a zone of its own, unless the volume says otherwise.
    pub strict_zones: bool,
    /// Volumes a cluster; no limit when none.
    pub max_volumes_per_cluster: Option<i64>,
    /// Options before those of the request.
    pub pre_request_options: Vec<VolumeOption>,
    /// Options after those of the request.
    pub post_request_options: Vec<VolumeOption>,
    /// Options of block hosting volumes.
    pub block_hosting_options: Vec<VolumeOption>,
    /// Whether a hosting volume is made when none has room for a block volume.
    pub create_block_hosting: bool,
    /// Size of such a hosting volume.
    pub block_hosting_size: Gib,
    /// New attempts after a volume could not be made.
    pub create_retries: i64,
    /// Spread data over new bricks after an expansion.
    pub rebalance: bool,
    /// Operations at work at the same time; those that come later wait for their turn.
    pub max_in_flight: usize,
    /// Operations that wait for their turn before clients are asked to come back later.
    pub max_waiting: usize,
    /// An operation that waits for nodes for so long lends its place in flight to the next.
    pub lends_after: Duration,
    /// Waits between tries of a step that must not fail; as many tries as waits, and one more.
    pub patience: Vec<Duration>,
    /// How long the answer of a finished operation stays readable.
    pub keep_results: Duration,
    /// When a stuck operation is tried again for the first time, and the longest pause between two
    /// later tries, which double; none when they are only tried on demand and at each start.
    pub cleaner: Option<(Duration, Duration)>,
}

impl Default for Settings {
    fn default() -> Self {
        let empty = || vec![VolumeOption::default()];
        Self {
            limits: Limits::default(),
            average_file_size: 64,
            strict_zones: false,
            max_volumes_per_cluster: Some(1000),
            pre_request_options: empty(),
            post_request_options: empty(),
            block_hosting_options: VolumeOption::list("group gluster-block").unwrap_or_default(),
            create_block_hosting: false,
            block_hosting_size: Gib(1024),
            create_retries: 4,
            rebalance: true,
            max_in_flight: 8,
            // A burst of a hundred claims, twice.
            max_waiting: 200,
            lends_after: Duration::from_secs(10),
            patience: vec![Duration::from_secs(1), Duration::from_secs(4)],
            keep_results: Duration::from_hours(24),
            cleaner: Some((Duration::from_mins(1), Duration::from_hours(1))),
        }
    }
}
