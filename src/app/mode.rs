//! Administrative modes: who may change anything at present (api.md 5.1).
use std::{
    str::FromStr,
    sync::atomic::{AtomicU8, Ordering},
};
use tokio::sync::{Mutex, MutexGuard};

/// What is allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Everything.
    #[default]
    Normal,
    /// Changes only from this machine.
    LocalClient,
    /// No changes; only a signal ends it, or the restart of a server that is alone.
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

/// The present mode: in memory only, as with Heketi, but where several servers stand ready (see
/// [`super::App::change_mode`]).
#[derive(Debug, Default)]
pub struct Gate {
    present: AtomicU8,
    changes: Mutex<()>,
}

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
        match self.present.load(Ordering::SeqCst) {
            1 => Mode::LocalClient,
            2 => Mode::ReadOnly,
            _ => Mode::Normal,
        }
    }
    /// One change at a time: waits for its turn, which lasts as long as what is returned.
    pub(super) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.changes.lock().await
    }
    /// Changes what is allowed, from the next request on.
    pub fn set(&self, mode: Mode) {
        let number = match mode {
            Mode::Normal => 0,
            Mode::LocalClient => 1,
            Mode::ReadOnly => 2,
        };
        self.present.store(number, Ordering::SeqCst);
    }
}
