//! Block volumes (api.md 12).
use super::is_zero;
use crate::domain::{BlockVolumeId, ClusterId, Password, VolumeId};
use serde::{Deserialize, Serialize};

/// Body of `POST /blockvolumes`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BlockVolumeCreateRequest {
    /// GiB.
    pub size: i64,
    /// Candidate clusters; all when empty.
    #[serde(skip_serializing_if = "is_zero")]
    pub clusters: Vec<String>,
    /// Default `blockvol_<id>`.
    pub name: String,
    /// Number of hosts that export it; all of the cluster when 0.
    #[serde(skip_serializing_if = "is_zero")]
    pub hacount: i64,
    /// Whether initiators need a password.
    #[serde(skip_serializing_if = "is_zero")]
    pub auth: bool,
}

/// Body of `POST /blockvolumes/{id}/expand`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BlockVolumeExpandRequest {
    /// The size it is to have, GiB: not the increment, unlike that of volumes.
    pub new_size: i64,
}

/// Where and how initiators log in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BlockVolumeTarget {
    /// Storage names of the hosts that export it.
    pub hosts: Vec<String>,
    /// The name of the iSCSI target.
    pub iqn: String,
    /// Always 0.
    pub lun: i64,
    /// Empty without authentication.
    pub username: String,
    /// Empty without authentication.
    pub password: Password,
}

/// Answer of `GET /blockvolumes/{id}`. What the request said of `auth` and `clusters` is not told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockVolumeInfo {
    /// GiB, as requested and expanded.
    pub size: i64,
    /// What gluster-block calls it.
    pub name: String,
    /// Number of hosts that export it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub hacount: u64,
    /// Its identity.
    pub id: BlockVolumeId,
    /// Where and how initiators log in.
    pub blockvolume: BlockVolumeTarget,
    /// Where it lies.
    pub cluster: ClusterId,
    /// The volume it lies on.
    pub blockhostingvolume: VolumeId,
    /// GiB; less than the size after an expansion that some hosts could not follow.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub usablesize: i64,
}

/// Answer of `GET /blockvolumes`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockVolumeList {
    /// Ids of all block volumes that are not being created or deleted, sorted.
    pub blockvolumes: Vec<BlockVolumeId>,
}
