//! `/operations`
use super::{
    answer::{Accepted, Json},
    json::Body,
    path::Id,
};
use crate::{
    api::operation::{CleanUpRequest, OperationCounts, PendingOperationInfo, PendingOperations},
    app::App,
    domain::OperationId,
    error::Result,
    operation::CleanUp,
};
use axum::{
    extract::State,
    http::{Method, StatusCode},
};

pub(super) async fn counts(State(app): State<App>) -> Result<Json<OperationCounts>> {
    app.operations.counts().await.map(Json)
}

pub(super) async fn list(State(app): State<App>) -> Result<Json<PendingOperations>> {
    app.operations.pending().await.map(Json)
}

pub(super) async fn info(
    State(app): State<App>,
    Id(id): Id<OperationId>,
) -> Result<Json<PendingOperationInfo>> {
    app.operations.pending_info(id).await.map(Json)
}

/// Heketi has no such call: an operation that has not passed its point of no return is called off.
pub(super) async fn cancel(State(app): State<App>, Id(id): Id<OperationId>) -> Result<StatusCode> {
    app.operations.cancel(id).await.map(|()| StatusCode::NO_CONTENT)
}

pub(super) async fn clean_up(
    State(app): State<App>,
    method: Method,
    Body(request): Body<CleanUpRequest>,
) -> Result<Accepted> {
    let id = app.operations.start(CleanUp::try_from(request)?).await?;
    Ok(Accepted(id, method))
}
