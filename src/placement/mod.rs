//! Where bricks go: pure functions over a snapshot of one cluster. No I/O, no clock, no chance
//! that was not handed in; the same request and view give the same placement.
//!
//! ```text
//! request + view -> size::layouts (1, 2, 4 ... sets) -> set::choose for each set -> Placement
//!                                                     \-> Refusal, with every rule's count
//! ```
mod replacement;
pub mod rule;
mod set;
pub mod size;

use crate::domain::{BrickSize, DeviceId, Durability, Kib, NodeId, Part, SnapshotFactor, Tags};
pub use replacement::{NoReplacement, Replacement, replace};
use rule::{Refusals, Rules};
use size::Limits;
use std::{collections::BTreeSet, fmt};

/// A device as the placement sees it, together with what matters of its node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceView {
    /// The device.
    pub id: DeviceId,
    /// Its node: two bricks of a set never share one.
    pub node: NodeId,
    /// The failure zone of the node.
    pub zone: i64,
    /// The node takes new bricks.
    pub node_online: bool,
    /// The device takes new bricks.
    pub online: bool,
    /// Free space by our accounting.
    pub free: Kib,
    /// LVM's extent size: thin pools are multiples of it.
    pub extent: Kib,
    /// The node's tags overlaid by the device's.
    pub tags: Tags,
}

/// One cluster at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Nodes that take new bricks.
    pub online_nodes: usize,
    /// All devices, whatever their state, so that a refusal can tell why each was left out.
    pub devices: Vec<DeviceView>,
}

/// What is to be placed.
#[derive(Clone, Debug)]
pub struct Request {
    /// Payload of the volume, or of the expansion.
    pub size: Kib,
    /// What a brick set looks like.
    pub durability: Durability,
    /// Room for snapshots.
    pub snapshot_factor: SnapshotFactor,
    /// `Some(average file size in KiB)`: the third brick of a set holds no data.
    pub arbiter: Option<u64>,
    /// Bricks that the volume has already (they count against the limit).
    pub existing_bricks: usize,
    /// Bounds of bricks.
    pub limits: Limits,
    /// Which devices may be used.
    pub rules: Rules,
    /// Nodes that failed a moment ago: used by nobody in this attempt.
    pub avoid: BTreeSet<NodeId>,
    /// Breaks ties between equal devices; any number that differs between volumes.
    pub seed: u128,
}

/// One brick with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedBrick {
    /// Where.
    pub device: DeviceId,
    /// The node of that device.
    pub node: NodeId,
    /// What for.
    pub part: Part,
    /// How large, with what it takes from the device.
    pub size: BrickSize,
}

/// Brick sets in the order gluster is told them; in a set the arbiter is last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Each inner list is one replica or disperse set.
    pub sets: Vec<Vec<PlacedBrick>>,
}

/// Why nothing could be placed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No node of the cluster is online.
    #[error("No nodes in cluster")]
    NoNodes,
    /// Nodes, but not one device that is online.
    #[error("No online storage devices in cluster")]
    NoDevices,
    /// More bricks than a volume may have would be needed.
    #[error("Maximum number of bricks reached.")]
    MaxBricks(Box<Report>),
    /// Bricks would be smaller than allowed.
    #[error("Minimum brick size limit reached.  Out of space.")]
    MinBrickSize(Box<Report>),
}

impl Refusal {
    /// What stood in the way, layout by layout.
    #[must_use]
    pub fn report(&self) -> Option<&Report> {
        match self {
            Self::NoNodes | Self::NoDevices => None,
            Self::MaxBricks(report) | Self::MinBrickSize(report) => Some(report),
        }
    }
}

/// Reasons instead of "No space": for the log, in words a person can act on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Devices of the cluster.
    pub devices: usize,
    /// One entry for each layout that was tried.
    pub tried: Vec<Attempt>,
    /// The largest size that would have been placed under the same rules.
    pub largest: Option<Kib>,
}

/// One layout that was tried in vain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Number of brick sets.
    pub sets: u64,
    /// Size of a data brick.
    pub brick: Kib,
    /// Sets that did find a place.
    pub placed: usize,
    /// How many devices each rule refused for the set that found none.
    pub refusals: Refusals,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} devices in the cluster", self.devices)?;
        for a in &self.tried {
            write!(f, "; {} set(s) of {} bricks: {} placed", a.sets, a.brick, a.placed)?;
            if !a.refusals.is_empty() {
                write!(f, ", then refused: {}", a.refusals)?;
            }
        }
        match self.largest {
            Some(largest) => write!(f, "; the largest that would fit: {}", largest.whole_gib()),
            None => write!(f, "; nothing of this kind would fit"),
        }
    }
}

/// Finds a place for every brick, or says why there is none.
///
/// Layouts are tried from few large bricks to many small ones (storage.md 2.1); the first that
/// fits is taken. Within a set: zones spread first, then nodes, then the device with most space.
///
/// # Errors
/// The first limit that was hit, with the counts of each rule.
pub fn place(request: &Request, view: &View) -> Result<Placement, Refusal> {
    if view.online_nodes == 0 {
        return Err(Refusal::NoNodes);
    }
    if !view.devices.iter().any(|d| d.online && d.node_online) {
        return Err(Refusal::NoDevices);
    }
    try_layouts(request, view).map_err(|(end, tried)| {
        let largest = largest_that_fits(request, view);
        let report = Box::new(Report { devices: view.devices.len(), tried, largest });
        match end {
            size::End::MaxBricks => Refusal::MaxBricks(report),
            size::End::MinBrickSize => Refusal::MinBrickSize(report),
        }
    })
}

fn try_layouts(request: &Request, view: &View) -> Result<Placement, (size::End, Vec<Attempt>)> {
    let mut tried = vec![];
    for layout in size::layouts(request) {
        let layout = match layout {
            Ok(layout) => layout,
            Err(end) => return Err((end, tried)),
        };
        let mut room = set::Room::new(&view.devices);
        let mut sets = vec![];
        loop {
            match set::choose(request, layout.brick, &mut room) {
                Ok(set) => sets.push(set),
                Err(refusals) => {
                    let placed = sets.len();
                    tried.push(Attempt {
                        sets: layout.sets,
                        brick: layout.brick,
                        placed,
                        refusals,
                    });
                    break;
                }
            }
            if sets.len() as u64 == layout.sets {
                return Ok(Placement { sets });
            }
        }
    }
    Err((size::End::MinBrickSize, tried))
}

/// Bisects whole GiB below the requested size; what it returns was really placed.
fn largest_that_fits(request: &Request, view: &View) -> Option<Kib> {
    let gib = crate::domain::Gib(1).to_kib().0;
    let (mut low, mut high) = (0, request.size.0 / gib);
    while low + 1 < high {
        let middle = low + (high - low) / 2;
        let smaller = Request { size: Kib(middle * gib), ..request.clone() };
        if try_layouts(&smaller, view).is_ok() { low = middle } else { high = middle }
    }
    (low > 0).then_some(Kib(low * gib))
}

#[cfg(test)]
mod tests;
