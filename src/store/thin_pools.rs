//! Thin pools that several bricks share: clones lie in the pools of their sources.
//!
//! The space of a pool is accounted to one of those that lie in it, bricks or what is left of them;
//! the others have none. When that one goes, another inherits it.
use super::{WriteTx, row};
use crate::{
    domain::{BrickSize, DeviceId, Kib},
    error::Result,
};

/// Accounts the space of a pool to something else that lies in it; false when nothing does.
///
/// # Errors
/// The database fails.
pub(super) async fn inherit(
    tx: &mut WriteTx,
    device: DeviceId,
    pool: &str,
    space: BrickSize,
) -> Result<bool> {
    // Bricks first: what is left of others is to go.
    for heir in [
        "UPDATE bricks SET pool_kib = pool_kib + ?, metadata_kib = metadata_kib + ? WHERE id = \
         (SELECT min(id) FROM bricks WHERE device = ? AND coalesce(pool, 'tp_' || id) = ?)",
        "UPDATE debris SET pool_kib = pool_kib + ?, metadata_kib = metadata_kib + ? WHERE brick = \
         (SELECT min(brick) FROM debris WHERE device = ? AND coalesce(pool, 'tp_' || brick) = ?)",
    ] {
        let taken = sqlx::query(heir)
            .bind(row::integer(space.pool.0))
            .bind(row::integer(space.metadata.0))
            .bind(device.to_string())
            .bind(pool)
            .execute(&mut **tx)
            .await?;
        if taken.rows_affected() > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The pool is gone, and what lay in it: the space that was accounted to that.
///
/// # Errors
/// The database fails.
pub(super) async fn empty(tx: &mut WriteTx, device: DeviceId, pool: &str) -> Result<Kib> {
    let mut freed = Kib::ZERO;
    for (sum, clear) in [
        (
            "SELECT coalesce(sum(pool_kib + metadata_kib), 0) AS space FROM bricks \
             WHERE device = ? AND coalesce(pool, 'tp_' || id) = ?",
            "UPDATE bricks SET pool_kib = 0, metadata_kib = 0 \
             WHERE device = ? AND coalesce(pool, 'tp_' || id) = ?",
        ),
        (
            "SELECT coalesce(sum(pool_kib + metadata_kib), 0) AS space FROM debris \
             WHERE device = ? AND coalesce(pool, 'tp_' || brick) = ?",
            "UPDATE debris SET pool_kib = 0, metadata_kib = 0 \
             WHERE device = ? AND coalesce(pool, 'tp_' || brick) = ?",
        ),
    ] {
        let device = device.to_string();
        let space = sqlx::query(sum).bind(&device).bind(pool).fetch_one(&mut **tx).await?;
        freed = freed.plus(row::kib(&space, "space")?);
        sqlx::query(clear).bind(&device).bind(pool).execute(&mut **tx).await?;
    }
    Ok(freed)
}
