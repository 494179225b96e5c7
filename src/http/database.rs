//! `/db/dump`, `/db/check` and `/backup/db`
use super::answer::{Download, Text};
use crate::{app::App, database, error::Result};
use axum::extract::State;

pub(super) async fn dump(State(app): State<App>) -> Result<Text> {
    database::dump_text(&app.store).await.map(Text)
}

pub(super) async fn check(State(app): State<App>) -> Result<Text> {
    database::check_text(&app.store).await.map(Text)
}

/// Heketi's file is of BoltDB: ours has a name of its own, so that nobody takes it for that.
pub(super) async fn backup(State(app): State<App>) -> Result<Download> {
    let content = app.store.copy().await?;
    Ok(Download { name: "brickyard.db", content })
}
