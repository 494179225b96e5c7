//! Rows of block volumes.
use super::{WriteTx, row};
use crate::{
    domain::{
        BlockTarget, BlockVolumeId, BlockVolumeName, ClusterId, Gib, Hostname, OperationId,
        Password, VolumeId,
    },
    error::{Error, Result},
};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

/// A block volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockVolume {
    /// Its identity.
    pub id: BlockVolumeId,
    /// The volume it lies on.
    pub hosting: VolumeId,
    /// What gluster-block calls it.
    pub name: BlockVolumeName,
    /// As requested and expanded.
    pub size: Gib,
    /// What all of its hosts offer: less than the size after an expansion that some could not follow.
    pub usable: Gib,
    /// Taken from the hosting volume: the size, or what it is being expanded to.
    pub held: Gib,
    /// Number of hosts that export it.
    pub ha_count: u64,
    /// Asks for a password.
    pub auth: bool,
    /// The clusters that the request named.
    pub clusters: Vec<ClusterId>,
    /// Where and how initiators log in; without hosts until it is made.
    pub target: BlockTarget,
    /// Always 0 so far (storage.md 1.12).
    pub lun: i64,
    /// The operation that creates or deletes it.
    pub pending: Option<OperationId>,
}

fn read(row: &SqliteRow) -> Result<BlockVolume> {
    Ok(BlockVolume {
        id: row::parsed(row, "id")?,
        hosting: row::parsed(row, "hosting")?,
        name: row::parsed(row, "name")?,
        size: row::gib(row, "size_gib")?,
        usable: row::gib(row, "usable_gib")?,
        held: row::gib(row, "held_gib")?,
        ha_count: row.try_get::<i64, _>("ha_count")?.unsigned_abs(),
        auth: row.try_get("auth")?,
        clusters: row::json(row, "clusters")?,
        target: BlockTarget {
            hosts: row::json(row, "hosts")?,
            iqn: row.try_get("iqn")?,
            username: row.try_get("username")?,
            password: Password::from(row.try_get::<String, _>("password")?),
        },
        lun: row.try_get("lun")?,
        pending: row::parsed_opt(row, "pending_op")?,
    })
}

/// All block volumes by id, pending ones included.
///
/// # Errors
/// The database fails.
pub async fn all(db: &mut SqliteConnection) -> Result<Vec<BlockVolume>> {
    let rows = sqlx::query("SELECT * FROM block_volumes ORDER BY id").fetch_all(db).await?;
    rows.iter().map(read).collect()
}

