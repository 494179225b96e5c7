//! Volumes.
use super::device::brick_info;
use crate::{
    api::volume::{
        BlockInfo, Disperse, DurabilityRequest, GlusterfsMount, Mount, MountOptions, Replicate,
        Snapshot, VolumeInfo, VolumeList,
    },
    domain::{BlockVolumeId, VolumeId},
    error::Result,
    store::{
        Store,
        block_hosting::{self, Hosting},
        block_volumes, bricks,
        nodes::{self, Node},
        volumes::{self, Volume},
    },
};
use sqlx::SqliteConnection;

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
        size: volume.size.to_number(),
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
        blockinfo: block_info(&mut tx, id).await?,
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

/// Nothing for volumes that do not host block volumes.
async fn block_info(db: &mut SqliteConnection, id: VolumeId) -> Result<BlockInfo> {
    let Some(hosting) = block_hosting::get(db, id).await? else {
        return Ok(BlockInfo::default());
    };
    Ok(hosted(&hosting, block_volumes::ids_on(db, id).await?))
}

/// What a hosting volume hosts.
pub(crate) fn hosted(hosting: &Hosting, on_it: Vec<BlockVolumeId>) -> BlockInfo {
    BlockInfo {
        freesize: hosting.free().to_number(),
        reservedsize: hosting.reserved.to_number(),
        blockvolume: on_it,
        restriction: hosting.restriction.as_str().to_owned(),
    }
}
