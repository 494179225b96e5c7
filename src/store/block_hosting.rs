//! What volumes that host block volumes have to give.
use super::{WriteTx, row};
use crate::{
    domain::{BlockVolumeName, ClusterId, Gib, Restriction, VolumeId},
    error::Result,
};
use sqlx::{SqliteConnection, sqlite::SqliteRow};
use std::collections::BTreeMap;

/// The figures of a hosting volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hosting {
    /// Of the volume itself.
    pub size: Gib,
    /// Never given to a block volume.
    pub reserved: Gib,
    /// Given to block volumes, pending ones and expansions under way included.
    pub taken: Gib,
    /// Whether it takes further block volumes.
    pub restriction: Restriction,
}

impl Hosting {
    /// What further block volumes can get.
    #[must_use]
    pub fn free(&self) -> Gib {
        Gib(self.size.0.saturating_sub(self.reserved.0).saturating_sub(self.taken.0))
    }
}

fn read(row: &SqliteRow) -> Result<Hosting> {
    Ok(Hosting {
        size: row::gib(row, "size_gib")?,
        reserved: row::gib(row, "block_reserved_gib")?,
        taken: row::gib(row, "taken")?,
        restriction: row::parsed(row, "block_restriction")?,
    })
}

/// The figures of a volume; none when it does not host block volumes.
///
/// # Errors
/// The database fails.
pub async fn get(db: &mut SqliteConnection, id: VolumeId) -> Result<Option<Hosting>> {
    let found = sqlx::query(
        "SELECT size_gib, block_reserved_gib, block_restriction, \
         (SELECT coalesce(sum(held_gib), 0) FROM block_volumes WHERE hosting = v.id) AS taken \
         FROM volumes v WHERE id = ? AND block = 1",
    )
    .bind(id.to_string())
    .fetch_optional(db)
    .await?;
    found.as_ref().map(read).transpose()
}

/// The figures of all hosting volumes by id, pending ones included.
///
/// # Errors
/// The database fails.
pub async fn all(db: &mut SqliteConnection) -> Result<BTreeMap<VolumeId, Hosting>> {
    let rows = sqlx::query(
        "SELECT v.id, v.size_gib, v.block_reserved_gib, v.block_restriction, \
         coalesce(sum(b.held_gib), 0) AS taken \
         FROM volumes v LEFT JOIN block_volumes b ON b.hosting = v.id WHERE v.block = 1 GROUP BY v.id",
    )
    .fetch_all(db)
    .await?;
    rows.iter().map(|r| Ok((row::parsed(r, "id")?, read(r)?))).collect()
}

/// Hosting volumes of a cluster that can take a block volume of this size and name, the fullest
/// first: those with more room are kept for larger ones.
///
/// # Errors
/// The database fails.
pub async fn with_room(
    db: &mut SqliteConnection,
    cluster: ClusterId,
    size: Gib,
    name: &BlockVolumeName,
) -> Result<Vec<(VolumeId, Gib)>> {
    let rows = sqlx::query(
        "SELECT v.id, v.size_gib - v.block_reserved_gib - \
             (SELECT coalesce(sum(held_gib), 0) FROM block_volumes WHERE hosting = v.id) AS free \
         FROM volumes v WHERE v.cluster = ? AND v.block = 1 AND v.pending_op IS NULL \
             AND v.block_restriction = '' AND free >= ? AND NOT EXISTS \
                 (SELECT 1 FROM block_volumes WHERE hosting = v.id AND name = ?) \
         ORDER BY free, v.id",
    )
    .bind(cluster.to_string())
    .bind(row::integer(size.0))
    .bind(name.as_str())
    .fetch_all(db)
    .await?;
    rows.iter().map(|r| Ok((row::parsed(r, "id")?, row::gib(r, "free")?))).collect()
}

/// Whether a hosting volume of the cluster is being made at present.
///
/// # Errors
/// The database fails.
pub async fn any_in_creation(db: &mut SqliteConnection, cluster: ClusterId) -> Result<bool> {
    Ok(sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM volumes v JOIN operations o ON o.id = v.pending_op \
         WHERE v.cluster = ? AND v.block = 1 AND o.state IN ('accepted', 'running') \
             AND o.kind IN ('create-volume', 'create-block-volume'))",
    )
    .bind(cluster.to_string())
    .fetch_one(db)
    .await?)
}

/// Sets what is kept back, and who may still get some.
///
/// # Errors
/// The database fails.
pub async fn set(
    tx: &mut WriteTx,
    id: VolumeId,
    reserved: Gib,
    restriction: Restriction,
) -> Result<()> {
    sqlx::query("UPDATE volumes SET block_reserved_gib = ?, block_restriction = ? WHERE id = ?")
        .bind(row::integer(reserved.0))
        .bind(restriction.as_str())
        .bind(id.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Whether block volumes are on the volume, pending ones included.
///
/// # Errors
/// The database fails.
pub async fn is_used(db: &mut SqliteConnection, id: VolumeId) -> Result<bool> {
    let all = "SELECT EXISTS (SELECT 1 FROM block_volumes WHERE hosting = ?)";
    Ok(sqlx::query_scalar(all).bind(id.to_string()).fetch_one(db).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_free_is_what_is_left() {
        let hosting = |taken| Hosting {
            size: Gib(100),
            reserved: Gib(2),
            taken: Gib(taken),
            restriction: Restriction::None,
        };
        assert_eq!(hosting(25).free(), Gib(73));
        assert_eq!(hosting(99).free(), Gib(0), "figures that do not add up are no room");
    }
}
