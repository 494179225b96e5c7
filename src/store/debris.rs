//! What may be left of bricks on nodes that did not answer when it was to be removed.
//!
//! Its space stays used until the node says that it is free, so that nothing is ever placed where
//! an old brick may still lie. It goes with its device.
use super::{WriteTx, bricks::Brick, now, row, thin_pools};
use crate::{
    domain::{BrickId, BrickSize, ClonedLv, DeviceId, Hostname, Kib, NodeId, brick::pool_of},
    error::Result,
};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};
use std::collections::BTreeMap;

/// The remains of a brick, with where its node is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Debris {
    /// The brick it was.
    pub brick: BrickId,
    /// The device it lies on.
    pub device: DeviceId,
    /// Its names, if gluster made it.
    pub cloned: Option<ClonedLv>,
    /// The node of that device.
    pub node: NodeId,
    /// Where to command that node.
    pub host: Hostname,
    /// The space that it still takes.
    pub space: Kib,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT x.brick, x.device, x.path, x.lv, x.pool, d.node, m.name AS host, \
             x.pool_kib + x.metadata_kib AS space FROM debris x \
             JOIN devices d ON d.id = x.device \
             JOIN node_hostnames m ON m.node = d.node AND m.kind = 'manage' AND m.position = 0 ",
            $rest
        )
    };
}

fn read(row: &SqliteRow) -> Result<Debris> {
    let (lv, pool): (Option<String>, Option<String>) = (row.try_get("lv")?, row.try_get("pool")?);
    let directory: String = row.try_get("path")?;
    Ok(Debris {
        cloned: lv.zip(pool).map(|(lv, pool)| ClonedLv { lv, pool, directory }),
        brick: row::parsed(row, "brick")?,
        device: row::parsed(row, "device")?,
        node: row::parsed(row, "node")?,
        host: row::parsed(row, "host")?,
        space: row::kib(row, "space")?,
    })
}

/// The space that is taken by what is left of bricks, on each device that has some.
///
/// # Errors
/// The database fails.
pub async fn space(db: &mut SqliteConnection) -> Result<BTreeMap<DeviceId, Kib>> {
    let rows = sqlx::query(
        "SELECT device, sum(pool_kib + metadata_kib) AS space FROM debris GROUP BY device",
    )
    .fetch_all(db)
    .await?;
    rows.iter().map(|r| Ok((row::parsed(r, "device")?, row::kib(r, "space")?))).collect()
}

/// Remembers what may be left of a brick, and the space that `bricks::delete` left in use.
///
/// # Errors
/// The database fails.
pub async fn insert(tx: &mut WriteTx, brick: &Brick, space: BrickSize, why: &str) -> Result<()> {
    sqlx::query(
        "INSERT INTO debris (brick, device, path, lv, pool, pool_kib, metadata_kib, why, since) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(brick.id.to_string())
    .bind(brick.device.to_string())
    .bind(&brick.path)
    .bind(brick.cloned.as_ref().map(|made| &made.lv))
    .bind(brick.cloned.as_ref().map(|made| &made.pool))
    .bind(row::integer(space.pool.0))
    .bind(row::integer(space.metadata.0))
    .bind(why)
    .bind(now())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// All there is, by device.
///
/// # Errors
/// The database fails.
pub async fn all(db: &mut SqliteConnection) -> Result<Vec<Debris>> {
    let rows = sqlx::query(select!("ORDER BY x.device, x.brick")).fetch_all(db).await?;
    rows.iter().map(read).collect()
}

/// What there is on one device.
///
/// # Errors
/// The database fails.
pub async fn on_device(db: &mut SqliteConnection, device: DeviceId) -> Result<Vec<Debris>> {
    let rows = sqlx::query(select!("WHERE x.device = ? ORDER BY x.brick"))
        .bind(device.to_string())
        .fetch_all(db)
        .await?;
    rows.iter().map(read).collect()
}

/// It is gone, and its thin pool as well if the node said so: then their space is free again.
/// Otherwise something else that lies in the pool takes it over.
///
/// # Errors
/// The database fails.
pub async fn remove(tx: &mut WriteTx, debris: &Debris, free: bool) -> Result<()> {
    // What it has now: others of its pool may have left theirs to it, or taken it along.
    let row = sqlx::query("DELETE FROM debris WHERE brick = ? RETURNING pool_kib, metadata_kib")
        .bind(debris.brick.to_string())
        .fetch_optional(&mut **tx)
        .await?;
    let Some(row) = row else { return Ok(()) };
    let (pool, metadata) = (row::kib(&row, "pool_kib")?, row::kib(&row, "metadata_kib")?);
    let name = pool_of(debris.brick, debris.cloned.as_ref());
    if !free {
        let space = BrickSize { brick: Kib::ZERO, pool, metadata };
        // Without an heir it stays in use: something that we do not know lies in the pool.
        thin_pools::inherit(tx, debris.device, &name, space).await?;
        return Ok(());
    }
    let freed = pool.plus(metadata).plus(thin_pools::empty(tx, debris.device, &name).await?);
    sqlx::query("UPDATE devices SET used_kib = max(0, used_kib - ?) WHERE id = ?")
        .bind(row::integer(freed.0))
        .bind(debris.device.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}
