//! Devices and the bricks on them.
use super::{changed, check};
use crate::{
    api::{
        device::{BrickInfo, DeviceInfo, StorageSize},
        node::TagsChangeRequest,
    },
    domain::{DeviceId, Tags},
    error::Result,
    store::{
        Store,
        bricks::{self, Brick},
        devices::{self, Device},
    },
};
use sqlx::SqliteConnection;

/// One device with its bricks.
///
/// # Errors
/// 404, or the database fails.
pub async fn info(store: &Store, id: DeviceId) -> Result<DeviceInfo> {
    let mut tx = store.read().await?;
    let device = devices::get_settled(&mut tx, id).await?;
    info_of(&mut tx, device).await
}

pub(super) async fn info_of(db: &mut SqliteConnection, device: Device) -> Result<DeviceInfo> {
    let bricks = bricks::on_device(db, device.id).await?;
    let free = device.total.minus(device.used);
    Ok(DeviceInfo {
        name: device.name.to_string(),
        tags: device.tags,
        // More used than there is can only come from outside; the sum holds all the same.
        storage: StorageSize { total: free.plus(device.used), free, used: device.used },
        id: device.id,
        paths: device.paths,
        pv_uuid: device.pv_uuid,
        state: device.state,
        bricks: bricks.iter().map(brick_info).collect(),
    })
}

pub(super) fn brick_info(brick: &Brick) -> BrickInfo {
    BrickInfo {
        id: brick.id,
        path: brick.path.clone(),
        device: brick.device,
        node: brick.node,
        volume: brick.volume,
        size: brick.size.brick,
    }
}

/// Changes the tags; all of them after the change.
///
/// # Errors
/// 400, 404, or the database fails.
///
/// # Cancel safety
/// What was begun is done.
pub async fn change_tags(store: &Store, id: DeviceId, change: TagsChangeRequest) -> Result<Tags> {
    check(&change)?;
    let this = store.clone();
    let work = async move {
        let mut tx = this.write().await?;
        let tags = changed(devices::get_settled(&mut tx, id).await?.tags, change);
        devices::set_tags(&mut tx, id, &tags).await?;
        tx.commit().await?;
        Ok(tags)
    };
    store.whole(work).await
}
