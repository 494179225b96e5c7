//! Bodies of requests, whatever their content type says.
use crate::{error::Error, lenient};
use axum::{
    body::Bytes,
    extract::{FromRequest, Request, rejection::BytesRejection},
    http::{StatusCode, header},
    response::IntoResponse,
};
use serde::de::DeserializeOwned;

/// The most that a request may send. The largest known one, a volume with hundreds of options,
/// stays far below.
pub const LIMIT: usize = 1024 * 1024;

/// A body that must be there.
pub(super) struct Body<T>(pub(super) T);

/// A body that may be missing; it is only looked at when its length is announced (api.md 10.3).
pub(super) struct OptionalBody<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Error;
    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        parse(&bytes(request, state).await?).map(Self)
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for OptionalBody<T> {
    type Rejection = Error;
    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        let length = request.headers().get(header::CONTENT_LENGTH);
        if length.is_none_or(|length| length.as_bytes() == b"0") {
            return Ok(Self(T::default()));
        }
        parse(&bytes(request, state).await?).map(Self)
    }
}

fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, Error> {
    lenient::from_slice(text).map_err(|e| Error::Unparsable(e.to_string()))
}

async fn bytes<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Error> {
    Bytes::from_request(request, state).await.map_err(|rejection: BytesRejection| {
        match rejection.into_response().status() {
            StatusCode::PAYLOAD_TOO_LARGE => Error::TooLarge(LIMIT),
            _ => Error::Unparsable("the body could not be read".into()),
        }
    })
}
