//! Rows of clusters.
use super::{WriteTx, row};
use crate::{domain::ClusterId, error::Result};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

/// A cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Its identity.
    pub id: ClusterId,
    /// Takes ordinary volumes.
    pub file: bool,
    /// Takes block hosting volumes.
    pub block: bool,
}

fn read(row: &SqliteRow) -> Result<Cluster> {
    Ok(Cluster {
        id: row::parsed(row, "id")?,
        file: row.try_get("file")?,
        block: row.try_get("block")?,
    })
}

/// Adds a cluster.
///
/// # Errors
/// The database fails.
pub async fn insert(tx: &mut WriteTx, cluster: Cluster) -> Result<()> {
    sqlx::query("INSERT INTO clusters (id, file, block) VALUES (?, ?, ?)")
        .bind(cluster.id.to_string())
        .bind(cluster.file)
        .bind(cluster.block)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The cluster of this id.
///
/// # Errors
/// The database fails.
pub async fn get(db: &mut SqliteConnection, id: ClusterId) -> Result<Option<Cluster>> {
    let found = sqlx::query("SELECT id, file, block FROM clusters WHERE id = ?")
        .bind(id.to_string())
        .fetch_optional(db)
        .await?;
    found.as_ref().map(read).transpose()
}

/// All clusters, by id.
///
/// # Errors
/// The database fails.
pub async fn all(db: &mut SqliteConnection) -> Result<Vec<Cluster>> {
    let rows =
        sqlx::query("SELECT id, file, block FROM clusters ORDER BY id").fetch_all(db).await?;
    rows.iter().map(read).collect()
}

/// Sets both flags; false when there is no such cluster.
///
/// # Errors
/// The database fails.
pub async fn set_flags(tx: &mut WriteTx, cluster: Cluster) -> Result<bool> {
    let done = sqlx::query("UPDATE clusters SET file = ?, block = ? WHERE id = ?")
        .bind(cluster.file)
        .bind(cluster.block)
        .bind(cluster.id.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Removes a cluster.
///
/// # Errors
/// It still holds something, or the database fails.
pub async fn delete(tx: &mut WriteTx, id: ClusterId) -> Result<()> {
    sqlx::query("DELETE FROM clusters WHERE id = ?")
        .bind(id.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Whether it has nodes or volumes, pending ones included.
///
/// # Errors
/// The database fails.
pub async fn holds_anything(db: &mut SqliteConnection, id: ClusterId) -> Result<bool> {
    let found: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM nodes WHERE cluster = ?1) \
             OR EXISTS (SELECT 1 FROM volumes WHERE cluster = ?1)",
    )
    .bind(id.to_string())
    .fetch_one(db)
    .await?;
    Ok(found)
}
