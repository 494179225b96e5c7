//! Rows of the journal: operations and their steps, as text; `operation::journal` understands it.
use super::{WriteTx, claims, now, row};
use crate::{
    domain::{NodeId, OperationId},
    error::Result,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};
use std::{borrow::Cow, collections::BTreeSet, fmt, str::FromStr};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$vdoc])* $variant),* }
        impl $name {
            /// The word in the database: never renamed.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }
        impl FromStr for $name {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                match text { $($word => Ok(Self::$variant),)* _ => Err(format!("unknown state {text}")) }
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Cow::<str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// Where an operation is on its way.
    OpState {
        /// Claimed its resources; nothing is planned yet.
        Accepted = "accepted",
        /// Going forward.
        Running = "running",
        /// Taking back what it did.
        Unwinding = "unwinding",
        /// Reached its aim.
        Done = "done",
        /// Took everything back.
        Failed = "failed",
        /// Could go neither way; it will be tried again.
        Stuck = "stuck",
    }
}
words! {
    /// Where a step is on its way.
    StepState {
        /// Not begun.
        Planned = "planned",
        /// Begun: it may have happened.
        Running = "running",
        /// Happened.
        Done = "done",
        /// Taken back.
        Undone = "undone",
    }
}

/// An operation's row with its steps.
#[derive(Clone, Debug)]
pub struct OperationRow {
    /// Its identity, and that of its queue entry.
    pub id: OperationId,
    /// What it does: its name in the journal.
    pub kind: String,
    /// When it was accepted, seconds since 1970.
    pub created_at: i64,
    /// When it is tried again, if it is stuck and anybody does that by itself.
    pub retry_at: Option<i64>,
    /// JSON of the operation.
    pub params: String,
    /// Where it is.
    pub state: OpState,
    /// Number of the present attempt, from 1; the largest number when none may follow.
    pub attempt: i64,
    /// Tries in vain since it got stuck first.
    pub tries: u32,
    /// Nodes that failed in earlier attempts.
    pub avoid: BTreeSet<NodeId>,
    /// Why it failed or is stuck.
    pub error: Option<String>,
    /// In their order.
    pub steps: Vec<StepRow>,
}

/// A step's row. It is read as a list, in this order.
#[derive(Clone, Debug, Deserialize)]
pub struct StepRow {
    /// Steps of one stage run side by side.
    pub stage: i64,
    /// JSON of the step.
    pub step: String,
    /// Where it is.
    pub state: StepState,
    /// JSON of what it found out, once it has ended.
    pub output: Option<String>,
    /// Since when it is in that state, seconds since 1970.
    pub changed_at: i64,
}

/// What a client that polls needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Where the operation is.
    pub state: OpState,
    /// Where its result is to be found.
    pub location: Option<String>,
    /// Why it failed or is stuck.
    pub error: Option<String>,
    /// It is stuck, and waits for a person to say that it may go on.
    pub held: bool,
}

/// The time at which an operation is tried again that waits for a person's word: never. Neither a
/// start nor a node that is well again moves it.
pub const HELD: i64 = i64::MAX;

/// Adds an accepted operation.
///
/// # Errors
/// The database fails.
pub async fn insert(tx: &mut WriteTx, id: OperationId, kind: &str, params: &str) -> Result<()> {
    insert_at(tx, id, kind, params, now()).await
}

/// The same for an operation that was accepted at this time, seconds since 1970.
///
/// # Errors
/// The database fails.
pub async fn insert_at(
    tx: &mut WriteTx,
    id: OperationId,
    kind: &str,
    params: &str,
    time: i64,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO operations (id, kind, params, state, created_at) \
         VALUES (?, ?, ?, 'accepted', ?)",
    )
    .bind(id.to_string())
    .bind(kind)
    .bind(params)
    .bind(time)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Replaces the parameters, once an operation has looked around.
