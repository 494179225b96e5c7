//! The database as others see it: dumped and read in Heketi's format, checked, copied.
//!
//! ```text
//! tables <-> store::Snapshot (typed) <-> api::database::Dump (Heketi's JSON) -> check
//! ```
//! Reading takes one transaction and is over before anything is made of it: no writer waits for a
//! large answer.
mod arrange;
mod check;
mod dump;
mod forgotten;
mod import;
mod inherited;

pub use check::check;
pub use dump::dump;
pub use import::{Import, Problems, import};

use crate::{
    api::{database::Dump, json},
    error::{Error, Result},
    lenient,
    operation::inherit,
    store::{
        Store, WriteTx, operations,
        snapshot::{self, Snapshot},
    },
};

/// Everything that is known at this moment.
///
/// # Errors
/// The database fails.
pub async fn read(store: &Store) -> Result<Snapshot> {
    snapshot::take(store.read().await?).await
}

/// Reads an export in Heketi's format, of this program or of Heketi.
///
/// # Errors
/// It is not JSON, or not an export: any object would do for an empty estate otherwise.
pub fn read_export(text: &[u8]) -> anyhow::Result<Dump> {
    let dump = lenient::from_slice(text)?;
    let map = b"\"clusterentries\"";
    anyhow::ensure!(
        text.windows(map.len()).any(|window| window.eq_ignore_ascii_case(map)),
        "it is JSON, but no export of a database: it has no \"clusterentries\""
    );
    Ok(dump)
}

/// How many operations have not come to rest.
///
/// # Errors
/// The database fails.
pub async fn unfinished(store: &Store) -> Result<usize> {
    Ok(operations::unfinished(&mut *store.read().await?).await?.len())
}

/// Fills an empty database.
///
/// # Errors
/// The database fails, or is not empty.
pub async fn put(tx: &mut WriteTx, import: &Import) -> Result<()> {
    snapshot::put(tx, &import.snapshot).await?;
    for inherited in &import.inherited {
        inherit(tx, inherited).await?;
    }
    Ok(())
}

/// The database in Heketi's format, as text.
///
/// # Errors
/// The database fails.
pub async fn dump_text(store: &Store) -> Result<String> {
    let snapshot = read(store).await?;
    beside_others(move || Ok(json::indented(&dump(&snapshot))?)).await
}

/// The same with what Heketi's format has no place for: for files that are to be read again.
///
/// # Errors
/// The database fails.
pub async fn export_text(store: &Store) -> Result<String> {
    let snapshot = read(store).await?;
    let brickyard = Some(dump::extension(&snapshot));
    beside_others(move || Ok(json::indented(&Dump { brickyard, ..dump(&snapshot) })?)).await
}

/// What contradicts itself in the database, as text.
///
/// # Errors
/// The database fails.
pub async fn check_text(store: &Store) -> Result<String> {
    let snapshot = read(store).await?;
    // What is left of removed bricks takes space as well.
    let brickyard = Some(dump::extension(&snapshot));
    let whole = move || Dump { brickyard, ..dump(&snapshot) };
    beside_others(move || Ok(json::indented(&check(&whole()))?)).await
}

/// A large answer must not keep others waiting for the thread it is made on.
async fn beside_others<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|e| Err(Error::Refused(format!("internal error: {e}"))))
}
