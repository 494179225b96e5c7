//! Log lines: to standard error, for people or as JSON. Keys and passwords never get here: their
//! types do not print.
use std::io::IsTerminal;
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts to log. `RUST_LOG` beats the level of the configuration.
pub fn start(level: &str, format: LogFormat) {
    let level = match level {
        "none" => "off",
        "critical" | "error" => "error",
        "warning" => "warn",
        "debug" => "debug",
        _ => "info",
    };
    let default = || EnvFilter::new(format!("{level},sqlx=warn,hyper=warn"));
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| default());
    let registry = tracing_subscriber::registry().with(filter);
    let lines = fmt::layer().with_writer(std::io::stderr);
    match format {
        LogFormat::Text => {
            let lines = lines.with_ansi(std::io::stderr().is_terminal()).with_target(false);
            // A second start, in tests, keeps the first.
            drop(registry.with(lines).try_init());
        }
        LogFormat::Json => drop(registry.with(lines.json().flatten_event(true)).try_init()),
    }
}
