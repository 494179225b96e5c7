//! How operations end, and after which time.
use super::{Exposition, counter, histogram};
use prometheus::{HistogramVec, IntCounterVec};
use std::time::Duration;

/// How an operation came to rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It reached its aim.
    Done,
    /// It took everything back.
    Failed,
    /// It can go neither way now, and will be tried again: one operation may count several times.
    Stuck,
    /// It was never accepted.
    Refused,
}

impl Ending {
    fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Stuck => "stuck",
            Self::Refused => "refused",
        }
    }
}

/// Counts and durations by kind and ending. Clones count into the same numbers.
#[derive(Clone, Debug)]
pub struct OperationTimes {
    endings: IntCounterVec,
    durations: HistogramVec,
}

impl Default for OperationTimes {
    fn default() -> Self {
        const BUCKETS: [f64; 11] =
            [0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 3600.0];
        Self {
            endings: counter(
                "brickyard_operations_total",
                "Operations that came to rest since the server started, by kind and outcome; \
                 stuck ones are tried again and counted each time, refused ones never began",
                &["kind", "outcome"],
            ),
            durations: histogram(
                "brickyard_operation_duration_seconds",
                "Time from the acceptance of an operation to its end, waiting and further \
                 attempts included, by kind and outcome",
                &["kind", "outcome"],
                &BUCKETS,
            ),
        }
    }
}

impl OperationTimes {
    /// Counts an operation that came to rest so long after it was accepted.
    pub fn ended(&self, kind: &'static str, ending: Ending, after: Duration) {
        let labels = [kind, ending.as_str()];
        self.endings.with_label_values(&labels).inc();
        if matches!(ending, Ending::Done | Ending::Failed) {
            self.durations.with_label_values(&labels).observe(after.as_secs_f64());
        }
    }
    /// Counts an operation that was not accepted.
    pub fn refused(&self, kind: &'static str) {
        self.endings.with_label_values(&[kind, Ending::Refused.as_str()]).inc();
    }
    /// Shows the numbers in a scrape.
    pub fn show(&self, in_text: &mut Exposition) {
        in_text.collect(&self.endings);
        in_text.collect(&self.durations);
    }
}
