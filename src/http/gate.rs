//! Lets changes pass, or not, by the administrative mode (api.md 5.1).
use super::answer;
use crate::{
    app::{App, Mode},
    error::Error,
};
use axum::{
    extract::{ConnectInfo, Request, State},
    http::Method,
    middleware::Next,
    response::Response,
};
use std::net::{IpAddr, SocketAddr};

pub(super) async fn check(State(app): State<App>, request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let allowed = reads
        || match app.gate.mode() {
            Mode::Normal => true,
            Mode::ReadOnly => false,
            Mode::LocalClient => is_local(&request),
        };
    if allowed {
        return next.run(request).await;
    }
    answer::error(&Error::Maintenance)
}

/// Behind a proxy this is the proxy's address.
fn is_local(request: &Request) -> bool {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    // A socket for both families shows 127.0.0.1 as ::ffff:127.0.0.1.
    let local = |ip: IpAddr| matches!(ip.to_string().as_str(), "127.0.0.1" | "::1");
    peer.is_some_and(|ConnectInfo(address)| local(address.ip().to_canonical()))
}
