//! `/internal/state/check` and `/internal/state/repair`
use super::{
    answer::{Accepted, Text},
    json::Body,
};
use crate::{api::reality::RepairRequest, app::App, error::Result, reality};
use axum::{extract::State, http::Method};

pub(super) async fn check(State(app): State<App>) -> Result<Text> {
    let kubernetes = app.persistent_volumes.as_ref();
    reality::check_text(&app.store, app.operations.nodes(), kubernetes).await.map(Text)
}

pub(super) async fn repair(
    State(app): State<App>,
    method: Method,
    Body(request): Body<RepairRequest>,
) -> Result<Accepted> {
    let started = reality::repair(&app.store, &app.operations, &request).await?;
    Ok(Accepted(started, method))
}
