//! In: from HTTP to one call, and back.
//!
//! A handler unpacks, calls one operation or one inventory function, and wraps; what is common to
//! all requests (limits, tokens, modes, routing quirks) stands in layers around them.
mod admin;
mod answer;
mod auth;
mod backup;
mod brick;
mod block_volume;
pub mod certificate;
mod cluster;
mod database;
mod device;
mod examination;
mod gate;
mod json;
mod layers;
mod logging;
mod metrics;
mod node;
mod operation;
mod path;
mod queue;
mod reality;
mod routes;
pub mod server;
pub mod standby;
pub mod tls;
mod volume;

pub use json::LIMIT as BODY_LIMIT;
pub use routes::paths;

use crate::app::App;
use axum::Router;

/// The whole service, ready to be served.
pub fn router(app: App) -> Router {
    layers::outer(routes::inner(app.clone()), app)
}
