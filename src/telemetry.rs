//! Log lines: to standard error, for people or as JSON. Keys and passwords never get here: their
//! types do not print.
use crate::error::{Error, Result};
use std::{
    fmt,
    io::IsTerminal,
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
};
use tracing_subscriber::{
    EnvFilter, Registry, fmt as lines, layer::SubscriberExt, reload, util::SubscriberInitExt,
};

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// How much is logged, by Heketi's words (config.md 1.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing.
    None,
    /// As `error`: nothing is graver here.
    Critical,
    /// What a person has to look after.
    Error,
    /// What may become trouble.
    Warning,
    /// Each request and each operation.
    #[default]
    Info,
    /// Each command on a node as well.
    Debug,
}

/// The word is no level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("none of none, critical, error, warning, info, debug")]
pub struct UnknownLevel;

impl Level {
    /// The word on the wire and in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Critical => "critical",
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
    fn filter(self) -> EnvFilter {
        let level = match self {
            Self::None => "off",
            Self::Critical | Self::Error => "error",
            Self::Warning => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
        };
        // What the libraries have to say in between is of no interest to anybody, and they are not
        // to say more than we do.
        let libraries = if matches!(self, Self::Info | Self::Debug) { "warn" } else { level };
        EnvFilter::new(format!("{level},sqlx={libraries},hyper={libraries}"))
    }
}

impl FromStr for Level {
    type Err = UnknownLevel;
    fn from_str(word: &str) -> Result<Self, UnknownLevel> {
        let all = [Self::None, Self::Critical, Self::Error, Self::Warning, Self::Info, Self::Debug];
        all.into_iter().find(|level| level.as_str() == word).ok_or(UnknownLevel)
    }
}

/// Hands a level on to the log.
type Apply = dyn Fn(Level) -> Result<(), String> + Send + Sync;

/// The level of the log, which can be changed while the server runs.
#[derive(Clone)]
pub struct Logging {
    level: Arc<Mutex<Level>>,
    apply: Arc<Apply>,
}

impl fmt::Debug for Logging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Logging").field(&self.level()).finish()
    }
}

impl Logging {
    /// A level that is remembered, and handed to `apply` whenever it changes.
    pub fn new(
        level: Level,
        apply: impl Fn(Level) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        Self { level: Arc::new(Mutex::new(level)), apply: Arc::new(apply) }
    }
    /// For programs that do not serve: nobody changes their level.
    #[must_use]
    pub fn fixed() -> Self {
        Self::new(Level::default(), |_| Ok(()))
    }
    /// The level; at first the one of the configuration, also where `RUST_LOG` says otherwise.
    #[must_use]
    pub fn level(&self) -> Level {
        *self.level.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Changes how much is logged, from now on until the server ends. Beats `RUST_LOG`.
    ///
    /// # Errors
    /// 500: the log cannot be changed, and stays as it is.
    pub fn set(&self, level: Level) -> Result<()> {
        let mut present = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        let (before, now) = (present.as_str(), level.as_str());
        let tell = || tracing::warn!(before, now, "the log level is changed");
        let cannot = |why| Error::Refused(format!("the log level cannot be changed: {why}"));
        // Told while more is logged, so that whoever wonders finds it.
        let louder = level > *present;
        if !louder {
            tell();
        }
        (self.apply)(level).map_err(cannot)?;
        if louder {
            tell();
        }
        *present = level;
        Ok(())
    }
}

/// Starts to log. `RUST_LOG` beats the level of the configuration; a word that is no level is
/// told, and counts as `info`, as with Heketi.
#[must_use]
pub fn start(word: &str, format: LogFormat) -> Logging {
    let level = word.parse().unwrap_or_default();
    let wished = EnvFilter::try_from_default_env();
    let not_understood = wished.as_ref().err().map(ToString::to_string);
    let filter = wished.unwrap_or_else(|_| Level::filter(level));
    let (filter, handle) = reload::Layer::<EnvFilter, Registry>::new(filter);
    let registry = tracing_subscriber::registry().with(filter);
    let lines = lines::layer().with_writer(std::io::stderr);
    match format {
        LogFormat::Text => {
            let lines = lines.with_ansi(std::io::stderr().is_terminal()).with_target(false);
            // A second start, in tests, keeps the first.
            drop(registry.with(lines).try_init());
        }
        LogFormat::Json => drop(registry.with(lines.json().flatten_event(true)).try_init()),
    }
    let variable = EnvFilter::DEFAULT_ENV;
    if let Some(why) = not_understood.filter(|_| std::env::var_os(variable).is_some()) {
        tracing::warn!("{variable} has no effect: {why}");
    }
    if word.parse::<Level>().is_err() {
        tracing::warn!("loglevel `{word}`: {UnknownLevel}; taken for {}", level.as_str());
    }
    Logging::new(level, move |level| handle.reload(level.filter()).map_err(|e| e.to_string()))
}
