//! Volumes (api.md 11).
use super::{device::BrickInfo, is_zero};
use crate::domain::{BlockVolumeId, ClusterId, VolumeId};
use serde::{Deserialize, Serialize};

/// Number of copies, as requested (0 = not given).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Replicate {
    /// Copies; left out when not given.
    #[serde(skip_serializing_if = "is_zero")]
    pub replica: i64,
}

/// Erasure coding, as requested (0 = not given).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Disperse {
    /// Data bricks a set; left out when not given.
    #[serde(skip_serializing_if = "is_zero")]
    pub data: i64,
    /// Redundancy bricks a set; left out when not given.
    #[serde(skip_serializing_if = "is_zero")]
    pub redundancy: i64,
}

/// The durability block: the type says which of the two others counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DurabilityRequest {
    /// `none`, `replicate` or `disperse`.
    #[serde(rename = "type", skip_serializing_if = "is_zero")]
    pub kind: String,
    /// Never left out.
    pub replicate: Replicate,
    /// Never left out.
    pub disperse: Disperse,
}

/// Room for snapshots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Snapshot {
    /// Whether the factor counts.
    pub enable: bool,
    /// Thin pool size as a multiple of the brick's.
    pub factor: f32,
}

/// Body of `POST /volumes`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VolumeCreateRequest {
    /// GiB.
    pub size: i64,
    /// Candidate clusters; all when empty.
    #[serde(skip_serializing_if = "is_zero")]
    pub clusters: Vec<String>,
    /// Default `vol_<id>`.
    pub name: String,
    /// How it survives losses.
    pub durability: DurabilityRequest,
    /// Group that may write to the volume's root.
    #[serde(skip_serializing_if = "is_zero")]
    pub gid: i64,
    /// `"key value"` strings for gluster.
    #[serde(skip_serializing_if = "is_zero")]
    pub glustervolumeoptions: Vec<String>,
    /// A volume that is to host block volumes.
    #[serde(skip_serializing_if = "is_zero")]
    pub block: bool,
    /// Room for snapshots.
    pub snapshot: Snapshot,
}

/// Body of `POST /volumes/{id}/expand`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VolumeExpandRequest {
    /// The increment, GiB.
    pub expand_size: i64,
}

/// Body of `POST /volumes/{id}/clone`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VolumeCloneRequest {
    /// Default `vol_<id>`.
    #[serde(skip_serializing_if = "is_zero")]
    pub name: String,
}

/// Body of `POST /volumes/{id}/block-restriction`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BlockRestrictionRequest {
    /// `locked`, or empty to unlock.
    pub restriction: String,
}

/// How to mount with the native client.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GlusterfsMount {
    /// First storage name of each node of the cluster, in node id order.
    pub hosts: Vec<String>,
    /// `host:volume`.
    pub device: String,
    /// Mount options.
    pub options: MountOptions,
}

/// Options of the mount.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MountOptions {
    /// The other hosts, joined by commas; present even when empty.
    #[serde(rename = "backup-volfile-servers")]
    pub backup_volfile_servers: String,
}

/// Ways to mount.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Mount {
    /// The native client.
    pub glusterfs: GlusterfsMount,
}

/// What a block hosting volume hosts; `{}` for all others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BlockInfo {
    /// GiB for further block volumes.
    #[serde(skip_serializing_if = "is_zero")]
    pub freesize: i64,
    /// GiB kept back.
    #[serde(skip_serializing_if = "is_zero")]
    pub reservedsize: i64,
    /// Ids of the block volumes on it.
    #[serde(skip_serializing_if = "is_zero")]
    pub blockvolume: Vec<BlockVolumeId>,
    /// Empty, `locked` or `locked-by-update`.
    #[serde(skip_serializing_if = "is_zero")]
    pub restriction: String,
}

/// Answer of `GET /volumes/{id}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VolumeInfo {
    /// GiB, as requested and expanded.
    pub size: i64,
    /// What gluster calls it.
    pub name: String,
    /// As requested, with the type filled in.
    pub durability: DurabilityRequest,
    /// Left out when 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub gid: i64,
    /// Stored options, configuration's before and after the caller's.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub glustervolumeoptions: Vec<String>,
    /// Left out unless it hosts block volumes.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub block: bool,
    /// Room for snapshots; factor 1 when not enabled.
    pub snapshot: Snapshot,
    /// Its identity.
    pub id: VolumeId,
    /// Where it lies.
    pub cluster: ClusterId,
    /// How to mount it.
    pub mount: Mount,
    /// Block hosting figures.
    pub blockinfo: BlockInfo,
    /// Its bricks, sorted by id.
    pub bricks: Vec<BrickInfo>,
}

/// Answer of `GET /volumes`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeList {
    /// Ids of all volumes that are not being created or deleted, sorted.
    pub volumes: Vec<VolumeId>,
}
