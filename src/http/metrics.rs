//! `/metrics`: outside of all layers, for everybody, like `/hello` (api.md 1).
use crate::{app::App, error::Result, metrics::CONTENT_TYPE, scrape};
use axum::{extract::State, http::header, response::IntoResponse};

pub(super) async fn scrape(State(app): State<App>) -> Result<impl IntoResponse> {
    let text = scrape::text(&app).await?;
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], text))
}
