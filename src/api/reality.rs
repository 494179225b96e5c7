//! What the nodes have against what the database says, and what can be done about it. Heketi has
//! nothing like it, so the words are ours.
use crate::domain::{BrickId, ClusterId, DeviceId, Gib, NodeId, VolumeId};
use serde::{Deserialize, Serialize};

/// Answer of `GET /internal/state/check`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckReport {
    /// How many nodes were asked.
    pub nodes: usize,
    /// How many volumes, bricks and devices were not judged, since operations are at work on them.
    pub under_way: usize,
    /// What could not be found out: nothing is said of it, least of all that it is missing.
    pub unknown: Vec<Unknown>,
    /// What does not agree, the same things in the same order each time.
    pub differences: Vec<Difference>,
    /// What was compared of Kubernetes; none when that is not compared, or could not be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistent_volumes: Option<PersistentVolumesReport>,
}

/// What is to be known about `PersistentVolumes`, and is no difference by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersistentVolumesReport {
    /// How many were compared, of all that mount gluster volumes.
    pub compared: usize,
    /// How many were not, since they came or went meanwhile, or are about to go.
    pub under_way: usize,
    /// Those that name no volume and no host of this server: they are of another one. By name.
    pub elsewhere: Vec<String>,
    /// Volumes that none of them names: kept after a claim was deleted, lost by a provisioner, or
    /// used by others than Kubernetes.
    pub volumes_without: Vec<VolumeWithout>,
}

/// A volume that no `PersistentVolume` names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeWithout {
    /// Its identity.
    pub id: VolumeId,
    /// What gluster calls it.
    pub name: String,
    /// GiB.
    pub size: Gib,
    /// Where it lies.
    pub cluster: ClusterId,
}

/// Something that could not be found out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Unknown {
    /// The node, by its management name; the volume; or `Kubernetes`.
    pub place: String,
    /// What of it.
    pub what: String,
    /// Why.
    pub why: String,
}

/// One thing that does not agree.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Difference {
    /// What kind of thing it is.
    pub kind: Kind,
    /// Names this difference and no other, as long as it lasts: kind and ids.
    pub id: String,
    /// What was found, and where, for people.
    pub text: String,
    /// What a person can do about it where the server cannot, or what to think of before it does.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub advice: String,
    /// What the server can do about it when a person wants it to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repair: Option<Repair>,
}

/// Kinds of differences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A node is not in gluster's pool.
    PeerMissing,
    /// A device's volume group is not on its node.
    VolumeGroupMissing,
    /// Size or use of a device are not what LVM says.
    DeviceNumbers,
    /// A brick's logical volume is gone.
    LogicalVolumeMissing,
    /// A brick's logical volume has another size.
    BrickSize,
    /// A brick is not mounted, or something else is in its place.
    BrickNotMounted,
    /// A brick will not be mounted at boot.
    FstabLineMissing,
    /// A logical volume has the name of a brick of ours and belongs to none.
    LogicalVolumeOfNobody,
    /// gluster does not have a volume of ours.
    VolumeNotInGluster,
    /// gluster has a volume that the database does not have.
    VolumeNotInDatabase,
    /// A volume of ours is stopped.
    VolumeNotStarted,
    /// An option is not what it was set to.
    OptionChanged,
    /// Another brick stands in the place of one of ours.
    BrickReplaced,
    /// gluster's volume does not have a brick of ours, or has one more.
    BricksDiffer,
    /// A `PersistentVolume` mounts a volume of hosts of ours that is not there.
    PersistentVolumeWithoutVolume,
    /// A `PersistentVolume` mounts another volume than the one it names.
    PersistentVolumeMismatch,
    /// A `PersistentVolume` has another capacity than its volume.
    PersistentVolumeSize,
    /// The Endpoints by which a `PersistentVolume` is mounted are not there.
    EndpointsMissing,
    /// The Endpoints by which a `PersistentVolume` is mounted name hosts that are none any more.
    EndpointsStale,
}

impl Kind {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PeerMissing => "peer-missing",
            Self::VolumeGroupMissing => "volume-group-missing",
            Self::DeviceNumbers => "device-numbers",
            Self::LogicalVolumeMissing => "logical-volume-missing",
            Self::BrickSize => "brick-size",
            Self::BrickNotMounted => "brick-not-mounted",
            Self::FstabLineMissing => "fstab-line-missing",
            Self::LogicalVolumeOfNobody => "logical-volume-of-nobody",
            Self::VolumeNotInGluster => "volume-not-in-gluster",
            Self::VolumeNotInDatabase => "volume-not-in-database",
            Self::VolumeNotStarted => "volume-not-started",
            Self::OptionChanged => "option-changed",
            Self::BrickReplaced => "brick-replaced",
            Self::BricksDiffer => "bricks-differ",
            Self::PersistentVolumeWithoutVolume => "persistent-volume-without-volume",
            Self::PersistentVolumeMismatch => "persistent-volume-mismatch",
            Self::PersistentVolumeSize => "persistent-volume-size",
            Self::EndpointsMissing => "endpoints-missing",
            Self::EndpointsStale => "endpoints-stale",
        }
    }
}

