//! `/blockvolumes`
use super::{
    answer::{Accepted, Json},
    json::Body,
    path::Id,
};
use crate::{
    api::block_volume::{
        BlockVolumeCreateRequest, BlockVolumeExpandRequest, BlockVolumeInfo, BlockVolumeList,
    },
    app::App,
    domain::BlockVolumeId,
    error::Result,
    inventory::block_volume,
    operation::{CreateBlockVolume, DeleteBlockVolume, ExpandBlockVolume},
};
use axum::{extract::State, http::Method};

pub(super) async fn create(
    State(app): State<App>,
    method: Method,
    Body(request): Body<BlockVolumeCreateRequest>,
) -> Result<Accepted> {
    let id = app.operations.start(CreateBlockVolume::try_from(request)?).await?;
    Ok(Accepted(id, method))
}

pub(super) async fn list(State(app): State<App>) -> Result<Json<BlockVolumeList>> {
    block_volume::list(&app.store).await.map(Json)
}

pub(super) async fn info(
    State(app): State<App>,
    Id(id): Id<BlockVolumeId>,
) -> Result<Json<BlockVolumeInfo>> {
    block_volume::info(&app.store, id).await.map(Json)
}

pub(super) async fn remove(
    State(app): State<App>,
    method: Method,
    Id(id): Id<BlockVolumeId>,
) -> Result<Accepted> {
    Ok(Accepted(app.operations.start(DeleteBlockVolume::new(id)).await?, method))
}

pub(super) async fn expand(
    State(app): State<App>,
    method: Method,
    Id(id): Id<BlockVolumeId>,
    Body(request): Body<BlockVolumeExpandRequest>,
) -> Result<Accepted> {
    Ok(Accepted(app.operations.start(ExpandBlockVolume::new(id, request)?).await?, method))
}
