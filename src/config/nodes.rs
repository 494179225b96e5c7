//! How nodes are reached, and how commands on them are built.
use super::{
    ConfigError, Executor, Overrides, database::database, environment::Environment, file::File,
    seconds,
};
use crate::{
    domain::Gib,
    kube::Source,
    node::{
        Tools,
        kube::{self, Lookup},
        sim::socket,
        ssh::{self, HostKeys},
    },
};
use std::{path::PathBuf, time::Duration};

/// The executor's name, as it was given.
fn name(file: &File, env: &Environment<'_>, overrides: &Overrides) -> String {
    let name = overrides.executor.clone().or_else(|| env.text("HEKETI_EXECUTOR"));
    name.unwrap_or_else(|| file.glusterfs.executor.clone())
}

/// Heketi's two names for commands in pods.
fn is_kube(name: &str) -> bool {
    matches!(name, "kube" | "kubernetes")
}

pub(super) fn executor(
    file: &File,
    env: &Environment<'_>,
    overrides: &Overrides,
) -> Result<Executor, ConfigError> {
    let wrong = |why: String| Err(ConfigError::Value { key: "glusterfs.executor", why });
    match name(file, env, overrides).as_str() {
        "" | "ssh" => ssh(file, env, overrides).map(Executor::Ssh),
        "sim" | "mock" => {
            if let Some(path) = env.text(socket::VARIABLE) {
                return Ok(Executor::SimElsewhere(path.into()));
            }
            let size = env.number::<u64>("HEKETI_MOCK_DEVICE_SIZE_GB")?.unwrap_or(500);
            Ok(Executor::Sim(Gib(size).to_kib()))
        }
        name if is_kube(name) => kube(file, env).map(Executor::Kube),
        other => wrong(format!(
            "`{other}` is none of ssh, kubernetes (or kube), sim (or Heketi's name for it, mock)"
        )),
    }
}

/// Commands in pods (config.md 1.3, 7).
fn kube(file: &File, env: &Environment<'_>) -> Result<kube::Settings, ConfigError> {
    /// Heketi's number.
    const USUAL: usize = 64;
    let kube = &file.glusterfs.kubeexec;
    let namespace = env.text("HEKETI_KUBE_NAMESPACE").unwrap_or_else(|| kube.namespace.clone());
    let by_name = env.initial("HEKETI_KUBE_USE_POD_NAMES").unwrap_or(kube.use_pod_names);
    let daemonset = env.initial("HEKETI_KUBE_GLUSTER_DAEMONSET").unwrap_or(kube.gluster_daemonset);
    Ok(kube::Settings {
        source: Source::of(|name| env.text(name)),
        namespace: (!namespace.is_empty()).then_some(namespace),
        lookup: if by_name {
            Lookup::Name
        } else if daemonset {
            Lookup::Daemonset
        } else {
            Lookup::Label
        },
        max_connections: match kube.max_connections {
            0 => Some(USUAL),
            // More than fits is as good as no limit, which is what a negative number means.
            most => usize::try_from(most).ok(),
        },
        connect_timeout: limit(env, "BRICKYARD_KUBE_CONNECT_TIMEOUT", kube.connect_timeout, 60)?,
    })
}

