//! `/bricks`
use super::{answer::Accepted, json::OptionalBody, path::Id};
use crate::{
    api::brick::BrickEvictRequest, app::App, domain::BrickId, error::Result, operation::EvictBrick,
};
use axum::{extract::State, http::Method};

pub(super) async fn evict(
    State(app): State<App>,
    method: Method,
    Id(id): Id<BrickId>,
    OptionalBody(request): OptionalBody<BrickEvictRequest>,
) -> Result<Accepted> {
    Ok(Accepted(app.operations.start(EvictBrick::new(id, &request)?).await?, method))
}
