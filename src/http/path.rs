//! Paths as they are meant, and the `{id}` in them.
use crate::error::Error;
use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
};
use percent_encoding::percent_decode_str;
use std::str::FromStr;

/// An id that may exist. Hex digits that are no id name nothing, and the answer says just that
/// ("Id not found", which Kubernetes' provisioner compares) - but only after the body was looked
/// at: a body that cannot be read is told first (api.md 8-11). So they are taken for `NOBODY`.
pub(super) struct Id<T>(pub(super) T);

/// An id that nothing ever has: ids are random and their version digit is not 0.
const NOBODY: &str = "00000000000000000000000000000000";

impl<S: Send + Sync, T: FromStr + Send> FromRequestParts<S> for Id<T> {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| Error::id_not_found())?;
        text.parse().or_else(|_| NOBODY.parse()).map(Self).map_err(|_| Error::id_not_found())
    }
}

/// The path with `%xx` resolved, as tokens sign it.
pub(super) fn decoded(path: &str) -> String {
    percent_decode_str(path).decode_utf8_lossy().into_owned()
}
