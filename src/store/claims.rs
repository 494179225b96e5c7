//! Who may change what: one operation a resource, from its acceptance to its end.
use super::{WriteTx, is_taken};
use crate::{
    domain::OperationId,
    error::{Error, Result},
};

/// Takes the resource for an operation.
///
/// # Errors
/// [`Error::InUse`] when another has it; the database fails.
pub async fn take(tx: &mut WriteTx, resource: &str, by: OperationId) -> Result<()> {
    sqlx::query("INSERT INTO claims (resource, operation) VALUES (?, ?)")
        .bind(resource)
        .bind(by.to_string())
        .execute(&mut **tx)
        .await
        .map_err(|e| if is_taken(&e) { Error::InUse } else { e.into() })?;
    Ok(())
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
