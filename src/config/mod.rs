//! heketi.json and the HEKETI_* variables (config.md): environment before file before default.
//!
//! Keys that are unknown are ignored, as Heketi ignores them; a value that makes no sense stops
//! the start with an error that names the key or variable.
mod environment;
mod file;

use crate::{
    domain::{Kib, VolumeOption},
    http::{IAT_LEEWAY, Keys, Mode},
    node::{
        Tools,
        ssh::{self, HostKeys},
    },
    operation::Settings,
};
use environment::Environment;
use file::File;
use secrecy::SecretString;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// Everything that can be set, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Port on all addresses.
    pub port: u16,
    /// Whose tokens are taken.
    pub auth: Auth,
    /// Mode at start.
    pub mode: Mode,
    /// The SQLite file.
    pub database: PathBuf,
    /// Heketi's database, if one is there that was not taken over.
    pub heketi_database: Option<PathBuf>,
    /// How nodes are reached.
    pub executor: Executor,
    /// How commands on nodes are built.
    pub tools: Tools,
    /// Limits and defaults of operations.
    pub operations: Settings,
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
    /// Simulated, with disks of this size.
    Sim(Kib),
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

    fn of(file: &File, env: &Environment<'_>, overrides: &Overrides) -> Result<Self, ConfigError> {
        let ignored = not_yet(file, env)?;
        let mode = env.text("HEKETI_DEFAULT_STATE").unwrap_or_else(|| file.default_state.clone());
        let (database, heketi_database) = database(file, env, overrides);
        let tools = tools(file, env)?;
        Ok(Self {
            port: port(file, env)?,
            auth: auth(file, env, overrides)?,
            mode: match mode.as_str() {
                "" => Mode::Normal,
                word => word.parse().map_err(|_| ConfigError::Value {
                    key: "default_state",
                    why: format!("`{word}` is none of normal, local-client, read-only"),
                })?,
            },
            database,
            heketi_database,
            executor: executor(file, env, overrides)?,
            tools,
            operations: operations(file, env)?,
            log_level: log_level(file, env),
            ignored,
        })
    }
}

/// Settings of things that are not built yet: refused where ignoring them would be dangerous,
/// told otherwise.
fn not_yet(file: &File, env: &Environment<'_>) -> Result<Vec<String>, ConfigError> {
    if file.enable_tls {
        let why = "TLS is not offered yet; put a proxy in front, or remove the key".into();
        return Err(ConfigError::Value { key: "enable_tls", why });
    }
    let mut ignored = vec![];
    if file.backup_db_to_kube_secret || env.is_set("HEKETI_BACKUP_DB_TO_KUBE_SECRET") {
        ignored.push(
            "backup_db_to_kube_secret: backups to a Kubernetes Secret are not offered yet".into(),
        );
    }
    if file.profiling || env.is_set("HEKETI_PROFILING") {
        ignored.push("profiling: Go's profiles do not exist here".into());
    }
    if file.glusterfs.db_read_only {
        let why = "is not offered; use \"default_state\": \"read-only\"".into();
        return Err(ConfigError::Value { key: "glusterfs.db_read_only", why });
    }
    Ok(ignored)
}

fn port(file: &File, env: &Environment<'_>) -> Result<u16, ConfigError> {
    let (key, text) = match env.text("HEKETI_HTTP_PORT") {
        Some(text) => ("HEKETI_HTTP_PORT", text),
        None => ("port", file.port.clone()),
    };
    if text.is_empty() {
        return Ok(8080);
    }
    let why = |_| format!("`{text}` is no port number");
    text.parse().map_err(why).map_err(|why| ConfigError::Value { key, why })
}

fn auth(file: &File, env: &Environment<'_>, overrides: &Overrides) -> Result<Auth, ConfigError> {
    if overrides.disable_auth {
        return Ok(Auth::Off("--disable-auth"));
    }
    if env.text("HEKETI_DISABLE_AUTH").as_deref() == Some("true") {
        return Ok(Auth::Off("HEKETI_DISABLE_AUTH=true"));
    }
    if file.use_auth == Some(false) {
        return Ok(Auth::Off("\"use_auth\": false"));
    }
    let admin = env.text("HEKETI_ADMIN_KEY").unwrap_or_else(|| file.jwt.admin.key.clone());
    let user = env.text("HEKETI_USER_KEY").unwrap_or_else(|| file.jwt.user.key.clone());
    match (admin.is_empty(), user.is_empty()) {
        (true, true) => Err(ConfigError::NoKeys { missing: "admin key and no user key" }),
        (true, false) => Err(ConfigError::NoKeys { missing: "admin key" }),
        (false, true) => Err(ConfigError::NoKeys { missing: "user key" }),
        (false, false) => Ok(Auth::Keys(Keys {
            admin: SecretString::from(admin),
            user: SecretString::from(user),
            iat_leeway: env.number("HEKETI_JWT_IAT_LEEWAY_SECONDS")?.unwrap_or(IAT_LEEWAY),
        })),
    }
}

