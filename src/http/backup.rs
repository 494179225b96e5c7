//! `/backup`: how the backups to Kubernetes Secrets are doing.
use super::answer::Json;
use crate::{api::backup::BackupStatus, app::App};
use axum::extract::State;

pub(super) async fn status(State(app): State<App>) -> Json<BackupStatus> {
    Json(app.backup.shown())
}
