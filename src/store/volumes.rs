//! Rows of volumes.
use super::{WriteTx, is_taken, row};
use crate::{
    domain::{
        ClusterId, Durability, Gib, OperationId, SnapshotFactor, VolumeId, VolumeName,
        VolumeOption, block::kept_back, durability::Requested,
    },
    error::{Error, Result},
};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

/// A volume.
#[derive(Clone, Debug, PartialEq)]
pub struct Volume {
    /// Its identity.
    pub id: VolumeId,
    /// Where it lies.
    pub cluster: ClusterId,
    /// What gluster calls it.
    pub name: VolumeName,
    /// As requested and expanded.
    pub size: Gib,
    /// As requested.
    pub durability: Requested,
    /// Group that may write, 0 for none.
    pub gid: i64,
    /// Room for snapshots, if there is to be any.
    pub snapshot: Option<SnapshotFactor>,
    /// Hosts block volumes.
    pub block: bool,
    /// Options of the configuration and of the request.
    pub options: Vec<VolumeOption>,
    /// The clusters that the request named.
    pub clusters: Vec<ClusterId>,
    /// The operation that creates or deletes it.
    pub pending: Option<OperationId>,
}

impl Volume {
    /// What a brick set looks like.
    #[must_use]
    pub fn effective(&self) -> Durability {
        self.durability.effective()
    }
    /// The factor that counts.
    #[must_use]
    pub fn snapshot_factor(&self) -> SnapshotFactor {
        self.snapshot.unwrap_or_default()
    }
}

#[expect(clippy::cast_possible_truncation, reason = "it was a 32-bit float when it was stored")]
fn read(row: &SqliteRow) -> Result<Volume> {
    let enabled: bool = row.try_get("snapshot_enabled")?;
    let factor: f64 = row.try_get("snapshot_factor")?;
    Ok(Volume {
        id: row::parsed(row, "id")?,
        cluster: row::parsed(row, "cluster")?,
        name: row::parsed(row, "name")?,
        size: row::gib(row, "size_gib")?,
        durability: Requested {
            kind: row::parsed(row, "durability")?,
            replica: row.try_get("replica")?,
            data: row.try_get("disperse_data")?,
            redundancy: row.try_get("disperse_redundancy")?,
        },
        gid: row.try_get("gid")?,
        snapshot: enabled.then_some(SnapshotFactor(factor as f32)),
        block: row.try_get("block")?,
        options: row::json(row, "options")?,
        clusters: row::json(row, "clusters")?,
        pending: row::parsed_opt(row, "pending_op")?,
    })
}

