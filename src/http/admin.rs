//! `/admin`
use super::{answer::Json, json::LIMIT};
use crate::{
    api::admin::AdminState,
    app::{App, Mode},
    error::{Error, Result},
    lenient,
    validate::{self, Problems},
};
use axum::{body::Bytes, extract::State, http::StatusCode};

pub(super) async fn get(State(app): State<App>) -> Json<AdminState> {
    Json(AdminState { state: app.gate.mode().as_str().to_owned() })
}

/// A body that cannot be read is 400 with the reason here, and not 422 (api.md 13).
pub(super) async fn set(
    State(app): State<App>,
    body: Result<Bytes, axum::extract::rejection::BytesRejection>,
) -> Result<StatusCode> {
    let body = body.map_err(|_| Error::TooLarge(LIMIT))?;
    let request: AdminState = lenient::from_slice(&body)
        .map_err(|e| Error::Invalid(format!("request unable to be parsed: {e}")))?;
    let word = request.state.as_str();
    let modes = [Mode::Normal, Mode::LocalClient, Mode::ReadOnly].map(Mode::as_str);
    let otherwise = || "must be a valid value".to_owned();
    Problems::default().field("state", validate::required_word(word, &modes, otherwise)).check()?;
    let mode = word.parse::<Mode>().map_err(|e| Error::Invalid(e.to_string()))?;
    app.change_mode(mode).await?;
    tracing::warn!(mode = word, "administrative mode changed");
    Ok(StatusCode::NO_CONTENT)
}
