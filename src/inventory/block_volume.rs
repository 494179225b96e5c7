//! Block volumes.
use crate::{
    api::block_volume::{BlockVolumeInfo, BlockVolumeList, BlockVolumeTarget},
    domain::BlockVolumeId,
    error::{Error, Result},
    store::{Store, block_volumes, volumes},
};

/// Ids of all block volumes that are not being created or deleted.
///
/// # Errors
/// The database fails.
pub async fn list(store: &Store) -> Result<BlockVolumeList> {
    let blockvolumes = block_volumes::ids(&mut *store.read().await?).await?;
    Ok(BlockVolumeList { blockvolumes })
}

/// One block volume, and how initiators log in to it: with its password, if it has one.
///
/// # Errors
/// 404, or the database fails.
pub async fn info(store: &Store, id: BlockVolumeId) -> Result<BlockVolumeInfo> {
    let mut tx = store.read().await?;
    let block = block_volumes::get_settled(&mut tx, id).await?;
    let hosting = volumes::get(&mut tx, block.hosting).await?.ok_or_else(Error::id_not_found)?;
    Ok(BlockVolumeInfo {
        size: block.size.to_number(),
        name: block.name.to_string(),
        hacount: block.ha_count,
        id,
        blockvolume: BlockVolumeTarget {
            hosts: block.target.hosts.iter().map(ToString::to_string).collect(),
            iqn: block.target.iqn,
            lun: block.lun,
            username: block.target.username,
            password: block.target.password,
        },
        cluster: hosting.cluster,
        blockhostingvolume: hosting.id,
        usablesize: block.usable.to_number(),
    })
}
