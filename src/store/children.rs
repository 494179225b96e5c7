//! Operations that others began as a part of their own work.
use super::{WriteTx, operations::OpState, row};
use crate::{domain::OperationId, error::Result};
use sqlx::{Row, SqliteConnection};

/// An operation that was begun by another, or by one that was begun by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relative {
    /// Its identity.
    pub id: OperationId,
    /// What it does: its name in the journal.
    pub kind: String,
    /// Where it is.
    pub state: OpState,
}

/// Notes who began the operation.
///
/// # Errors
/// The database fails.
pub async fn adopt(tx: &mut WriteTx, child: OperationId, parent: OperationId) -> Result<()> {
    sqlx::query("UPDATE operations SET parent = ? WHERE id = ?")
        .bind(parent.to_string())
        .bind(child.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// What the operation began, and what that began, as far as it is remembered; the oldest first.
///
/// # Errors
/// The database fails.
pub async fn family(db: &mut SqliteConnection, parent: OperationId) -> Result<Vec<Relative>> {
    let rows = sqlx::query(
        "WITH RECURSIVE family (id) AS (SELECT id FROM operations WHERE parent = ? \
         UNION SELECT o.id FROM operations o JOIN family f ON o.parent = f.id) \
         SELECT id, kind, state FROM operations WHERE id IN family ORDER BY rowid",
    )
    .bind(parent.to_string())
    .fetch_all(db)
    .await?;
    let relative = |r| -> Result<Relative> {
        let (id, state) = (row::parsed(r, "id")?, row::parsed(r, "state")?);
        Ok(Relative { id, kind: r.try_get("kind")?, state })
    };
    rows.iter().map(relative).collect()
}
