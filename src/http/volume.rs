//! `/volumes`
use super::{
    answer::{Accepted, Json},
    json::Body,
    path::Id,
};
use crate::{
    api::volume::{
        BlockRestrictionRequest, VolumeCloneRequest, VolumeCreateRequest, VolumeExpandRequest,
        VolumeInfo, VolumeList,
    },
    app::App,
    domain::VolumeId,
    error::Result,
    inventory::volume,
    operation::{CloneVolume, CreateVolume, DeleteVolume, ExpandVolume, RestrictBlockHosting},
};
use axum::{extract::State, http::Method};

pub(super) async fn create(
    State(app): State<App>,
    method: Method,
    Body(request): Body<VolumeCreateRequest>,
) -> Result<Accepted> {
    let id = app.operations.start(CreateVolume::try_from(request)?).await?;
    Ok(Accepted(id, method))
}

pub(super) async fn list(State(app): State<App>) -> Result<Json<VolumeList>> {
    volume::list(&app.store).await.map(Json)
}

pub(super) async fn info(State(app): State<App>, Id(id): Id<VolumeId>) -> Result<Json<VolumeInfo>> {
    volume::info(&app.store, id).await.map(Json)
}

pub(super) async fn remove(
    State(app): State<App>,
    method: Method,
    Id(id): Id<VolumeId>,
) -> Result<Accepted> {
    Ok(Accepted(app.operations.start(DeleteVolume::new(id)).await?, method))
}

pub(super) async fn expand(
    State(app): State<App>,
    method: Method,
    Id(id): Id<VolumeId>,
    Body(request): Body<VolumeExpandRequest>,
) -> Result<Accepted> {
    Ok(Accepted(app.operations.start(ExpandVolume::new(id, request)?).await?, method))
}

pub(super) async fn clone(
    State(app): State<App>,
    method: Method,
    Id(id): Id<VolumeId>,
    Body(request): Body<VolumeCloneRequest>,
) -> Result<Accepted> {
    Ok(Accepted(app.operations.start(CloneVolume::new(id, request)?).await?, method))
}

pub(super) async fn restrict(
    State(app): State<App>,
    method: Method,
    Id(id): Id<VolumeId>,
    Body(request): Body<BlockRestrictionRequest>,
) -> Result<Accepted> {
    let operation = RestrictBlockHosting::new(id, &request)?;
    Ok(Accepted(app.operations.start(operation).await?, method))
}
