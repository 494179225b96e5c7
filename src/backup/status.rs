//! How the backups are doing, for metrics and the API.
use super::bundle::{Described, LIMIT};
use crate::{api::backup::BackupStatus, metrics::Exposition};
use jiff::Timestamp;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is known of the backups. Clones tell the same.
#[derive(Clone, Debug, Default)]
pub struct Status(Arc<Mutex<State>>);

#[derive(Clone, Debug, Default)]
struct State {
    /// Namespace and name of the Secret; none when no backups are made.
    secret: Option<String>,
    saved: Option<Described>,
    saved_at: Option<Timestamp>,
    /// Since when the database has had something that no backup has.
    behind_since: Option<Timestamp>,
    /// Why the last attempt failed, if it did.
    failing: Option<String>,
    failures: u64,
}

impl Status {
    /// Backups are made, to this Secret.
    pub fn on(&self, secret: String) {
        self.state().secret = Some(secret);
    }
    /// Something was written that no backup has.
    pub fn behind(&self) {
        self.state().behind_since.get_or_insert_with(Timestamp::now);
    }
    /// All that there was at this time is saved, by this backup if one was needed. Whether it
    /// failed before.
    pub(super) fn saved(&self, since: Timestamp, described: Option<Described>) -> bool {
        let mut state = self.state();
        state.behind_since = state.behind_since.filter(|&behind| behind > since);
        if described.is_some() {
            state.saved = described;
        }
        state.saved_at = Some(Timestamp::now());
        state.failing.take().is_some()
    }
    /// An attempt failed. Whether that is news.
    pub(super) fn failed(&self, why: String) -> bool {
        let mut state = self.state();
        state.failures += 1;
        state.failing.replace(why).is_none()
    }
    /// As the API shows it.
    #[must_use]
    pub fn shown(&self) -> BackupStatus {
        let state = self.state();
        let saved = state.saved.as_ref();
        let word = match (&state.secret, &state.failing, state.behind_since, saved) {
            (None, ..) => "off",
            (_, Some(_), ..) => "failing",
            (_, _, None, Some(_)) => "saved",
            _ => "behind",
        };
        BackupStatus {
            state: word.into(),
            secret: state.secret.clone().unwrap_or_default(),
            number: saved.map_or(0, |backup| backup.number),
            taken_at: saved.map(|backup| backup.taken_at),
            saved_at: state.saved_at,
            behind_since: state.behind_since,
            size: saved.map_or(0, |backup| backup.size),
            limit: LIMIT as u64,
            secrets: saved.map_or(0, |backup| backup.parts.len() as u64 + 1),
            failures: state.failures,
            error: state.failing.clone().unwrap_or_default(),
        }
    }
    /// Shows the numbers in a scrape; none when no backups are made.
    pub fn show(&self, text: &mut Exposition) {
        let status = self.shown();
        if status.state == "off" {
            return;
        }
        let behind = status
            .behind_since
            .map_or(0.0, |since| Timestamp::now().duration_since(since).as_secs_f64().max(0.0));
        text.gauge(
            "brickyard_backup_behind_seconds",
            "How long the database has had something that the backup does not have; 0 when it has \
             all",
            behind,
        );
        text.gauge(
            "brickyard_backup_failing",
            "Whether the last attempt to write a backup failed: 1 or 0",
            f64::from(u8::from(status.state == "failing")),
        );
        text.counter(
            "brickyard_backup_failures_total",
            "Attempts to write a backup that failed since the server started",
            number(status.failures),
        );
        text.gauge(
            "brickyard_backup_limit_bytes",
            "Size of the largest backup that can be kept in Secrets",
            number(status.limit),
        );
        if let Some(saved_at) = status.saved_at {
            text.gauge(
                "brickyard_backup_last_success_timestamp_seconds",
                "When the backup was last known to have all, in seconds since 1970",
                number(saved_at.as_second().unsigned_abs()),
            );
            text.gauge(
                "brickyard_backup_size_bytes",
                "Size of the backup, compressed",
                number(status.size),
            );
        }
    }
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[expect(clippy::cast_precision_loss, reason = "every number is a float for Prometheus")]
fn number(whole: u64) -> f64 {
    whole as f64
}