/// Adds a volume.
///
/// # Errors
/// The cluster has a volume of this name; the database fails.
pub async fn insert(tx: &mut WriteTx, volume: &Volume) -> Result<()> {
    sqlx::query(
        "INSERT INTO volumes (id, cluster, name, size_gib, durability, replica, disperse_data, \
         disperse_redundancy, gid, snapshot_enabled, snapshot_factor, block, options, clusters, \
         pending_op, block_reserved_gib) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(volume.id.to_string())
    .bind(volume.cluster.to_string())
    .bind(volume.name.as_str())
    .bind(row::integer(volume.size.0))
    .bind(volume.durability.kind.as_str())
    .bind(volume.durability.replica)
    .bind(volume.durability.data)
    .bind(volume.durability.redundancy)
    .bind(volume.gid)
    .bind(volume.snapshot.is_some())
    .bind(f64::from(volume.snapshot_factor().0))
    .bind(volume.block)
    .bind(row::to_json(&volume.options)?)
    .bind(row::to_json(&volume.clusters)?)
    .bind(volume.pending.map(|op| op.to_string()))
    .bind(row::integer(if volume.block { kept_back(volume.size).0 } else { 0 }))
    .execute(&mut **tx)
    .await
    .map_err(|e| if is_taken(&e) { name_in_use(&volume.name) } else { e.into() })?;
    Ok(())
}

/// The cluster has a volume of this name.
#[must_use]
pub fn name_in_use(name: &VolumeName) -> Error {
    Error::Refused(format!("Volume name '{name}' already in use"))
}

/// The volume of this id, pending or not.
///
/// # Errors
/// The database fails.
pub async fn get(db: &mut SqliteConnection, id: VolumeId) -> Result<Option<Volume>> {
    let found = sqlx::query("SELECT * FROM volumes WHERE id = ?")
        .bind(id.to_string())
        .fetch_optional(db)
        .await?;
    found.as_ref().map(read).transpose()
}

/// The volume of this id, unless it is being created or deleted.
///
/// # Errors
/// 404 when there is none; the database fails.
pub async fn get_settled(db: &mut SqliteConnection, id: VolumeId) -> Result<Volume> {
    get(db, id).await?.filter(|v| v.pending.is_none()).ok_or_else(Error::id_not_found)
}

/// All volumes by id, pending ones included.
///
/// # Errors
/// The database fails.
pub async fn all(db: &mut SqliteConnection) -> Result<Vec<Volume>> {
    let rows = sqlx::query("SELECT * FROM volumes ORDER BY id").fetch_all(db).await?;
    rows.iter().map(read).collect()
}

/// Ids of all volumes that are not being created or deleted, sorted.
///
/// # Errors
/// The database fails.
pub async fn ids(db: &mut SqliteConnection) -> Result<Vec<VolumeId>> {
    let all =
        "SELECT json_group_array(id ORDER BY id) AS ids FROM volumes WHERE pending_op IS NULL";
    row::json(&sqlx::query(all).fetch_one(db).await?, "ids")
}

/// The same, of one cluster.
///
/// # Errors
/// The database fails.
pub async fn ids_of_cluster(db: &mut SqliteConnection, id: ClusterId) -> Result<Vec<VolumeId>> {
    let ids = sqlx::query(
        "SELECT json_group_array(id ORDER BY id) AS ids FROM volumes \
         WHERE cluster = ? AND pending_op IS NULL",
    )
    .bind(id.to_string())
    .fetch_one(db)
    .await?;
    row::json(&ids, "ids")
}

/// Number of volumes of a cluster, pending ones included.
///
/// # Errors
/// The database fails.
pub async fn count(db: &mut SqliteConnection, cluster: ClusterId) -> Result<i64> {
    Ok(sqlx::query_scalar("SELECT count(*) FROM volumes WHERE cluster = ?")
        .bind(cluster.to_string())
        .fetch_one(db)
        .await?)
}

/// Whether the cluster has a volume of this name, pending ones included.
///
/// # Errors
/// The database fails.
pub async fn name_exists(
    db: &mut SqliteConnection,
    cluster: ClusterId,
    name: &VolumeName,
) -> Result<bool> {
    Ok(sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM volumes WHERE cluster = ? AND name = ?)")
        .bind(cluster.to_string())
        .bind(name.as_str())
        .fetch_one(db)
        .await?)
}

/// Adds to the size, and to what a hosting volume keeps back (api.md 11.4).
///
/// # Errors
/// The database fails.
pub async fn grow(tx: &mut WriteTx, id: VolumeId, by: Gib) -> Result<()> {
    sqlx::query(
        "UPDATE volumes SET size_gib = size_gib + ?, \
         block_reserved_gib = block_reserved_gib + iif(block = 1, ?, 0) WHERE id = ?",
    )
    .bind(row::integer(by.0))
    .bind(row::integer(kept_back(by).0))
    .bind(id.to_string())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Marks the volume as belonging to an operation, or to none.
///
/// # Errors
/// The database fails.
pub async fn set_pending(tx: &mut WriteTx, id: VolumeId, by: Option<OperationId>) -> Result<()> {
    sqlx::query("UPDATE volumes SET pending_op = ? WHERE id = ?")
        .bind(by.map(|op| op.to_string()))
        .bind(id.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Removes a volume.
///
/// # Errors
/// It still has bricks, or the database fails.
pub async fn delete(tx: &mut WriteTx, id: VolumeId) -> Result<()> {
    sqlx::query("DELETE FROM volumes WHERE id = ?").bind(id.to_string()).execute(&mut **tx).await?;
    Ok(())
}
