//! Rows of bricks. A brick's row and the space it takes from its device change together.
use super::{WriteTx, row, thin_pools};
use crate::{
    domain::{
        BrickId, BrickSize, ClonedLv, DeviceId, Hostname, Kib, NodeId, OperationId, Part, VolumeId,
        brick::pool_of,
    },
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
    /// Its sizes. Those of the pool are 0 when another brick in the pool has them.
    pub size: BrickSize,
    /// What it holds.
    pub part: Part,
    /// Its place in gluster's order: which set of the volume, from 0.
    pub set_index: i64,
    /// Which brick of the set, from 0.
    pub position: i64,
    /// Its names, if gluster made it.
    pub cloned: Option<ClonedLv>,
    /// The operation that makes, removes or moves it.
    pub pending: Option<OperationId>,
    /// The brick whose place it takes when its operation is done.
    pub replaces: Option<BrickId>,
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
    /// Its names, if gluster made it.
    pub cloned: Option<ClonedLv>,
    /// The operation that makes it; none when it is there already.
    pub pending: Option<OperationId>,
    /// The brick whose place it is to take, if it is not a further one.
    pub replaces: Option<BrickId>,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT b.id, b.volume, b.device, b.path, b.size_kib, b.pool_kib, b.metadata_kib, \
             b.part, b.set_index, b.position, b.lv, b.pool, b.pending_op, \
             (SELECT replaces FROM moves WHERE brick = b.id) AS replaces, \
             d.node, m.name AS host, s.name AS peer FROM bricks b \
             JOIN devices d ON d.id = b.device \
             JOIN node_hostnames m ON m.node = d.node AND m.kind = 'manage' AND m.position = 0 \
             JOIN node_hostnames s ON s.node = d.node AND s.kind = 'storage' AND s.position = 0 ",
            $rest
        )
    };
}

/// Of a row with the columns of `bricks`.
pub(super) fn size(row: &SqliteRow) -> Result<BrickSize> {
    Ok(BrickSize {
        brick: row::kib(row, "size_kib")?,
        pool: row::kib(row, "pool_kib")?,
        metadata: row::kib(row, "metadata_kib")?,
    })
}
/// The same.
pub(super) fn part(row: &SqliteRow) -> Result<Part> {
    let word: String = row.try_get("part")?;
    Ok(if word == "arbiter" { Part::Arbiter } else { Part::Data })
}
/// The same.
pub(super) fn names(row: &SqliteRow) -> Result<Option<ClonedLv>> {
    let (lv, pool): (Option<String>, Option<String>) = (row.try_get("lv")?, row.try_get("pool")?);
    let directory = row.try_get("path")?;
    Ok(lv.zip(pool).map(|(lv, pool)| ClonedLv { lv, pool, directory }))
}

fn read(row: &SqliteRow) -> Result<Brick> {
    Ok(Brick {
        id: row::parsed(row, "id")?,
        volume: row::parsed(row, "volume")?,
        device: row::parsed(row, "device")?,
        node: row::parsed(row, "node")?,
        host: row::parsed(row, "host")?,
        peer: row::parsed(row, "peer")?,
        size: size(row)?,
        part: part(row)?,
        set_index: row.try_get("set_index")?,
        position: row.try_get("position")?,
        pending: row::parsed_opt(row, "pending_op")?,
        replaces: row::parsed_opt(row, "replaces")?,
        cloned: names(row)?,
        path: row.try_get("path")?,
    })
}