/// Adds a block volume; what it holds is not free on its hosting volume any more.
///
/// # Errors
/// The database fails.
pub async fn insert(tx: &mut WriteTx, block: &BlockVolume) -> Result<()> {
    sqlx::query(
        "INSERT INTO block_volumes (id, hosting, name, size_gib, usable_gib, held_gib, ha_count, \
         auth, clusters, hosts, iqn, lun, username, password, pending_op) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(block.id.to_string())
    .bind(block.hosting.to_string())
    .bind(block.name.as_str())
    .bind(row::integer(block.size.0))
    .bind(row::integer(block.usable.0))
    .bind(row::integer(block.held.0))
    .bind(row::integer(block.ha_count))
    .bind(block.auth)
    .bind(row::to_json(&block.clusters)?)
    .bind(row::to_json(&block.target.hosts)?)
    .bind(&block.target.iqn)
    .bind(block.lun)
    .bind(&block.target.username)
    .bind(block.target.password.expose())
    .bind(block.pending.map(|op| op.to_string()))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The block volume of this id, if there is one, be it settled or not.
///
/// # Errors
/// The database fails.
pub async fn get(db: &mut SqliteConnection, id: BlockVolumeId) -> Result<Option<BlockVolume>> {
    let found = sqlx::query("SELECT * FROM block_volumes WHERE id = ?")
        .bind(id.to_string())
        .fetch_optional(db)
        .await?;
    found.as_ref().map(read).transpose()
}

/// The block volume of this id, unless it is being created or deleted.
///
/// # Errors
/// 404 when there is none; the database fails.
pub async fn get_settled(db: &mut SqliteConnection, id: BlockVolumeId) -> Result<BlockVolume> {
    let settled = get(db, id).await?.filter(|block| block.pending.is_none());
    settled.ok_or_else(Error::id_not_found)
}

/// Ids of all block volumes that are not being created or deleted, sorted.
///
/// # Errors
/// The database fails.
pub async fn ids(db: &mut SqliteConnection) -> Result<Vec<BlockVolumeId>> {
    let rows = sqlx::query("SELECT id FROM block_volumes WHERE pending_op IS NULL ORDER BY id")
        .fetch_all(db)
        .await?;
    rows.iter().map(|r| row::parsed(r, "id")).collect()
}

/// The same, of one hosting volume.
///
/// # Errors
/// The database fails.
pub async fn ids_on(db: &mut SqliteConnection, hosting: VolumeId) -> Result<Vec<BlockVolumeId>> {
    let rows = sqlx::query(
        "SELECT id FROM block_volumes WHERE hosting = ? AND pending_op IS NULL ORDER BY id",
    )
    .bind(hosting.to_string())
    .fetch_all(db)
    .await?;
    rows.iter().map(|r| row::parsed(r, "id")).collect()
}

/// The same, of one cluster.
///
/// # Errors
/// The database fails.
pub async fn ids_of_cluster(
    db: &mut SqliteConnection,
    cluster: ClusterId,
) -> Result<Vec<BlockVolumeId>> {
    let rows = sqlx::query(
        "SELECT b.id FROM block_volumes b JOIN volumes v ON v.id = b.hosting \
         WHERE v.cluster = ? AND b.pending_op IS NULL ORDER BY b.id",
    )
    .bind(cluster.to_string())
    .fetch_all(db)
    .await?;
    rows.iter().map(|r| row::parsed(r, "id")).collect()
}

/// It is made: where and how initiators log in, and it belongs to nobody any more.
///
/// # Errors
/// The database fails.
pub async fn made(tx: &mut WriteTx, id: BlockVolumeId, target: &BlockTarget) -> Result<()> {
    sqlx::query(
        "UPDATE block_volumes SET hosts = ?, iqn = ?, username = ?, password = ?, \
         pending_op = NULL WHERE id = ?",
    )
    .bind(row::to_json(&target.hosts)?)
    .bind(&target.iqn)
    .bind(&target.username)
    .bind(target.password.expose())
    .bind(id.to_string())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// These addresses of a cluster's node do not export anything any more.
///
/// # Errors
/// The database fails.
pub async fn leave(tx: &mut WriteTx, cluster: ClusterId, gone: &[Hostname]) -> Result<()> {
    for id in ids_of_cluster(tx, cluster).await? {
        let mut hosts = get_settled(tx, id).await?.target.hosts;
        let before = hosts.len();
        hosts.retain(|host| !gone.contains(host));
        if hosts.len() < before {
            sqlx::query("UPDATE block_volumes SET hosts = ? WHERE id = ?")
                .bind(row::to_json(&hosts)?)
                .bind(id.to_string())
                .execute(&mut **tx)
                .await?;
        }
    }
    Ok(())
}

/// Takes so much from the hosting volume, in all.
///
/// # Errors
/// The database fails.
pub async fn hold(tx: &mut WriteTx, id: BlockVolumeId, held: Gib) -> Result<()> {
    sqlx::query("UPDATE block_volumes SET held_gib = ? WHERE id = ?")
        .bind(row::integer(held.0))
        .bind(id.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Sets the size, which is what it holds, and how much of it all hosts offer.
///
/// # Errors
/// The database fails.
pub async fn resized(tx: &mut WriteTx, id: BlockVolumeId, size: Gib, usable: Gib) -> Result<()> {
    sqlx::query(
        "UPDATE block_volumes SET size_gib = ?1, held_gib = ?1, usable_gib = ?2 WHERE id = ?3",
    )
    .bind(row::integer(size.0))
    .bind(row::integer(usable.0))
    .bind(id.to_string())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Marks it as belonging to an operation, or to none.
///
/// # Errors
/// The database fails.
pub async fn set_pending(
    tx: &mut WriteTx,
    id: BlockVolumeId,
    by: Option<OperationId>,
) -> Result<()> {
    sqlx::query("UPDATE block_volumes SET pending_op = ? WHERE id = ?")
        .bind(by.map(|op| op.to_string()))
        .bind(id.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Removes it; what it held is free on its hosting volume again.
///
/// # Errors
/// The database fails.
pub async fn delete(tx: &mut WriteTx, id: BlockVolumeId) -> Result<()> {
    sqlx::query("DELETE FROM block_volumes WHERE id = ?")
        .bind(id.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}
