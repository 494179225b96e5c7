//! A database in the making: it appears under its name when it is whole and on disk, or not at all.
use std::{
    fs::{self, File, Permissions},
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// A place for a database beside the one that it is to become. Dropped, nothing is left of it.
#[derive(Debug)]
pub struct Draft {
    folder: TempDir,
    target: PathBuf,
}

impl Draft {
    /// A place beside the target, whose lock the caller has.
    ///
    /// # Errors
    /// The folder of the target cannot be written.
    pub fn of(target: &Path) -> io::Result<Self> {
        let folder =
            tempfile::Builder::new().prefix(".brickyard-draft-").tempdir_in(folder(target))?;
        Ok(Self { folder, target: target.to_owned() })
    }
    /// Where it is to be made.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("brickyard.db")
    }
    /// Gives it its name. Nobody may have it open any more.
    ///
    /// # Errors
    /// It has a log that was not taken into the file; the disk fails.
    pub fn appear(self) -> io::Result<()> {
        let draft = self.path();
        if fs::metadata(self.folder.path().join("brickyard.db-wal")).is_ok_and(|l| l.len() > 0) {
            return Err(io::Error::other("its log was not taken into the file"));
        }
        // Whoever wrote it: passwords of block volumes are in it.
        fs::set_permissions(&draft, Permissions::from_mode(0o600))?;
        File::open(&draft)?.sync_all()?;
        fs::rename(&draft, &self.target)?;
        sync_folder_of(&self.target)
    }
}

/// Makes what happened to the entries of a file's folder survive a power cut, its name for one.
///
/// # Errors
/// The file system says no.
pub fn sync_folder_of(file: &Path) -> io::Result<()> {
    File::open(folder(file))?.sync_all()
}

fn folder(target: &Path) -> &Path {
    target.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
