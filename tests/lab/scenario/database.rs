//! The server's database, read from outside while it runs, or after it was killed.
use sqlx::{ConnectOptions, Row, SqliteConnection, sqlite::SqliteConnectOptions};
use std::path::PathBuf;
use tokio::runtime::Handle;

#[derive(Clone)]
pub struct Database {
    pub file: PathBuf,
    pub runtime: Handle,
}

/// A volume's row, as far as runs need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeRow {
    pub id: String,
    pub name: String,
    pub size: i64,
    pub pending: bool,
}

/// A step's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepRow {
    pub stage: i64,
    pub name: String,
    pub state: String,
}

/// An operation's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationRow {
    pub id: String,
    pub kind: String,
    pub state: String,
    pub at_rest: bool,
    pub steps: Vec<StepRow>,
}

impl Database {
    /// Asks something of one consistent state. Never writes, so the server is not disturbed.
    pub fn ask<T>(&self, question: impl AsyncFnOnce(&mut SqliteConnection) -> T) -> T {
        self.runtime.block_on(async {
            let options = SqliteConnectOptions::new().filename(&self.file).read_only(true);
            let mut db = options.connect().await.unwrap();
            sqlx::query("BEGIN").execute(&mut db).await.unwrap();
            question(&mut db).await
        })
    }

    /// The operation, or the one that was begun last.
    pub fn operation(&self, id: Option<&str>) -> Option<OperationRow> {
        self.ask(async |db| {
            let newest = "SELECT id, kind, state, finished_at IS NOT NULL AS at_rest \
                 FROM operations WHERE id = coalesce(?, id) ORDER BY rowid DESC LIMIT 1";
            let found = sqlx::query(newest).bind(id).fetch_optional(&mut *db).await.unwrap()?;
            let id: String = found.get("id");
            let steps = "SELECT stage, step ->> '$.step' AS name, state FROM operation_steps \
                 WHERE operation = ? ORDER BY seq";
            let steps = sqlx::query(steps).bind(&id).fetch_all(db).await.unwrap();
            let step = |row: &sqlx::sqlite::SqliteRow| StepRow {
                stage: row.get("stage"),
                name: row.get("name"),
                state: row.get("state"),
            };
            Some(OperationRow {
                id,
                kind: found.get("kind"),
                state: found.get("state"),
                at_rest: found.get("at_rest"),
                steps: steps.iter().map(step).collect(),
            })
        })
    }

    /// Ids of operations that are not at rest.
    pub fn unfinished(&self) -> Vec<String> {
        let unfinished = "SELECT id FROM operations WHERE finished_at IS NULL";
        self.ask(async |db| sqlx::query_scalar(unfinished).fetch_all(db).await.unwrap())
    }

    pub fn volumes(&self) -> Vec<VolumeRow> {
        let all = "SELECT id, name, size_gib, pending_op IS NOT NULL AS pending FROM volumes \
             ORDER BY name";
        let rows = self.ask(async |db| sqlx::query(all).fetch_all(db).await.unwrap());
        let volume = |row: &sqlx::sqlite::SqliteRow| VolumeRow {
            id: row.get("id"),
            name: row.get("name"),
            size: row.get("size_gib"),
            pending: row.get("pending"),
        };
        rows.iter().map(volume).collect()
    }
}
