//! Administrative modes: who may change anything at present (api.md 5.1).
use super::answer;
use crate::{app::App, error::Error};
use axum::{
    extract::{ConnectInfo, Request, State},
    http::Method,
    middleware::Next,
    response::Response,
};
use std::{
    net::{IpAddr, SocketAddr},
    str::FromStr,
    sync::atomic::{AtomicU8, Ordering},
};

/// What is allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Everything.
    #[default]
    Normal,
    /// Changes only from this machine.
    LocalClient,
    /// No changes; only a signal or a restart ends it.
    ReadOnly,
}

impl Mode {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::LocalClient => "local-client",
            Self::ReadOnly => "read-only",
        }
    }
}

/// The word is no mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a valid value")]
pub struct UnknownMode;

impl FromStr for Mode {
    type Err = UnknownMode;
    fn from_str(text: &str) -> Result<Self, UnknownMode> {
        match text {
            "normal" => Ok(Self::Normal),
            "local-client" => Ok(Self::LocalClient),
            "read-only" => Ok(Self::ReadOnly),
            _ => Err(UnknownMode),
        }
    }
}

/// The present mode: in memory only, as with Heketi.
#[derive(Debug, Default)]
pub struct Gate(AtomicU8);

impl Gate {
    /// Starts in this mode.
    #[must_use]
    pub fn new(mode: Mode) -> Self {
        let gate = Self::default();
        gate.set(mode);
        gate
    }
    /// What is allowed now.
    #[must_use]
    pub fn mode(&self) -> Mode {
        match self.0.load(Ordering::SeqCst) {
            1 => Mode::LocalClient,
            2 => Mode::ReadOnly,
            _ => Mode::Normal,
        }
    }
    /// Changes what is allowed, from the next request on.
    pub fn set(&self, mode: Mode) {
        let number = match mode {
            Mode::Normal => 0,
            Mode::LocalClient => 1,
            Mode::ReadOnly => 2,
        };
        self.0.store(number, Ordering::SeqCst);
    }
}

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
