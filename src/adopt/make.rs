//! A new database with rows in it, which appears whole or not at all.
use crate::{
    database::{self, Import},
    store::{Store, draft::Draft},
};
use anyhow::{Result, bail};
use std::path::{Path, PathBuf};

/// Makes sure that there is no database, nor anything that belongs to one.
///
/// # Errors
/// There is; the text names it.
pub fn refuse_to_overwrite(target: &Path) -> Result<()> {
    for beside in ["", "-wal", "-journal"] {
        let file = PathBuf::from(format!("{}{beside}", target.display()));
        if file.symlink_metadata().is_ok() {
            bail!("{} exists already: nothing is overwritten", file.display());
        }
    }
    Ok(())
}

/// The database appears under its name when it is whole and on disk, or not at all. The caller has
/// the lock of that name.
///
/// # Errors
/// The folder cannot be written, or the rows contradict each other.
///
/// # Cancel safety
/// Nothing appears; a hidden folder may be left when the process dies.
pub async fn make(taken: &Import, target: &Path) -> Result<()> {
    let draft = Draft::of(target)?;
    let store = Store::open(&draft.path()).await?;
    let mut tx = store.write().await?;
    database::put(&mut tx, taken).await?;
    tx.commit().await?;
    // The last connection to go takes everything from the log into the file itself.
    store.close().await;
    Ok(draft.appear()?)
}
