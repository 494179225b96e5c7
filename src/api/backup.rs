//! How the backups to Kubernetes Secrets are doing; ours.
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Answer of `GET /backup`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BackupStatus {
    /// `off`; `saved`: the backup has all; `behind`: something is still to be written; `failing`:
    /// the last attempt failed, and there will be another.
    pub state: String,
    /// Namespace and name of the first Secret; empty when backups are off.
    pub secret: String,
    /// Counts the backups; 0 when this server has written none.
    pub number: u64,
    /// When the database was as it is in the backup.
    pub taken_at: Option<Timestamp>,
    /// When the backup was last known to have all.
    pub saved_at: Option<Timestamp>,
    /// Since when the database has had something that the backup does not have.
    pub behind_since: Option<Timestamp>,
    /// Bytes, compressed.
    pub size: u64,
    /// Bytes that can be kept at the most.
    pub limit: u64,
    /// Secrets that the backup lies in.
    pub secrets: u64,
    /// Attempts that failed since the server started.
    pub failures: u64,
    /// Why the last attempt failed; empty when it did not.
    pub error: String,
}