/// What the server can do about a difference; with all that has to be the same still when it does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case")]
pub enum Repair {
    /// The node is taken into gluster's pool again.
    ProbePeer {
        /// Which.
        node: NodeId,
    },
    /// The database takes over what LVM says of the device.
    ResyncDevice {
        /// Which.
        device: DeviceId,
    },
    /// The brick is mounted, gets its line in the fstab, and its volume is started.
    RestoreBrick {
        /// Which.
        brick: BrickId,
    },
    /// Another brick takes its place and is healed from the others of its set.
    MoveBrick {
        /// Which.
        brick: BrickId,
    },
    /// The logical volume is removed, with all that is in it.
    RemoveStray {
        /// The device it lies on.
        device: DeviceId,
        /// The brick that it has the name of.
        brick: BrickId,
    },
    /// The volume and its bricks are removed here and on the nodes, with all that is in them.
    DeleteVolume {
        /// Which.
        volume: VolumeId,
    },
    /// The volume and its bricks are taken into the database.
    AdoptVolume {
        /// What gluster calls it.
        name: String,
        /// The cluster whose nodes have it.
        cluster: ClusterId,
    },
    /// The volume is started.
    StartVolume {
        /// Which.
        volume: VolumeId,
    },
    /// The option is set to what it was.
    SetOption {
        /// The volume.
        volume: VolumeId,
        /// Name of the option.
        key: String,
        /// Its value.
        value: String,
    },
    /// The database takes over which brick stands in the place of an old one.
    AdoptBrick {
        /// The one that the database has.
        old: BrickId,
        /// The one that gluster has.
        new: BrickId,
        /// The device that the new one lies on.
        device: DeviceId,
    },
}

impl Repair {
    /// Whether data is gone afterwards that may be somebody's: such a thing is confirmed by itself.
    #[must_use]
    pub fn destroys(&self) -> bool {
        matches!(self, Self::RemoveStray { .. } | Self::DeleteVolume { .. })
    }
    /// What is proposed, for people.
    #[must_use]
    pub fn proposal(&self) -> String {
        match self {
            Self::ProbePeer { .. } => "take the node into gluster's pool again".into(),
            Self::ResyncDevice { .. } => "take over what LVM says".into(),
            Self::RestoreBrick { .. } => {
                "mount the brick, give it its line in the fstab, and start what does not run".into()
            }
            Self::MoveBrick { .. } => {
                "put another brick in its place, which the others of its set heal".into()
            }
            Self::RemoveStray { .. } => "remove the logical volume WITH ALL THAT IS IN IT".into(),
            Self::DeleteVolume { .. } => {
                "delete the volume and its bricks here as well, WITH ALL THAT IS IN THEM".into()
            }
            Self::AdoptVolume { .. } => "take the volume into the database".into(),
            Self::StartVolume { .. } => "start the volume".into(),
            Self::SetOption { key, value, .. } => format!("set {key} to {value:?} again"),
            Self::AdoptBrick { .. } => {
                "take the brick into the database in the place of the old one".into()
            }
        }
    }
}

/// Body of `POST /internal/state/repair`: what a person wants to be repaired, as it was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepairRequest {
    /// Of the difference.
    pub id: String,
    /// What was proposed for it.
    pub repair: Repair,
}

/// What `check` writes, a person confirms, and `repair` reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Of this form: 1.
    pub version: u32,
    /// All differences that can be repaired.
    pub repairs: Vec<PlannedRepair>,
}

/// One repair of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedRepair {
    /// Nothing is done before this is true.
    pub confirmed: bool,
    /// Of the difference.
    pub id: String,
    /// What was found.
    pub found: String,
    /// What is proposed, for people.
    pub proposal: String,
    /// What is proposed, for the server.
    pub repair: Repair,
}

impl Plan {
    /// The form that is written and read.
    pub const VERSION: u32 = 1;

    /// What can be repaired of a report; nothing of it is confirmed.
    #[must_use]
    pub fn of(report: &CheckReport) -> Self {
        let planned = |difference: &Difference| {
            let repair = difference.repair.clone()?;
            let text = [difference.text.as_str(), difference.advice.as_str()];
            let found = text.into_iter().filter(|t| !t.is_empty()).collect::<Vec<_>>().join("; ");
            let (id, proposal) = (difference.id.clone(), repair.proposal());
            Some(PlannedRepair { confirmed: false, id, found, proposal, repair })
        };
        let repairs = report.differences.iter().filter_map(planned).collect();
        Self { version: Self::VERSION, repairs }
    }
}
