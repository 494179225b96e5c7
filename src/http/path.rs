//! The `{id}` of a path.
use crate::error::Error;
use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
};
use std::str::FromStr;

/// An id that may exist. Hex digits that are no id name nothing, and the answer says just that:
/// Kubernetes' provisioner compares it.
pub(super) struct Id<T>(pub(super) T);

impl<S: Send + Sync, T: FromStr + Send> FromRequestParts<S> for Id<T> {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| Error::id_not_found())?;
        text.parse().map(Self).map_err(|_| Error::id_not_found())
    }
}
