//! Numbers for Prometheus: instruments that the work fills, and the text of a scrape.
//!
//! The only door to the library. It knows names, labels and the format, and nothing of the product:
//! `scrape` puts in what is known, `node` and `operation` count as they work.
mod commands;
mod exposition;
mod operations;
mod process;

pub use commands::{CommandTimes, Outcome};
pub use exposition::{Exposition, Family};
pub use operations::{Ending, OperationTimes};
pub use process::process;

use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts};

/// The content type of the text format 0.0.4, as Heketi sends it.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

#[expect(clippy::expect_used, reason = "names and labels are constants, all used by a test")]
fn histogram(name: &str, help: &str, labels: &[&str], buckets: &[f64]) -> HistogramVec {
    let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
    HistogramVec::new(options, labels).expect("a valid histogram")
}

#[expect(clippy::expect_used, reason = "names and labels are constants, all used by a test")]
fn counter(name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    IntCounterVec::new(Opts::new(name, help), labels).expect("a valid counter")
}
