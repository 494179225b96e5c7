//! Volumes.
use super::device::brick_info;
use crate::{
    api::volume::{
        BlockInfo, Disperse, DurabilityRequest, GlusterfsMount, Mount, MountOptions, Replicate,
        Snapshot, VolumeInfo, VolumeList,
    },
    domain::VolumeId,
    error::Result,
    store::{
        Store, bricks,
        nodes::{self, Node},
        volumes::{self, Volume},
    },
};

/// Ids of all volumes that are not being created or deleted.
///
/// # Errors
/// The database fails.
pub async fn list(store: &Store) -> Result<VolumeList> {
    Ok(VolumeList { volumes: volumes::ids(&mut *store.read().await?).await? })
}

/// One volume with its bricks, and how to mount it from the nodes there are now.
///
/// # Errors
/// 404, or the database fails.
pub async fn info(store: &Store, id: VolumeId) -> Result<VolumeInfo> {
    let mut tx = store.read().await?;
    let volume = volumes::get_settled(&mut tx, id).await?;
    let nodes = nodes::of_cluster(&mut tx, volume.cluster).await?;
    let bricks = bricks::of_volume(&mut tx, id).await?;
    Ok(VolumeInfo {
        size: i64::try_from(volume.size.0).unwrap_or(i64::MAX),
        name: volume.name.to_string(),
        durability: durability(&volume),
        gid: volume.gid,
        glustervolumeoptions: volume.options.iter().map(ToString::to_string).collect(),
        block: volume.block,
        snapshot: Snapshot {
            enable: volume.snapshot.is_some(),
            factor: volume.snapshot_factor().0,
        },
        id,
        cluster: volume.cluster,
        mount: Mount { glusterfs: mount(&volume, &nodes) },
        blockinfo: block_info(&volume),
        bricks: bricks.iter().map(brick_info).collect(),
    })
}

pub(crate) fn durability(volume: &Volume) -> DurabilityRequest {
    let requested = volume.durability;
    DurabilityRequest {
        kind: requested.kind.as_str().to_owned(),
        replicate: Replicate { replica: requested.replica },
        disperse: Disperse { data: requested.data, redundancy: requested.redundancy },
    }
}

/// Every node of the cluster can hand out the volume's description, so all are listed.
pub(crate) fn mount<'a>(
    volume: &Volume,
    nodes: impl IntoIterator<Item = &'a Node>,
) -> GlusterfsMount {
    let hosts: Vec<String> = nodes
        .into_iter()
        .filter_map(|node| node.storage.first())
        .map(ToString::to_string)
        .collect();
    let first = hosts.first().map_or("", String::as_str);
    GlusterfsMount {
        device: format!("{first}:{}", volume.name),
        options: MountOptions {
            backup_volfile_servers: hosts.get(1..).unwrap_or_default().join(","),
        },
        hosts,
    }
}

/// 98 % of a block hosting volume are for block volumes (api.md 11.7).
pub(crate) fn block_info(volume: &Volume) -> BlockInfo {
    if !volume.block {
        return BlockInfo::default();
    }
    let size = i64::try_from(volume.size.0).unwrap_or(i64::MAX);
    let freesize = size.saturating_mul(98) / 100;
    BlockInfo { freesize, reservedsize: size - freesize, ..BlockInfo::default() }
}
