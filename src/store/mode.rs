//! The administrative mode as somebody has set it: kept for the next server where several stand
//! ready, and in no dump.
use super::Store;
use crate::error::Result;

/// Among the facts about the database, which Heketi has as well; what begins like this is ours.
pub(super) const OURS: &str = "BRICKYARD_";
const KEY: &str = "BRICKYARD_MODE";

/// Its word; none if nobody ever set it.
///
/// # Errors
/// The database fails.
pub async fn get(store: &Store) -> Result<Option<String>> {
    let question = sqlx::query_scalar("SELECT value FROM attributes WHERE key = ?").bind(KEY);
    Ok(question.fetch_optional(&mut *store.read().await?).await?)
}

/// From now on it is this one.
///
/// # Errors
/// The database fails; then it is what it was.
///
/// # Cancel safety
/// None: only within [`Store::whole`], together with what makes it hold.
pub async fn set(store: &Store, word: &str) -> Result<()> {
    let mut tx = store.write().await?;
    let change = "INSERT INTO attributes (key, value) VALUES (?, ?) \
         ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    sqlx::query(change).bind(KEY).bind(word).execute(&mut *tx).await?;
    tx.commit().await
}
