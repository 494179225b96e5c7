//! `/devices`
use super::{
    answer::{Accepted, Json},
    json::{Body, OptionalBody},
    path::Id,
};
use crate::{
    api::{
        device::{DeviceAddRequest, DeviceDeleteRequest, DeviceInfo},
        node::{StateRequest, TagsChangeRequest},
    },
    app::App,
    domain::{DeviceId, Tags},
    error::Result,
    inventory::device,
    operation::{AddDevice, DeleteDevice, ResyncDevice, SetDeviceState},
};
use axum::{extract::State, http::Method};

pub(super) async fn add(
    State(app): State<App>,
    method: Method,
    Body(request): Body<DeviceAddRequest>,
) -> Result<Accepted> {
    let id = app.operations.start(AddDevice::try_from(request)?).await?;
    Ok(Accepted(id, method))
}

pub(super) async fn info(State(app): State<App>, Id(id): Id<DeviceId>) -> Result<Json<DeviceInfo>> {
    device::info(&app.store, id).await.map(Json)
}

pub(super) async fn remove(
    State(app): State<App>,
    method: Method,
    Id(id): Id<DeviceId>,
    OptionalBody(request): OptionalBody<DeviceDeleteRequest>,
) -> Result<Accepted> {
    let delete = DeleteDevice::new(id, request.forceforget);
    Ok(Accepted(app.operations.start(delete).await?, method))
}

pub(super) async fn set_state(
    State(app): State<App>,
    method: Method,
    Id(id): Id<DeviceId>,
    Body(request): Body<StateRequest>,
) -> Result<Accepted> {
    Ok(Accepted(app.operations.start(SetDeviceState::request(id, &request)?).await?, method))
}

pub(super) async fn resync(
    State(app): State<App>,
    method: Method,
    Id(id): Id<DeviceId>,
) -> Result<Accepted> {
    Ok(Accepted(app.operations.start(ResyncDevice::new(id)).await?, method))
}

pub(super) async fn change_tags(
    State(app): State<App>,
    Id(id): Id<DeviceId>,
    Body(change): Body<TagsChangeRequest>,
) -> Result<Json<Tags>> {
    device::change_tags(&app.store, id, change).await.map(Json)
}