/// Heketi's `db` names a file of BoltDB: ours stands beside it, so that the old one stays as it
/// is. Another name is taken as it is given.
fn database(
    file: &File,
    env: &Environment<'_>,
    overrides: &Overrides,
) -> (PathBuf, Option<PathBuf>) {
    let named = env.text("HEKETI_DB_PATH").unwrap_or_else(|| file.glusterfs.db.clone());
    let named = PathBuf::from(if named.is_empty() { "heketi.db" } else { &named });
    let heketis = named.file_name().is_some_and(|name| name == "heketi.db") || is_bolt(&named);
    let ours = if heketis { named.with_file_name("brickyard.db") } else { named.clone() };
    let ours = overrides.database.clone().unwrap_or(ours);
    let old = if heketis { named } else { ours.with_file_name("heketi.db") };
    let waiting = !ours.exists() && old.metadata().is_ok_and(|m| m.len() > 0);
    (ours, waiting.then_some(old))
}

/// BoltDB writes its magic number into the first page, after a header of 16 bytes.
fn is_bolt(path: &Path) -> bool {
    use std::io::Read;
    let mut page = [0; 20];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut page));
    read.is_ok() && page[16..] == 0xED0C_DAED_u32.to_le_bytes()
}

fn executor(
    file: &File,
    env: &Environment<'_>,
    overrides: &Overrides,
) -> Result<Executor, ConfigError> {
    let name = overrides.executor.clone().or_else(|| env.text("HEKETI_EXECUTOR"));
    let name = name.unwrap_or_else(|| file.glusterfs.executor.clone());
    let wrong = |why: String| Err(ConfigError::Value { key: "glusterfs.executor", why });
    match name.as_str() {
        "" | "ssh" => ssh(file, env, overrides).map(Executor::Ssh),
        "sim" | "mock" => {
            let size = env.number::<u64>("HEKETI_MOCK_DEVICE_SIZE_GB")?.unwrap_or(500);
            Ok(Executor::Sim(crate::domain::Gib(size).to_kib()))
        }
        "kube" | "kubernetes" => wrong("commands in pods are not offered yet; use ssh".into()),
        other => wrong(format!("`{other}` is none of ssh, sim (or Heketi's name for it, mock)")),
    }
}

fn ssh(
    file: &File,
    env: &Environment<'_>,
    overrides: &Overrides,
) -> Result<ssh::Settings, ConfigError> {
    let ssh = &file.glusterfs.sshexec;
    let key = env.text("HEKETI_SSH_KEYFILE").unwrap_or_else(|| ssh.keyfile.clone());
    let user = env.text("HEKETI_SSH_USER").unwrap_or_else(|| ssh.user.clone());
    let port = env.text("HEKETI_SSH_PORT").unwrap_or_else(|| ssh.port.clone());
    let wrong = |key, why: String| ConfigError::Value { key, why };
    let beside = |name| database(file, env, overrides).0.with_file_name(name);
    let known_hosts = env.text("SSH_KNOWN_HOSTS").unwrap_or_default();
    let files: Vec<PathBuf> =
        known_hosts.split(':').filter(|f| !f.is_empty()).map(PathBuf::from).collect();
    if let Some(missing) = files.iter().find(|file| std::fs::File::open(file).is_err()) {
        let why = format!("{} cannot be read", missing.display());
        return Err(wrong("SSH_KNOWN_HOSTS", why));
    }
    let policy = env.text("BRICKYARD_SSH_HOST_KEYS").unwrap_or_else(|| ssh.host_keys.clone());
    let host_keys = match policy.as_str() {
        "" if files.is_empty() => HostKeys::AcceptNew(beside("known_hosts")),
        "" | "strict" => HostKeys::Strict(files),
        "accept-new" => HostKeys::AcceptNew(beside("known_hosts")),
        "accept-any" => HostKeys::AcceptAny,
        other => {
            let why = format!("`{other}` is none of strict, accept-new, accept-any");
            return Err(wrong("glusterfs.sshexec.host_keys", why));
        }
    };
    let seconds =
        |given: u64, default| Duration::from_secs(if given == 0 { default } else { given });
    Ok(ssh::Settings {
        key_file: (!key.is_empty()).then(|| PathBuf::from(key)),
        user: if user.is_empty() { "heketi".into() } else { user },
        port: match port.as_str() {
            "" => 22,
            text => text.parse().map_err(|_| {
                wrong("glusterfs.sshexec.port", format!("`{text}` is no port number"))
            })?,
        },
        sudo: ssh.common.sudo,
        host_keys,
        connect_timeout: seconds(ssh.connect_timeout, 15),
        keepalive: seconds(ssh.keepalive, 15),
    })
}

