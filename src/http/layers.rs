//! What every request passes on its way in, in Heketi's order (api.md 1): panics are caught, the
//! request is logged, the token, the role and the mode are checked, then comes the route.
use super::{
    answer::{self, no_such_method, no_such_path},
    auth, gate, metrics,
    path::decoded,
    routes,
};
use crate::{app::App, error::Error};
use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, Uri, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::{
    any::Any,
    time::{Duration, Instant},
};
use tower::ServiceExt;
use tower_http::catch_panic::CatchPanicLayer;

const TEXT: &str = "text/plain; charset=UTF-8";
/// A backup that takes longer than this is in trouble.
const KEPT: Duration = Duration::from_secs(20);

/// `/hello`, `/ready` and `/metrics` stand outside; everything else goes through the layers.
pub(super) fn outer(inner: Router, app: App) -> Router {
    let guarded = Router::new()
        .fallback(move |request: Request| quirks(inner.clone(), request))
        .layer(middleware::from_fn_with_state(app.clone(), kept))
        .layer(middleware::from_fn_with_state(app.clone(), gate::check))
        .layer(middleware::from_fn_with_state(app.clone(), auth::check))
        .layer(middleware::from_fn(log))
        .layer(CatchPanicLayer::custom(panicked));
    Router::new().fallback(move |request: Request| {
        let (guarded, app) = (guarded.clone(), app.clone());
        async move {
            // Only GET itself, and not HEAD with it: anything else is a request like any other.
            if *request.method() == Method::GET {
                match decoded(request.uri().path()).as_ref() {
                    "/hello" => return hello(),
                    // A server that stands by answers this with 503 (see `standby`).
                    "/ready" => return ([(header::CONTENT_TYPE, TEXT)], "ready\n").into_response(),
                    "/metrics" => return metrics::scrape(State(app)).await.into_response(),
                    _ => {}
                }
            }
            guarded.oneshot(request).await.into_response()
        }
    })
}

pub(super) fn hello() -> Response {
    let text = [(header::CONTENT_TYPE, TEXT)];
    (text, "Hello from Heketi").into_response()
}

/// Nothing is told that a power cut could make untrue, or, where several servers stand ready, that the next
/// one would not know.
async fn kept(State(app): State<App>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    match tokio::time::timeout(KEPT, app.store.until_kept()).await {
        Ok(()) => response,
        Err(_) => answer::error(&match app.store.barred() {
            Some(why) => Error::Barred(why.to_owned()),
            None => Error::NotKept(app.backup.shown().error),
        }),
    }
}

async fn log(request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let started = Instant::now();
    let response = next.run(request).await;
    let (status, elapsed_ms) = (response.status().as_u16(), started.elapsed().as_millis());
    let reason = response.extensions().get().map(|answer::Reason(text)| text.as_str());
    // Polling would drown everything else.
    if path.starts_with("/queue/") && status < 300 {
        tracing::debug!(%method, path, status, elapsed_ms, "request");
    } else {
        tracing::info!(%method, path, status, elapsed_ms, reason, "request");
    }
    response
}

fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    tracing::error!("a handler panicked; this is a defect, please report it");
    answer::error(&Error::Refused("internal error, see the server's log".into()))
}

/// Cleans paths, and tells unknown paths from unknown methods as Heketi's router does.
async fn quirks(routes: Router, mut request: Request) -> Response {
    let path = decoded(request.uri().path());
    let clean = cleaned(&path);
    if clean != path {
        return moved(request.method(), &clean);
    }
    if let Some(shorter) = path.strip_suffix('/').filter(|p| routes::is_known(p)) {
        return moved(request.method(), shorter);
    }
    if !routes::is_known(&path) {
        return no_such_path().await;
    }
    if request.method() == Method::HEAD {
        return no_such_method().await;
    }
    // Heketi's router sees `/%63lusters` as `/clusters`; ours compares what it is given. A known
    // path has only letters that need no escape.
    match Uri::try_from(path) {
        Ok(uri) => *request.uri_mut() = uri,
        Err(_) => return no_such_path().await,
    }
    let mut response = routes.oneshot(request).await.into_response();
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().remove(header::ALLOW);
    }
    response
}

/// Without double slashes and dot segments; a closing slash stays.
fn cleaned(path: &str) -> String {
    let mut kept: Vec<&str> = vec![];
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(kept.pop()),
            other => kept.push(other),
        }
    }
    let close = if path.ends_with('/') && !kept.is_empty() { "/" } else { "" };
    format!("/{}{close}", kept.join("/"))
}

/// What stands in a path as it is. A backslash does not: browsers would take `/\host` for another
/// server.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b':')
    .remove(b'@')
    .remove(b'=')
    .remove(b'+')
    .remove(b',')
    .remove(b'$')
    .remove(b'&');

fn moved(method: &Method, to: &str) -> Response {
    let to = utf8_percent_encode(to, ESCAPED).to_string();
    let location = HeaderValue::try_from(&to).unwrap_or(HeaderValue::from_static("/"));
    let mut response = StatusCode::MOVED_PERMANENTLY.into_response();
    response.headers_mut().insert(header::LOCATION, location);
    if method == Method::GET {
        answer::link(&mut response, &to, "Moved Permanently");
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What went wrong is for the log, not for whoever asked.
    #[tokio::test]
    async fn a_panic_is_an_answer() {
        let defect = async || -> Response { panic!("a secret of the server") };
        let router: Router =
            Router::new().fallback(defect).layer(CatchPanicLayer::custom(panicked));
        let answer = router.oneshot(Request::new(axum::body::Body::empty())).await.unwrap();
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let body = axum::body::to_bytes(answer.into_body(), 1000).await.unwrap();
        assert_eq!(&body[..], b"internal error, see the server's log\n");
    }

    #[test]
    fn paths_are_cleaned() {
        for (path, clean) in [
            ("/clusters", "/clusters"),
            ("/clusters/", "/clusters/"),
            ("//clusters", "/clusters"),
            ("/a/../clusters/./x", "/clusters/x"),
            ("/..", "/"),
            ("/", "/"),
        ] {
            assert_eq!(cleaned(path), clean, "{path}");
        }
    }
}
