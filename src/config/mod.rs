//! heketi.json and the HEKETI_* variables (config.md): environment before file before default.
//!
//! Keys that are unknown are ignored, as Heketi ignores them; a value that makes no sense stops
//! the start with an error that names the key or variable.
mod auth;
mod backup;
mod database;
mod election;
mod environment;
mod file;
mod nodes;
mod operations;
mod persistent_volumes;
mod tls;

use crate::{
    app::{Keys, Mode},
    domain::Kib,
    http::certificate::TlsFiles,
    node::{Tools, kube, ssh},
    operation::Settings,
};
pub use database::{is_bolt, own_database};
use environment::Environment;
use file::File;
use std::{path::PathBuf, time::Duration};

/// Everything that can be set, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Port on all addresses.
    pub port: u16,
    /// Certificate and key, if TLS is spoken.
    pub tls: Option<TlsFiles>,
    /// Whose tokens are taken.
    pub auth: Auth,
    /// Mode at start.
    pub mode: Mode,
    /// The SQLite file.
    pub database: PathBuf,
    /// The SQLite file is only read.
    pub read_only: bool,
    /// Heketi's database, if one lies there: it is taken over unless ours is there already.
    pub heketi_database: Option<PathBuf>,
    /// Whether and where the database is backed up.
    pub backup: crate::backup::Settings,
    /// How it is settled which of several servers works; none when there is only this one.
    pub election: Option<crate::election::Settings>,
    /// Where the `PersistentVolumes` are that `check` compares; none when it does not.
    pub persistent_volumes: Option<crate::kube::Source>,
    /// How nodes are reached.
    pub executor: Executor,
    /// How commands on nodes are built.
    pub tools: Tools,
    /// Limits and defaults of operations.
    pub operations: Settings,
    /// First look at the nodes and rhythm of the looks; none when nobody looks.
    pub monitor: Option<(Duration, Duration)>,
    /// Heketi's word for how much is logged.
    pub log_level: String,
    /// What was set and has no effect yet, in words for the log.
    pub ignored: Vec<String>,
}

/// Who may use the server.
#[derive(Clone, Debug)]
pub enum Auth {
    /// Whoever holds one of the keys.
    Keys(Keys),
    /// Everybody, because of this explicit setting.
    Off(&'static str),
}

/// How nodes are reached.
#[derive(Clone, Debug)]
pub enum Executor {
    /// Over SSH.
    Ssh(ssh::Settings),
    /// In pods of Kubernetes.
    Kube(kube::Settings),
    /// Simulated, with disks of this size.
    Sim(Kib),
    /// Simulated by another process, which listens on this socket.
    SimElsewhere(PathBuf),
}

/// What is wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("unable to read configuration {path}: {why}")]
    Unreadable {
        /// Which file.
        path: String,
        /// Why.
        why: String,
    },
    /// The file is not JSON, or a key has a value of the wrong type.
    #[error("unable to parse configuration {path}: {why}")]
    Unparsable {
        /// Which file.
        path: String,
        /// Key, and why.
        why: String,
    },
    /// A value makes no sense.
    #[error("configuration: {key}: {why}")]
    Value {
        /// Key or variable.
        key: &'static str,
        /// What is wrong, and what would be right.
        why: String,
    },
    /// Authentication is on and there are no keys.
    #[error(
        "authentication is on, but there is no {missing}: set HEKETI_ADMIN_KEY and HEKETI_USER_KEY \
         (or jwt.admin.key and jwt.user.key in the configuration file), or switch authentication \
         off explicitly with --disable-auth, HEKETI_DISABLE_AUTH=true or \"use_auth\": false"
    )]
    NoKeys {
        /// Which of them.
        missing: &'static str,
    },
}

/// What the command line says: it beats everything else.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// The configuration file.
    pub config: Option<PathBuf>,
    /// No tokens are needed.
    pub disable_auth: bool,
    /// The SQLite file.
    pub database: Option<PathBuf>,
    /// Executor by name.
    pub executor: Option<String>,
}

impl Config {
    /// Reads file and environment.
    ///
    /// # Errors
    /// [`ConfigError`], naming the key or variable.
    pub fn load(
        overrides: &Overrides,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let file = overrides.config.as_deref().map_or(Ok(File::default()), File::read)?;
        Self::of(&file, &Environment::new(&variable), overrides)
    }

    /// The port, and whether TLS is spoken there: all that somebody needs who asks the server.
    ///
    /// # Errors
    /// [`ConfigError`] of the file or the port; whatever else is wrong is for the server to tell.
    pub fn listening(
        overrides: &Overrides,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<(u16, bool), ConfigError> {
        let file = overrides.config.as_deref().map_or(Ok(File::default()), File::read)?;
        Ok((port(&file, &Environment::new(&variable))?, file.enable_tls))
    }

    fn of(file: &File, env: &Environment<'_>, overrides: &Overrides) -> Result<Self, ConfigError> {
        let mut ignored = ignored(file, env);
        ignored.extend(nodes::unread(file, env, overrides));
        let mode = env.text("HEKETI_DEFAULT_STATE").unwrap_or_else(|| file.default_state.clone());
        let (database, heketi_database) = database::database(file, env, overrides);
        let tools = nodes::tools(file, env, overrides)?;
        let backup = backup::backup(file, env)?;
        let read_only = file.glusterfs.db_read_only;
        Ok(Self {
            port: port(file, env)?,
            tls: tls::tls(file)?,
            auth: auth::auth(file, env, overrides)?,
            mode: match mode.as_str() {
                "" => Mode::Normal,
                word => word.parse().map_err(|_| ConfigError::Value {
                    key: "default_state",
                    why: format!("`{word}` is none of normal, local-client, read-only"),
                })?,
            },
            database,
            read_only,
            heketi_database,
            election: election::election(env, &backup, read_only)?,
            backup,
            persistent_volumes: persistent_volumes::persistent_volumes(env)?,
            executor: nodes::executor(file, env, overrides)?,
            tools,
            operations: operations::operations(file, env)?,
            monitor: operations::monitor(file, env),
            log_level: log_level(file, env),
            ignored,
        })
    }
}

/// Settings without effect, in words for the log.
fn ignored(file: &File, env: &Environment<'_>) -> Vec<String> {
    let mut ignored = vec![];
    if file.profiling || env.is_set("HEKETI_PROFILING") {
        ignored.push("profiling: Go's profiles do not exist here".into());
    }
    ignored
}

fn port(file: &File, env: &Environment<'_>) -> Result<u16, ConfigError> {
    let (key, text) = match env.text("HEKETI_HTTP_PORT") {
        Some(text) => ("HEKETI_HTTP_PORT", text),
        None => ("port", file.port.clone()),
    };
    if text.is_empty() {
        return Ok(8080);
    }
    let why = |_| format!("`{text}` is not a port number");
    text.parse().map_err(why).map_err(|why| ConfigError::Value { key, why })
}

/// 0 means "use the default" nearly everywhere.
fn seconds(given: u64, default: u64) -> Duration {
    Duration::from_secs(if given == 0 { default } else { given })
}

fn log_level(file: &File, env: &Environment<'_>) -> String {
    let level = env.text("HEKETI_GLUSTERAPP_LOGLEVEL");
    let level = level.unwrap_or_else(|| file.glusterfs.loglevel.clone());
    if level.is_empty() { "info".into() } else { level }
}

#[cfg(test)]
mod tests;