///
/// # Errors
/// The database fails.
pub async fn set_params(tx: &mut WriteTx, id: OperationId, params: &str) -> Result<()> {
    sqlx::query("UPDATE operations SET params = ? WHERE id = ?")
        .bind(params)
        .bind(id.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Forgets an operation that was refused before it began, claims and all.
///
/// # Errors
/// The database fails.
pub async fn forget(tx: &mut WriteTx, id: OperationId) -> Result<()> {
    sqlx::query("DELETE FROM operations WHERE id = ?")
        .bind(id.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Writes down what is going to be done, replacing an earlier plan: steps as stage and JSON, of which
/// those of the first stage can be begun already.
///
/// # Errors
/// The database fails.
pub async fn plan(
    tx: &mut WriteTx,
    id: OperationId,
    steps: &[(i64, String)],
    begun: bool,
) -> Result<()> {
    sqlx::query("DELETE FROM operation_steps WHERE operation = ?")
        .bind(id.to_string())
        .execute(&mut **tx)
        .await?;
    sqlx::query(
        "INSERT INTO operation_steps (operation, seq, stage, step, state, changed_at) \
         SELECT ?1, key, value ->> 0, value ->> 1, iif(value ->> 0 = 0 AND ?2, 'running', 'planned'), \
         ?3 FROM json_each(?4)",
    )
    .bind(id.to_string())
    .bind(begun)
    .bind(now())
    .bind(row::to_json(&steps)?)
    .execute(&mut **tx)
    .await?;
    set_state(tx, id, OpState::Running, None).await
}

/// Sets the state; an error that is given replaces an earlier one.
///
/// # Errors
/// The database fails.
pub async fn set_state(
    tx: &mut WriteTx,
    id: OperationId,
    state: OpState,
    error: Option<&str>,
) -> Result<()> {
    sqlx::query("UPDATE operations SET state = ?, error = coalesce(?, error) WHERE id = ?")
        .bind(state.as_str())
        .bind(error)
        .bind(id.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Where the operation is; none when there is no such operation.
///
/// # Errors
/// The database fails.
pub async fn state(db: &mut SqliteConnection, id: OperationId) -> Result<Option<OpState>> {
    let found = sqlx::query("SELECT state FROM operations WHERE id = ?")
        .bind(id.to_string())
        .fetch_optional(db)
        .await?;
    found.as_ref().map(|row| row::parsed(row, "state")).transpose()
}

/// The operation can go neither way; when it is to be tried again, if anybody does that by itself.
///
/// # Errors
/// The database fails.
pub async fn stick(
    tx: &mut WriteTx,
    id: OperationId,
    error: &str,
    retry_at: Option<i64>,
) -> Result<()> {
    sqlx::query(
        "UPDATE operations SET state = 'stuck', error = ?, tries = tries + 1, retry_at = ? \
         WHERE id = ?",
    )
    .bind(error)
    .bind(retry_at)
    .bind(id.to_string())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Puts the operation to rest: its claims are free, its result stays readable.
///
/// # Errors
/// The database fails.
pub async fn finish(
    tx: &mut WriteTx,
    id: OperationId,
    state: OpState,
    location: Option<&str>,
) -> Result<()> {
    sqlx::query("UPDATE operations SET state = ?, location = ?, finished_at = ? WHERE id = ?")
        .bind(state.as_str())
        .bind(location)
        .bind(now())
        .bind(id.to_string())
        .execute(&mut **tx)
        .await?;
    claims::release(tx, id).await
}

/// Counts another attempt.
///
/// # Errors
/// The database fails.
pub async fn next_attempt(tx: &mut WriteTx, id: OperationId) -> Result<()> {
    sqlx::query("UPDATE operations SET attempt = attempt + 1 WHERE id = ?")
        .bind(id.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// No further attempt follows the present one.
///
/// # Errors
/// The database fails.
pub async fn end_attempts(tx: &mut WriteTx, id: OperationId) -> Result<()> {
    sqlx::query("UPDATE operations SET attempt = ? WHERE id = ?")
        .bind(i64::MAX)
        .bind(id.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Remembers which nodes the next attempt is to leave out.
///
/// # Errors
/// The database fails.
pub async fn set_avoid(tx: &mut WriteTx, id: OperationId, avoid: &BTreeSet<NodeId>) -> Result<()> {
    sqlx::query("UPDATE operations SET avoid = ? WHERE id = ?")
        .bind(row::to_json(avoid)?)
        .bind(id.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Sets the state of one step, and its output if there is one.
///
/// # Errors
/// The database fails.
pub async fn set_step(
    tx: &mut WriteTx,
    id: OperationId,
    seq: usize,
    state: StepState,
    output: Option<&str>,
) -> Result<()> {
    sqlx::query(
        "UPDATE operation_steps SET state = ?, output = coalesce(?, output), changed_at = ? \
         WHERE operation = ? AND seq = ?",
    )
    .bind(state.as_str())
    .bind(output)
    .bind(now())
    .bind(id.to_string())
    .bind(i64::try_from(seq).unwrap_or(i64::MAX))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// These steps are about to run.
///
/// # Errors
/// The database fails.
pub async fn begin_steps(tx: &mut WriteTx, id: OperationId, steps: &[usize]) -> Result<()> {
    sqlx::query(
        "UPDATE operation_steps SET state = 'running', changed_at = ? \
         WHERE operation = ? AND seq IN (SELECT value FROM json_each(?))",
    )
    .bind(now())
    .bind(id.to_string())
    .bind(row::to_json(&steps)?)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// What became of a step.
#[derive(Clone, Debug, Serialize)]
pub struct StepEnd {
    /// Which one.
    pub seq: usize,
    /// Done or taken back.
    pub state: StepState,
    /// JSON of what it found out; none leaves what is known.
    pub output: Option<String>,
}

/// These steps have ended.
///
/// # Errors
/// The database fails.
pub async fn end_steps(tx: &mut WriteTx, id: OperationId, ends: &[StepEnd]) -> Result<()> {
    if ends.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE operation_steps SET state = ends.value ->> 'state', \
         output = coalesce(ends.value ->> 'output', output), changed_at = ?1 \
         FROM json_each(?2) AS ends WHERE operation = ?3 AND seq = ends.value ->> 'seq'",
    )
    .bind(now())
    .bind(row::to_json(&ends)?)
    .bind(id.to_string())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The operation with its steps.
///
/// # Errors
/// The database fails.
pub async fn load(db: &mut SqliteConnection, id: OperationId) -> Result<Option<OperationRow>> {
    // One statement, so that nobody needs a transaction for it.
    let found = sqlx::query(
        "SELECT kind, params, state, attempt, tries, retry_at, avoid, error, created_at, \
         (SELECT json_group_array(json_array(stage, step, state, output, changed_at) ORDER BY seq) \
         FROM operation_steps WHERE operation = operations.id) AS steps \
         FROM operations WHERE id = ?",
    )
    .bind(id.to_string())
    .fetch_optional(db)
    .await?;
    let Some(found) = found else { return Ok(None) };
    Ok(Some(OperationRow {
        id,
        kind: found.try_get("kind")?,
        created_at: found.try_get("created_at")?,
        retry_at: found.try_get("retry_at")?,
        params: found.try_get("params")?,
        state: row::parsed(&found, "state")?,
        attempt: found.try_get("attempt")?,
        tries: found.try_get("tries")?,
        avoid: row::json(&found, "avoid")?,
        error: found.try_get("error")?,
        steps: row::json(&found, "steps")?,
    }))
}

/// Where the operation is, for a client that polls.
///
/// # Errors
/// The database fails.
pub async fn progress(db: &mut SqliteConnection, id: OperationId) -> Result<Option<Progress>> {
    let found = sqlx::query("SELECT state, location, error, retry_at FROM operations WHERE id = ?")
        .bind(id.to_string())
        .fetch_optional(db)
        .await?;
    let Some(row) = found else { return Ok(None) };
    let state = row::parsed(&row, "state")?;
    let retry_at: Option<i64> = row.try_get("retry_at")?;
    Ok(Some(Progress {
        state,
        location: row.try_get("location")?,
        error: row.try_get("error")?,
        held: state == OpState::Stuck && retry_at == Some(HELD),
    }))
}

/// Operations that are not at rest, the oldest first.
///
/// # Errors
/// The database fails.
pub async fn unfinished(db: &mut SqliteConnection) -> Result<Vec<OperationId>> {
    let rows = sqlx::query("SELECT id FROM operations WHERE finished_at IS NULL ORDER BY rowid")
        .fetch_all(db)
        .await?;
    rows.iter().map(|r| row::parsed(r, "id")).collect()
}

/// An operation that is not at rest, without what it does and how far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brief {
    /// Its identity.
    pub id: OperationId,
    /// What it does: its name in the journal.
    pub kind: String,
    /// Where it is.
    pub state: OpState,
}

/// Operations that are not at rest, the oldest first, in one statement however many they are.
///
/// # Errors
/// The database fails.
pub async fn unfinished_briefly(db: &mut SqliteConnection) -> Result<Vec<Brief>> {
    let rows = sqlx::query(
        "SELECT id, kind, state FROM operations WHERE finished_at IS NULL ORDER BY rowid",
    )
    .fetch_all(db)
    .await?;
    let brief = |row: &SqliteRow| {
        Ok(Brief {
            id: row::parsed(row, "id")?,
            kind: row.try_get("kind")?,
            state: row::parsed(row, "state")?,
        })
    };
    rows.iter().map(brief).collect()
}

/// Operations that could go neither way, the oldest first; also those that are held.
///
/// # Errors
/// The database fails.
pub async fn stuck(db: &mut SqliteConnection) -> Result<Vec<OperationId>> {
    stuck_until(db, HELD).await
}

/// Operations that wait for a person's word, the oldest first.
///
/// # Errors
/// The database fails.
pub async fn held(db: &mut SqliteConnection) -> Result<Vec<OperationId>> {
    let rows = sqlx::query(
        "SELECT id FROM operations WHERE state = 'stuck' AND retry_at = ? ORDER BY rowid",
    )
    .bind(HELD)
    .fetch_all(db)
    .await?;
    rows.iter().map(|r| row::parsed(r, "id")).collect()
}

/// Lets all operations that have begun and are not at rest wait for a person's word; how many. What
/// was only accepted has done nothing: the next start puts it to rest.
///
/// # Errors
/// The database fails.
pub async fn hold_unfinished(tx: &mut WriteTx, why: &str) -> Result<u64> {
    let held = sqlx::query(
        "UPDATE operations SET state = 'stuck', error = ?, retry_at = ? \
         WHERE finished_at IS NULL AND state <> 'accepted'",
    )
    .bind(why)
    .bind(HELD)
    .execute(&mut **tx)
    .await?;
    Ok(held.rows_affected())
}

/// Stuck operations that are to be tried again by this time; just before [`HELD`], also those that
/// have no time of their own.
///
/// # Errors
/// The database fails.
pub async fn stuck_until(db: &mut SqliteConnection, time: i64) -> Result<Vec<OperationId>> {
    let rows = sqlx::query(
        "SELECT id FROM operations WHERE state = 'stuck' AND coalesce(retry_at, ?) <= ? \
         ORDER BY rowid",
    )
    .bind(HELD - 1)
    .bind(time)
    .fetch_all(db)
    .await?;
    rows.iter().map(|r| row::parsed(r, "id")).collect()
}

/// When the next stuck operation is to be tried again, if any is.
///
/// # Errors
/// The database fails.
pub async fn next_retry(db: &mut SqliteConnection) -> Result<Option<i64>> {
    Ok(sqlx::query_scalar("SELECT min(retry_at) FROM operations WHERE state = 'stuck'")
        .fetch_one(db)
        .await?)
}

/// Forgets operations that ended before this time; how many.
///
/// # Errors
/// The database fails.
pub async fn forget_finished(tx: &mut WriteTx, before: i64) -> Result<u64> {
    let done = sqlx::query("DELETE FROM operations WHERE finished_at < ?")
        .bind(before)
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected())
}