fn tools(file: &File, env: &Environment<'_>) -> Result<Tools, ConfigError> {
    let common = &file.glusterfs.sshexec.common;
    let default = Tools::default();
    let or =
        |given: &str, default: String| if given.is_empty() { default } else { given.to_owned() };
    let text = |variable, given: &String| env.text(variable).unwrap_or_else(|| given.clone());
    let timeout = env.number("HEKETI_GLUSTER_CLI_TIMEOUT")?.unwrap_or(common.gluster_cli_timeout);
    let wrapper = text("HEKETI_LVM_WRAPPER", &common.lvm_wrapper);
    Ok(Tools {
        fstab: or(&text("HEKETI_FSTAB", &common.fstab), default.fstab),
        mount_options: or(&text("HEKETI_MOUNT_OPTS", &common.mountopts), default.mount_options),
        lvm_wrapper: (!wrapper.is_empty()).then_some(wrapper),
        data_alignment: or(&common.pv_data_alignment, default.data_alignment),
        extent_size: or(&common.vg_physicalextentsize, default.extent_size),
        chunk_size: or(&common.lv_chunksize, default.chunk_size),
        xfs_stripe: (common.xfs_su > 0 && common.xfs_sw > 0)
            .then_some((common.xfs_su, common.xfs_sw)),
        backup_lvm_metadata: common.backup_lvm_metadata,
        gluster_timeout: if timeout == 0 { default.gluster_timeout } else { timeout },
        // Heketi ignores a number that cannot be read here.
        snapshot_limit: env
            .number("HEKETI_SNAPSHOT_LIMIT")
            .ok()
            .flatten()
            .unwrap_or(common.snapshot_limit),
    })
}

fn operations(file: &File, env: &Environment<'_>) -> Result<Settings, ConfigError> {
    let gluster = &file.glusterfs;
    let mut settings = Settings::default();
    let gib = |given: u64, default: Kib| {
        if given == 0 { default } else { crate::domain::Gib(given).to_kib() }
    };
    settings.limits.brick_min = gib(gluster.brick_min_size_gb, settings.limits.brick_min);
    settings.limits.brick_max = gib(gluster.brick_max_size_gb, settings.limits.brick_max);
    if settings.limits.brick_min > settings.limits.brick_max {
        let why = "is larger than glusterfs.brick_max_size_gb".into();
        return Err(ConfigError::Value { key: "glusterfs.brick_min_size_gb", why });
    }
    if gluster.max_bricks_per_volume > 0 {
        settings.limits.max_bricks = gluster.max_bricks_per_volume;
    }
    if gluster.average_file_size_kb > 0 {
        settings.average_file_size = gluster.average_file_size_kb;
    }
    let zones = env.text("HEKETI_ZONE_CHECKING").unwrap_or_else(|| gluster.zone_checking.clone());
    settings.strict_zones = zones == "strict";
    let limit = env.number("HEKETI_GLUSTER_MAX_VOLUMES_PER_CLUSTER")?;
    settings.max_volumes_per_cluster = match limit.unwrap_or(gluster.max_volumes_per_cluster) {
        0 => settings.max_volumes_per_cluster,
        n => (n > 0).then_some(n),
    };
    let options = |variable: &'static str, key: &'static str, given: &String| {
        let text = env.text(variable).unwrap_or_else(|| given.clone());
        VolumeOption::list(&text).map_err(|e| ConfigError::Value { key, why: e.to_string() })
    };
    settings.pre_request_options = options(
        "HEKETI_PRE_REQUEST_VOLUME_OPTIONS",
        "glusterfs.pre_request_volume_options",
        &gluster.pre_request_volume_options,
    )?;
    settings.post_request_options = options(
        "HEKETI_POST_REQUEST_VOLUME_OPTIONS",
        "glusterfs.post_request_volume_options",
        &gluster.post_request_volume_options,
    )?;
    let hosting = env.text("HEKETI_BLOCK_HOSTING_VOLUME_OPTIONS");
    let hosting = hosting.unwrap_or_else(|| gluster.block_hosting_volume_options.clone());
    if !hosting.is_empty() {
        let key = "glusterfs.block_hosting_volume_options";
        settings.block_hosting_options = VolumeOption::list(&hosting)
            .map_err(|e| ConfigError::Value { key, why: e.to_string() })?;
    }
    if gluster.operation_retry_limits.volume_create > 0 {
        settings.create_retries = gluster.operation_retry_limits.volume_create;
    }
    let in_flight = env.number("HEKETI_MAX_INFLIGHT_OPERATIONS")?;
    match in_flight.unwrap_or(gluster.max_inflight_operations) {
        0 => {}
        n => settings.max_in_flight = n,
    }
    // Only the variable switches it off: Heketi ignores the key of the file.
    settings.rebalance = env.boolean("HEKETI_GLUSTERAPP_REBALANCE_ON_EXPANSION").unwrap_or(true);
    let off = env.text("HEKETI_DISABLE_BACKGROUND_CLEANER").as_deref() == Some("true");
    let seconds =
        |given: u64, default| Duration::from_secs(if given == 0 { default } else { given });
    let first = seconds(gluster.start_time_background_cleaner, 60);
    let then = seconds(gluster.refresh_time_background_cleaner, 3600);
    settings.cleaner = (!off && !gluster.disable_background_cleaner).then_some((first, then));
    Ok(settings)
}

fn log_level(file: &File, env: &Environment<'_>) -> String {
    let level = env.text("HEKETI_GLUSTERAPP_LOGLEVEL");
    let level = level.unwrap_or_else(|| file.glusterfs.loglevel.clone());
    if level.is_empty() { "info".into() } else { level }
}

#[cfg(test)]
mod tests;
