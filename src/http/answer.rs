//! Answers in Heketi's form: JSON with its escapes, plain text errors, accepted operations.
use crate::{api, domain::OperationId, error::Error};
use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

/// Seconds after which a client that was turned away may ask again.
const COME_BACK: HeaderValue = HeaderValue::from_static("10");

/// A value as JSON, ended by a line break.
pub(super) struct Json<T>(pub(super) T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        let json = [(header::CONTENT_TYPE, "application/json; charset=UTF-8")];
        match api::json::compact(&self.0) {
            Ok(text) => (json, format!("{text}\n")).into_response(),
            Err(e) => error(&Error::Record(e.to_string())),
        }
    }
}

/// JSON that is text already, without a line break at its end.
pub(super) struct Text(pub(super) String);

impl IntoResponse for Text {
    fn into_response(self) -> Response {
        let json = [(header::CONTENT_TYPE, "application/json; charset=UTF-8")];
        (json, self.0 + "\n").into_response()
    }
}

/// A file to be kept by this name.
pub(super) struct Download {
    pub(super) name: &'static str,
    pub(super) content: Bytes,
}

impl IntoResponse for Download {
    fn into_response(self) -> Response {
        let headers = [
            (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
            (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{}\"", self.name)),
        ];
        (headers, self.content).into_response()
    }
}

/// Why a request was turned away, for the line of the log that tells of it: whoever asks on behalf of
/// others, as Kubernetes does, shows it to nobody.
#[derive(Clone)]
pub(super) struct Reason(pub(super) String);

/// An error: its status and its text, ended by a line break.
pub(super) fn error(error: &Error) -> Response {
    if error.status() == 500 {
        tracing::warn!(%error, "answered 500");
    }
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    let mut response = (status, headers, format!("{error}\n")).into_response();
    if matches!(error, Error::Busy | Error::ShuttingDown | Error::StandsBy(_) | Error::NotKept(_)) {
        response.headers_mut().insert(header::RETRY_AFTER, COME_BACK);
    }
    if status.is_client_error() {
        response.extensions_mut().insert(Reason(error.to_string()));
    }
    response
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        if let Self::Unparsable(detail) = &self {
            tracing::info!(detail, "request unable to be parsed");
        }
        error(&self)
    }
}

/// An operation that goes on in the background: 202 and where to ask for it.
pub(super) struct Accepted(pub(super) OperationId, pub(super) Method);

impl IntoResponse for Accepted {
    fn into_response(self) -> Response {
        let Self(id, method) = self;
        let to = format!("/queue/{id}");
        let mut response = (StatusCode::ACCEPTED, located(&to), Body::empty()).into_response();
        if method == Method::GET {
            link(&mut response, &to, "Accepted");
        }
        response
    }
}

/// A `Location` header.
pub(super) fn located(to: &str) -> [(header::HeaderName, HeaderValue); 1] {
    let value = HeaderValue::try_from(to).unwrap_or(HeaderValue::from_static("/"));
    [(header::LOCATION, value)]
}

/// The small page that Go's server adds to answers with a `Location`.
pub(super) fn link(response: &mut Response, to: &str, words: &str) {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    let to =
        to.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&#34;");
    *response.body_mut() = Body::from(format!("<a href=\"{to}\">{words}</a>.\n\n"));
}

/// No route has this path.
pub(super) async fn no_such_path() -> Response {
    error(&Error::NotFound("Invalid path or request".into()))
}

/// The path is known, the method is not.
pub(super) async fn no_such_method() -> Response {
    (StatusCode::METHOD_NOT_ALLOWED, Body::empty()).into_response()
}
