//! Who may change what: one operation a resource, from its acceptance to its end.
use super::{WriteTx, row};
use crate::{
    domain::OperationId,
    error::{Error, Result},
};
use sqlx::SqliteConnection;

/// Takes the resource for an operation, which may have it already.
///
/// # Errors
/// [`Error::InUse`] when another has it; the database fails.
pub async fn take(tx: &mut WriteTx, resource: &str, by: OperationId) -> Result<()> {
    let taken = sqlx::query(
        "INSERT INTO claims (resource, operation) VALUES (?, ?) ON CONFLICT (resource) \
         DO UPDATE SET operation = excluded.operation WHERE operation = excluded.operation",
    )
    .bind(resource)
    .bind(by.to_string())
    .execute(&mut **tx)
    .await?;
    if taken.rows_affected() == 0 { Err(Error::InUse) } else { Ok(()) }
}

/// Who has the resource, if anybody has.
///
/// # Errors
/// The database fails.
pub async fn holder(db: &mut SqliteConnection, resource: &str) -> Result<Option<OperationId>> {
    let found = sqlx::query("SELECT operation FROM claims WHERE resource = ?")
        .bind(resource)
        .fetch_optional(db)
        .await?;
    found.as_ref().map(|row| row::parsed(row, "operation")).transpose()
}

/// Gives everything back that the operation had.
///
/// # Errors
/// The database fails.
pub async fn release(tx: &mut WriteTx, by: OperationId) -> Result<()> {
    sqlx::query("DELETE FROM claims WHERE operation = ?")
        .bind(by.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}
