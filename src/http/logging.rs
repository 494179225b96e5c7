//! `/internal/logging`: how much is logged, while the server runs.
use super::{answer::Json, json::LIMIT};
use crate::{
    api::logging::{LOGGER, LogLevels},
    app::App,
    error::{Error, Result},
    lenient,
    telemetry::Level,
};
use axum::{
    body::Bytes,
    extract::{State, rejection::BytesRejection},
};

pub(super) async fn get(State(app): State<App>) -> Json<LogLevels> {
    Json(LogLevels::of(app.logging.level().as_str()))
}

/// A body that cannot be read is 400 with the reason here, as in `/admin` (api.md 13). Other
/// loggers are passed over, and an empty word leaves the level as it is.
pub(super) async fn set(
    State(app): State<App>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<LogLevels>> {
    let body = body.map_err(|_| Error::TooLarge(LIMIT))?;
    let request: LogLevels = lenient::from_slice(&body)
        .map_err(|e| Error::Invalid(format!("request unable to be parsed: {e}")))?;
    let only = || Error::Senseless(format!("Only \"{LOGGER}\" logger may be modified"));
    let word = request.level().ok_or_else(only)?;
    if !word.is_empty() {
        let unknown = |_| Error::Senseless(format!("invalid log level: {word}"));
        app.logging.set(word.parse::<Level>().map_err(unknown)?)?;
    }
    Ok(get(State(app)).await)
}
