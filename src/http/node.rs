//! `/nodes`
use super::{
    answer::{Accepted, Json},
    json::Body,
    path::Id,
};
use crate::{
    api::node::{NodeAddRequest, NodeWithHealth, StateRequest, TagsChangeRequest},
    app::App,
    domain::{NodeId, Tags},
    error::Result,
    inventory::node,
    monitor,
    operation::{AddNode, DeleteNode, SetNodeState},
};
use axum::{extract::State, http::Method};

pub(super) async fn add(
    State(app): State<App>,
    method: Method,
    Body(request): Body<NodeAddRequest>,
) -> Result<Accepted> {
    let id = app.operations.start(AddNode::try_from(request)?).await?;
    Ok(Accepted(id, method))
}

pub(super) async fn info(
    State(app): State<App>,
    Id(id): Id<NodeId>,
) -> Result<Json<NodeWithHealth>> {
    monitor::node(&app.store, app.operations.nodes(), id).await.map(Json)
}

pub(super) async fn remove(
    State(app): State<App>,
    method: Method,
    Id(id): Id<NodeId>,
) -> Result<Accepted> {
    Ok(Accepted(app.operations.start(DeleteNode::new(id)).await?, method))
}

pub(super) async fn set_state(
    State(app): State<App>,
    method: Method,
    Id(id): Id<NodeId>,
    Body(request): Body<StateRequest>,
) -> Result<Accepted> {
    Ok(Accepted(app.operations.start(SetNodeState::request(id, &request)?).await?, method))
}

pub(super) async fn change_tags(
    State(app): State<App>,
    Id(id): Id<NodeId>,
    Body(change): Body<TagsChangeRequest>,
) -> Result<Json<Tags>> {
    node::change_tags(&app.store, id, change).await.map(Json)
}
