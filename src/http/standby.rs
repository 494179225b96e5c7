//! What a server answers while another one works: that it is alive, and who works.
use crate::{
    error::Error,
    metrics::{CONTENT_TYPE, Exposition},
    scrape,
};
use axum::{
    Router,
    extract::Request,
    http::{Method, header},
    response::{IntoResponse, Response},
    serve::Listener,
};
use std::io;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Answers until `stop` is cancelled. Nothing is read or changed: 503, with the name of the server
/// that works as `leader` says it.
///
/// # Errors
/// The listener fails.
pub async fn serve<L>(
    listener: L,
    leader: watch::Receiver<String>,
    stop: CancellationToken,
) -> io::Result<()>
where
    L: Listener,
    L::Addr: std::fmt::Debug,
{
    let answered = Router::new().fallback(move |request: Request| {
        let leader = leader.clone();
        async move { answered(&request, &leader.borrow()) }
    });
    let stopped = stop.clone();
    let server = axum::serve(listener, answered)
        .with_graceful_shutdown(async move { stopped.cancelled().await });
    tokio::select! {
        served = server => served,
        // Whoever keeps a connection open is not waited for.
        () = stop.cancelled() => Ok(()),
    }
}

fn answered(request: &Request, leader: &str) -> Response {
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/hello") => super::layers::hello(),
        (&Method::GET, "/metrics") => metrics().unwrap_or_else(IntoResponse::into_response),
        _ if leader.is_empty() => {
            Error::StandsBy("none works at the moment".into()).into_response()
        }
        _ => Error::StandsBy(format!("{leader} works")).into_response(),
    }
}

fn metrics() -> Result<Response, Error> {
    let mut text = Exposition::default();
    scrape::leads(&mut text, false);
    let text = text.text().map_err(|error| Error::Record(error.to_string()))?;
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response())
}