/// What was set for commands in pods and has no effect, in words for the log.
pub(super) fn unread(file: &File, env: &Environment<'_>, overrides: &Overrides) -> Vec<String> {
    const VARIABLES: [&str; 5] = [
        "HEKETI_KUBE_APIHOST",
        "HEKETI_KUBE_CERTFILE",
        "HEKETI_KUBE_INSECURE",
        "HEKETI_KUBE_USER",
        "HEKETI_KUBE_PASSWORD",
    ];
    let kube = &file.glusterfs.kubeexec;
    if !is_kube(&name(file, env, overrides)) {
        return vec![];
    }
    let keys = kube.unread.iter().map(|key| format!("kubeexec.{key}"));
    let variables = VARIABLES.into_iter().filter(|name| env.is_set(name)).map(str::to_owned);
    let all: Vec<_> = keys.chain(variables).collect();
    let mut told = vec![];
    if !all.is_empty() {
        told.push(format!(
            "{}: the API server is that of the pod's service account, or of KUBECONFIG",
            all.join(", ")
        ));
    }
    if kube.disable_timeout_prefix {
        let why = "each command has a time limit on its node all the same";
        told.push(format!("kubeexec.disable_timeout_prefix: {why}"));
    }
    if kube.common.sudo {
        told.push("kubeexec.sudo: commands in pods run as the user of the container".into());
    }
    told
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
    if user.starts_with('-') || user.contains(char::is_whitespace) {
        return Err(wrong("glusterfs.sshexec.user", format!("`{user}` is not a user name")));
    }
    let database = database(file, env, overrides).0;
    // Absolute, since ssh need not run where this server does.
    let database = std::path::absolute(&database).unwrap_or(database);
    let beside = |name| database.with_file_name(name);
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
    Ok(ssh::Settings {
        key_file: (!key.is_empty()).then(|| PathBuf::from(key)),
        user: if user.is_empty() { "heketi".into() } else { user },
        port: match port.as_str() {
            "" => 22,
            text => text.parse().ok().filter(|port| *port > 0).ok_or_else(|| {
                wrong("glusterfs.sshexec.port", format!("`{text}` is not a port number"))
            })?,
        },
        sudo: ssh.common.sudo,
        host_keys,
        connect_timeout: limit(env, "BRICKYARD_SSH_CONNECT_TIMEOUT", ssh.connect_timeout, 15)?,
        keepalive: limit(env, "BRICKYARD_SSH_KEEPALIVE", ssh.keepalive, 15)?,
    })
}

/// Nobody waits for longer than a day.
const LONGEST: u64 = 86_400;

/// Seconds from a variable, the file, or by default.
fn limit(
    env: &Environment<'_>,
    variable: &'static str,
    given: u64,
    default: u64,
) -> Result<Duration, ConfigError> {
    let given = env.number(variable)?.unwrap_or(given);
    if given > LONGEST {
        let why = format!("{given} s is more than {LONGEST}");
        return Err(ConfigError::Value { key: variable, why });
    }
    Ok(seconds(given, default))
}

pub(super) fn tools(
    file: &File,
    env: &Environment<'_>,
    overrides: &Overrides,
) -> Result<Tools, ConfigError> {
    let name = name(file, env, overrides);
    let in_pods = is_kube(&name);
    let (common, fstab_key, prealloc_key) = if in_pods {
        let common = &file.glusterfs.kubeexec.common;
        (common, "glusterfs.kubeexec.fstab", "glusterfs.kubeexec.block_prealloc")
    } else {
        let common = &file.glusterfs.sshexec.common;
        (common, "glusterfs.sshexec.fstab", "glusterfs.sshexec.block_prealloc")
    };
    let default = Tools::default();
    let or =
        |given: &str, default: String| if given.is_empty() { default } else { given.to_owned() };
    let text = |variable, given: &String| env.text(variable).unwrap_or_else(|| given.clone());
    let timeout = env.number("HEKETI_GLUSTER_CLI_TIMEOUT")?.unwrap_or(common.gluster_cli_timeout);
    let wrapper = text("HEKETI_LVM_WRAPPER", &common.lvm_wrapper);
    let mut fstab = or(&text("HEKETI_FSTAB", &common.fstab), default.fstab.clone());
    if !fstab.starts_with('/') && matches!(name.as_str(), "sim" | "mock") {
        // Heketi's sample has words of explanation there, and no real node is going to read them.
        fstab = default.fstab;
    }
    if !fstab.starts_with('/') {
        let why = format!("`{fstab}` is not the absolute path of a file");
        return Err(ConfigError::Value { key: fstab_key, why });
    }
    let prealloc = text("HEKETI_BLOCK_VOLUME_DEFAULT_PREALLOC", &common.block_prealloc);
    let prealloc = or(&prealloc, default.block_prealloc);
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if !prealloc.bytes().all(allowed) {
        let why = format!("`{prealloc}` is neither full nor no");
        return Err(ConfigError::Value { key: prealloc_key, why });
    }
    Ok(Tools {
        fstab,
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
        block_prealloc: prealloc,
        command_timeout: limit(env, "BRICKYARD_COMMAND_TIMEOUT", common.command_timeout, 300)?,
    })
}
