//! Rows of bricks. A brick's row and the space it takes from its device change together.
use super::{WriteTx, row};
use crate::{
    domain::{BrickId, BrickSize, DeviceId, Hostname, Kib, NodeId, OperationId, Part, VolumeId},
    error::Result,
};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

/// A brick, with where its node is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brick {
    /// Its identity.
    pub id: BrickId,
    /// The volume it belongs to.
    pub volume: VolumeId,
    /// The device it lies on.
    pub device: DeviceId,
    /// The node of that device.
    pub node: NodeId,
    /// Where to command that node.
    pub host: Hostname,
    /// How gluster calls that node.
    pub peer: Hostname,
    /// The directory that gluster is given.
    pub path: String,
    /// Its sizes.
    pub size: BrickSize,
    /// What it holds.
    pub part: Part,
}

/// A brick to be added: the rest follows from its device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewBrick {
    /// Its identity.
    pub id: BrickId,
    /// The volume it belongs to.
    pub volume: VolumeId,
    /// The device it lies on.
    pub device: DeviceId,
    /// The directory that gluster will be given.
    pub path: String,
    /// Its sizes.
    pub size: BrickSize,
    /// What it holds.
    pub part: Part,
    /// Which set of the volume, from 0.
    pub set_index: i64,
    /// Which brick of the set, from 0.
    pub position: i64,
    /// The operation that makes it.
    pub pending: OperationId,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT b.id, b.volume, b.device, b.path, b.size_kib, b.pool_kib, b.metadata_kib, \
             b.part, d.node, m.name AS host, s.name AS peer FROM bricks b \
             JOIN devices d ON d.id = b.device \
             JOIN node_hostnames m ON m.node = d.node AND m.kind = 'manage' AND m.position = 0 \
             JOIN node_hostnames s ON s.node = d.node AND s.kind = 'storage' AND s.position = 0 ",
            $rest
        )
    };
}

fn read(row: &SqliteRow) -> Result<Brick> {
    let part: String = row.try_get("part")?;
    Ok(Brick {
        id: row::parsed(row, "id")?,
        volume: row::parsed(row, "volume")?,
        device: row::parsed(row, "device")?,
        node: row::parsed(row, "node")?,
        host: row::parsed(row, "host")?,
        peer: row::parsed(row, "peer")?,
        path: row.try_get("path")?,
        size: BrickSize {
            brick: row::kib(row, "size_kib")?,
            pool: row::kib(row, "pool_kib")?,
            metadata: row::kib(row, "metadata_kib")?,
        },
        part: if part == "arbiter" { Part::Arbiter } else { Part::Data },
    })
}

/// Adds a brick and takes its space from the device.
///
/// # Errors
/// The database fails.
pub async fn insert(tx: &mut WriteTx, brick: &NewBrick) -> Result<()> {
    sqlx::query(
        "INSERT INTO bricks (id, volume, device, path, size_kib, pool_kib, metadata_kib, part, \
         set_index, position, pending_op) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(brick.id.to_string())
    .bind(brick.volume.to_string())
    .bind(brick.device.to_string())
    .bind(&brick.path)
    .bind(row::integer(brick.size.brick.0))
    .bind(row::integer(brick.size.pool.0))
    .bind(row::integer(brick.size.metadata.0))
    .bind(match brick.part {
        Part::Data => "data",
        Part::Arbiter => "arbiter",
    })
    .bind(brick.set_index)
    .bind(brick.position)
    .bind(brick.pending.to_string())
    .execute(&mut **tx)
    .await?;
    sqlx::query("UPDATE devices SET used_kib = used_kib + ? WHERE id = ?")
        .bind(row::integer(brick.size.total().0))
        .bind(brick.device.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Removes a brick's row; its space is free again only if the node said so.
///
/// # Errors
/// The database fails.
pub async fn delete(tx: &mut WriteTx, brick: &Brick, reclaimed: bool) -> Result<()> {
    let freed = if reclaimed { brick.size.total() } else { Kib::ZERO };
    sqlx::query("UPDATE devices SET used_kib = max(0, used_kib - ?) WHERE id = ?")
        .bind(row::integer(freed.0))
        .bind(brick.device.to_string())
        .execute(&mut **tx)
        .await?;
    sqlx::query("DELETE FROM bricks WHERE id = ?")
        .bind(brick.id.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The bricks of a volume by id, those of running operations included.
///
/// # Errors
/// The database fails.
pub async fn of_volume(db: &mut SqliteConnection, volume: VolumeId) -> Result<Vec<Brick>> {
    let rows = sqlx::query(select!("WHERE b.volume = ? ORDER BY b.id"))
        .bind(volume.to_string())
        .fetch_all(db)
        .await?;
    rows.iter().map(read).collect()
}

/// The bricks on a device by id, those of running operations included.
///
/// # Errors
/// The database fails.
pub async fn on_device(db: &mut SqliteConnection, device: DeviceId) -> Result<Vec<Brick>> {
    let rows = sqlx::query(select!("WHERE b.device = ? ORDER BY b.id"))
        .bind(device.to_string())
        .fetch_all(db)
        .await?;
    rows.iter().map(read).collect()
}

/// The bricks that an operation makes or removes, in gluster's order.
///
/// # Errors
/// The database fails.
pub async fn of_operation(db: &mut SqliteConnection, id: OperationId) -> Result<Vec<Brick>> {
    let rows = sqlx::query(select!("WHERE b.pending_op = ? ORDER BY b.set_index, b.position"))
        .bind(id.to_string())
        .fetch_all(db)
        .await?;
    rows.iter().map(read).collect()
}

/// Whether any brick of the volume belongs to an operation.
///
/// # Errors
/// The database fails.
pub async fn any_pending(db: &mut SqliteConnection, volume: VolumeId) -> Result<bool> {
    Ok(sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM bricks WHERE volume = ? AND pending_op IS NOT NULL)",
    )
    .bind(volume.to_string())
    .fetch_one(db)
    .await?)
}

/// Whether any brick on the device belongs to an operation.
///
/// # Errors
/// The database fails.
pub async fn any_pending_on(db: &mut SqliteConnection, device: DeviceId) -> Result<bool> {
    Ok(sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM bricks WHERE device = ? AND pending_op IS NOT NULL)",
    )
    .bind(device.to_string())
    .fetch_one(db)
    .await?)
}

/// Number of brick sets that the volume has.
///
/// # Errors
/// The database fails.
pub async fn sets(db: &mut SqliteConnection, volume: VolumeId) -> Result<i64> {
    Ok(sqlx::query_scalar("SELECT coalesce(max(set_index) + 1, 0) FROM bricks WHERE volume = ?")
        .bind(volume.to_string())
        .fetch_one(db)
        .await?)
}

/// Marks all bricks of a volume as belonging to an operation.
///
/// # Errors
/// The database fails.
pub async fn claim_all(tx: &mut WriteTx, volume: VolumeId, by: OperationId) -> Result<()> {
    sqlx::query("UPDATE bricks SET pending_op = ? WHERE volume = ?")
        .bind(by.to_string())
        .bind(volume.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The operation's bricks belong to nobody any more: they are there to stay.
///
/// # Errors
/// The database fails.
pub async fn settle(tx: &mut WriteTx, by: OperationId) -> Result<()> {
    sqlx::query("UPDATE bricks SET pending_op = NULL WHERE pending_op = ?")
        .bind(by.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}
