//! Where a database comes from, and which of two copies of it is the later one.
use crate::error::Result;
use serde::{Deserialize, Serialize};
use sqlx::{ConnectOptions, Row, SqliteConnection, sqlite::SqliteConnectOptions};
use std::path::Path;

/// What tells copies of databases apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Made once for each database, and the same in all copies of it.
    pub generation_id: String,
    /// The last start on it: of two copies the one with the larger number was in use later.
    pub epoch: u64,
}

/// The origin of an open database.
///
/// # Errors
/// The database fails, or has no such tables.
pub async fn of(db: &mut SqliteConnection) -> Result<Origin> {
    let row = sqlx::query(
        "SELECT (SELECT value FROM attributes WHERE key = 'DB_GENERATION_ID') AS generation_id, \
         (SELECT number FROM epoch) AS epoch",
    )
    .fetch_one(db)
    .await?;
    let generation_id: Option<String> = row.try_get("generation_id")?;
    let epoch: i64 = row.try_get("epoch")?;
    Ok(Origin { generation_id: generation_id.unwrap_or_default(), epoch: epoch.unsigned_abs() })
}

/// The origin of a database that nobody has open. Opening it as a server does would count as a
/// start and make it later than it is.
///
/// # Errors
/// It cannot be read, or is of a version that had no such tables.
pub async fn of_file(path: &Path) -> Result<Origin> {
    use sqlx::Connection;
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    let mut db = options.disable_statement_logging().connect().await?;
    let origin = of(&mut db).await;
    db.close().await?;
    origin
}
