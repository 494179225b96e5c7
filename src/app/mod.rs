//! The application: everything a request may need, built once in `main`.
mod keys;
mod mode;

pub use keys::{IAT_LEEWAY, Keys};
pub use mode::{Gate, Mode, UnknownMode};

use crate::{
    backup,
    error::Result,
    kube::persistent::PersistentVolumes,
    operation::Operations,
    store::{self, Store},
    telemetry::Logging,
};
use std::{ops::Deref, sync::Arc};

/// Shared by all requests.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// What the application is made of.
pub struct Parts {
    /// What is known.
    pub store: Store,
    /// What is being done.
    pub operations: Operations,
    /// What is allowed at present.
    pub gate: Gate,
    /// Several servers stand ready, and this one works.
    pub elected: bool,
    /// What Kubernetes knows of volumes, if `check` is to compare that.
    pub persistent_volumes: Option<PersistentVolumes>,
    /// How the backups are doing.
    pub backup: backup::Status,
    /// How much is logged.
    pub logging: Logging,
    /// Whose tokens are taken; none when authentication is off.
    pub keys: Option<Keys>,
}

impl App {
    /// An application of these parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// Changes what is allowed, from the next request on. Where several servers stand ready it is
    /// written down first, so that it also holds for whoever takes over.
    ///
    /// # Errors
    /// It could not be written down; then nothing has changed.
    ///
    /// # Cancel safety
    /// What was begun is done: otherwise a mode could be written down that does not hold.
    pub async fn change_mode(&self, mode: Mode) -> Result<()> {
        let this = self.clone();
        let change = async move {
            // What is written last holds last, whoever else changes it at the same time.
            let _turn = this.gate.turn().await;
            if this.elected {
                store::mode::set(&this.store, mode.as_str()).await?;
            }
            this.gate.set(mode);
            Ok(())
        };
        self.store.whole(change).await
    }
}

impl Deref for App {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.0
    }
}
