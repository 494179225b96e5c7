//! `/clusters`
use super::{answer::Json, json::Body, path::Id};
use crate::{
    api::cluster::{ClusterFlags, ClusterInfo, ClusterList},
    app::App,
    domain::ClusterId,
    error::Result,
    inventory::cluster,
};
use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

pub(super) async fn create(
    State(app): State<App>,
    Body(flags): Body<ClusterFlags>,
) -> Result<(StatusCode, Json<ClusterInfo>)> {
    Ok((StatusCode::CREATED, Json(cluster::create(&app.store, flags).await?)))
}

pub(super) async fn list(State(app): State<App>) -> Result<Json<ClusterList>> {
    cluster::list(&app.store).await.map(Json)
}

pub(super) async fn info(
    State(app): State<App>,
    Id(id): Id<ClusterId>,
) -> Result<Json<ClusterInfo>> {
    cluster::info(&app.store, id).await.map(Json)
}

/// A JSON content type without any JSON, as Heketi answers.
pub(super) async fn set_flags(
    State(app): State<App>,
    Id(id): Id<ClusterId>,
    Body(flags): Body<ClusterFlags>,
) -> Result<Response> {
    cluster::set_flags(&app.store, id, flags).await?;
    Ok([(header::CONTENT_TYPE, "application/json; charset=UTF-8")].into_response())
}

pub(super) async fn remove(State(app): State<App>, Id(id): Id<ClusterId>) -> Result<StatusCode> {
    cluster::delete(&app.store, id).await?;
    Ok(StatusCode::OK)
}