/// Adds a brick and takes its space from the device.
///
/// # Errors
/// The database fails.
pub async fn insert(tx: &mut WriteTx, brick: &NewBrick) -> Result<()> {
    insert_row(tx, brick).await?;
    sqlx::query("UPDATE devices SET used_kib = used_kib + ? WHERE id = ?")
        .bind(row::integer(brick.size.total().0))
        .bind(brick.device.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The same for a brick whose space is accounted for already.
pub(super) async fn insert_row(tx: &mut WriteTx, brick: &NewBrick) -> Result<()> {
    sqlx::query(
        "INSERT INTO bricks (id, volume, device, path, size_kib, pool_kib, metadata_kib, part, \
         set_index, position, pending_op, lv, pool) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
    .bind(brick.pending.map(|id| id.to_string()))
    .bind(brick.cloned.as_ref().map(|made| &made.lv))
    .bind(brick.cloned.as_ref().map(|made| &made.pool))
    .execute(&mut **tx)
    .await?;
    match brick.replaces {
        Some(old) => set_replaces(tx, brick.id, old).await,
        None => Ok(()),
    }
}

/// Removes a brick's row, and settles the space of its thin pool: free again if the node said so,
/// or else accounted to another brick in the pool. If there is none it stays in use: something
/// that we do not know lies in the pool. Returns what of its space stays in use like that.
///
/// # Errors
/// The database fails.
pub async fn delete(tx: &mut WriteTx, brick: &Brick, reclaimed: bool) -> Result<BrickSize> {
    let mut kept = BrickSize { pool: Kib::ZERO, metadata: Kib::ZERO, ..brick.size };
    for table in ["DELETE FROM bricks WHERE id = ?", "DELETE FROM moves WHERE brick = ?"] {
        sqlx::query(table).bind(brick.id.to_string()).execute(&mut **tx).await?;
    }
    let pool = pool_of(brick.id, brick.cloned.as_ref());
    let mut freed = Kib::ZERO;
    if reclaimed {
        // The pool is gone: what else was in it went with it, whoever tells first.
        freed = brick.size.total().plus(thin_pools::empty(tx, brick.device, &pool).await?);
    } else if !thin_pools::inherit(tx, brick.device, &pool, brick.size).await? {
        kept = brick.size;
    }
    sqlx::query("UPDATE devices SET used_kib = max(0, used_kib - ?) WHERE id = ?")
        .bind(row::integer(freed.0))
        .bind(brick.device.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(kept)
}

/// The other bricks in the brick's thin pool: its clones, or what it is a clone of.
///
/// # Errors
/// The database fails.
pub async fn pool_mates(db: &mut SqliteConnection, brick: &Brick) -> Result<Vec<Brick>> {
    let rows = sqlx::query(select!(
        "WHERE b.device = ? AND b.id <> ? AND coalesce(b.pool, 'tp_' || b.id) = ? ORDER BY b.id"
    ))
    .bind(brick.device.to_string())
    .bind(brick.id.to_string())
    .bind(pool_of(brick.id, brick.cloned.as_ref()))
    .fetch_all(db)
    .await?;
    rows.iter().map(read).collect()
}

/// The brick of this id, whatever operation it belongs to.
///
/// # Errors
/// The database fails.
pub async fn get(db: &mut SqliteConnection, id: BrickId) -> Result<Option<Brick>> {
    let found =
        sqlx::query(select!("WHERE b.id = ?")).bind(id.to_string()).fetch_optional(db).await?;
    found.as_ref().map(read).transpose()
}

/// The bricks of a volume by id, those of running operations included, but not one that is still
/// to take the place of another.
///
/// # Errors
/// The database fails.
pub async fn of_volume(db: &mut SqliteConnection, volume: VolumeId) -> Result<Vec<Brick>> {
    let rows = sqlx::query(select!(
        "WHERE b.volume = ? AND b.id NOT IN (SELECT brick FROM moves) ORDER BY b.id"
    ))
    .bind(volume.to_string())
    .fetch_all(db)
    .await?;
    rows.iter().map(read).collect()
}

/// The bricks of a volume in gluster's order, those of running operations included.
///
/// # Errors
/// The database fails.
pub async fn in_order(db: &mut SqliteConnection, volume: VolumeId) -> Result<Vec<Brick>> {
    let rows = sqlx::query(select!("WHERE b.volume = ? ORDER BY b.set_index, b.position"))
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

/// The bricks of the set that this one belongs to, in gluster's order, but not one that is still to
/// take the place of another.
///
/// # Errors
/// The database fails.
pub async fn of_set(db: &mut SqliteConnection, brick: &Brick) -> Result<Vec<Brick>> {
    let rows = sqlx::query(select!(
        "WHERE b.volume = ? AND b.set_index = ? AND b.id NOT IN (SELECT brick FROM moves) ORDER BY b.position"
    ))
    .bind(brick.volume.to_string())
    .bind(brick.set_index)
    .fetch_all(db)
    .await?;
    rows.iter().map(read).collect()
}

/// The brick has this set, and this position in it.
///
/// # Errors
/// The database fails.
pub async fn set_place(tx: &mut WriteTx, id: BrickId, (set, position): (i64, i64)) -> Result<()> {
    sqlx::query("UPDATE bricks SET set_index = ?, position = ? WHERE id = ?")
        .bind(set)
        .bind(position)
        .bind(id.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The brick is to take the place of another, and does not count until then.
///
/// # Errors
/// It is to do so already, or the database fails.
pub async fn set_replaces(tx: &mut WriteTx, id: BrickId, old: BrickId) -> Result<()> {
    sqlx::query("INSERT INTO moves (brick, replaces) VALUES (?, ?)")
        .bind(id.to_string())
        .bind(old.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Bricks that Heketi lost the path of, without those of running operations (storage.md 6.9).
///
/// # Errors
/// The database fails.
pub async fn without_path(db: &mut SqliteConnection) -> Result<Vec<Brick>> {
    let rows = sqlx::query(select!("WHERE b.path = '' AND b.pending_op IS NULL ORDER BY b.id"))
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

/// Marks one brick as belonging to an operation.
///
/// # Errors
/// The database fails.
pub async fn claim(tx: &mut WriteTx, id: BrickId, by: OperationId) -> Result<()> {
    sqlx::query("UPDATE bricks SET pending_op = ? WHERE id = ?")
        .bind(by.to_string())
        .bind(id.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
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
    sqlx::query("DELETE FROM moves WHERE brick IN (SELECT id FROM bricks WHERE pending_op = ?)")
        .bind(by.to_string())
        .execute(&mut **tx)
        .await?;
    sqlx::query("UPDATE bricks SET pending_op = NULL WHERE pending_op = ?")
        .bind(by.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}
