//! How long commands take on nodes.
use super::{Exposition, histogram};
use prometheus::HistogramVec;
use std::time::Duration;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Well, or badly in a way that was reckoned with.
    Ok,
    /// With an exit status that ended its script.
    Failed,
    /// The node ended it, since it took too long.
    TimedOut,
    /// Nobody knows: the connection broke, or nothing was heard any more.
    Lost,
    /// It was not even begun: the node could not be reached.
    Unreachable,
}

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::TimedOut => "timed-out",
            Self::Lost => "lost",
            Self::Unreachable => "unreachable",
        }
    }
}

/// Durations by tool and outcome. Clones count into the same numbers.
#[derive(Clone, Debug)]
pub struct CommandTimes(HistogramVec);

impl Default for CommandTimes {
    fn default() -> Self {
        // From what a question takes to what volumes with hundreds of bricks take.
        const BUCKETS: [f64; 13] =
            [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];
        Self(histogram(
            "brickyard_node_command_duration_seconds",
            "Time that commands take on storage nodes, with the question that decides whether each \
             is needed, by program and outcome",
            &["tool", "outcome"],
            &BUCKETS,
        ))
    }
}

impl CommandTimes {
    /// Counts a command. `tool` is one of a fixed list, never a word that came from outside: each
    /// one becomes a series that lasts.
    pub fn observe(&self, tool: &'static str, outcome: Outcome, took: Duration) {
        self.0.with_label_values(&[tool, outcome.as_str()]).observe(took.as_secs_f64());
    }
    /// Shows the numbers in a scrape.
    pub fn show(&self, in_text: &mut Exposition) {
        in_text.collect(&self.0);
    }
}
