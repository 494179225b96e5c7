//! heketi.json as it is written (config.md 1): every key optional, of just the listed type.
use super::ConfigError;
use crate::lenient;
use serde::Deserialize;
use serde_json::Value;
use std::path::Path;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct File {
    pub(super) port: String,
    pub(super) use_auth: Option<bool>,
    pub(super) jwt: Jwt,
    pub(super) enable_tls: bool,
    #[serde(rename = "cert_file")]
    pub(super) certificate: String,
    #[serde(rename = "key_file")]
    pub(super) key: String,
    pub(super) backup_db_to_kube_secret: bool,
    pub(super) profiling: bool,
    pub(super) default_state: String,
    pub(super) glusterfs: Glusterfs,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Jwt {
    pub(super) admin: Issuer,
    pub(super) user: Issuer,
}

#[derive(Clone, Default)]
pub(super) struct Issuer {
    pub(super) key: String,
}

/// An error of the usual kind repeats what it found in place of a text or an object, and that may
/// well be a key.
impl<'de> Deserialize<'de> for Jwt {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Issuers {
            admin: Value,
            user: Value,
        }
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Keys {
            key: Value,
        }
        let wrong = |place: &str, form: &str| {
            serde::de::Error::custom(format!("{place} must be {form}; what is there is not shown"))
        };
        let object = |value: &Value| value.is_null() || value.is_object();
        let issuer = |name: &str, value: &Value| {
            if !object(value) {
                return Err(wrong(name, "an object with a key"));
            }
            let keys = lenient::from_value::<Keys>(value);
            match keys.map(|keys| keys.key).map_err(|_| wrong(name, "an object with a key"))? {
                Value::Null => Ok(Issuer::default()),
                Value::String(key) => Ok(Issuer { key }),
                _ => Err(wrong(&format!("{name}.key"), "a text")),
            }
        };
        let value = Value::deserialize(from)?;
        if !object(&value) {
            return Err(wrong("it", "an object with admin and user"));
        }
        let all: Issuers = lenient::from_value(&value)
            .map_err(|_| wrong("it", "an object with admin and user"))?;
        Ok(Self { admin: issuer("admin", &all.admin)?, user: issuer("user", &all.user)? })
    }
}
impl std::fmt::Debug for Issuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Issuer(secret)")
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of the file")]
pub(super) struct Glusterfs {
    pub(super) db: String,
    pub(super) db_read_only: bool,
    pub(super) executor: String,
    pub(super) loglevel: String,
    pub(super) brick_max_size_gb: u64,
    pub(super) brick_min_size_gb: u64,
    pub(super) max_bricks_per_volume: usize,
    pub(super) average_file_size_kb: u64,
    pub(super) pre_request_volume_options: String,
    pub(super) post_request_volume_options: String,
    pub(super) auto_create_block_hosting_volume: bool,
    pub(super) block_hosting_volume_size: u64,
    pub(super) block_hosting_volume_options: String,
    pub(super) zone_checking: String,
    pub(super) max_volumes_per_cluster: i64,
    pub(super) max_inflight_operations: usize,
    /// Ours.
    pub(super) max_waiting_operations: usize,
    pub(super) disable_background_cleaner: bool,
    pub(super) refresh_time_background_cleaner: u64,
    pub(super) start_time_background_cleaner: u64,
    pub(super) disable_monitor_gluster_nodes: bool,
    pub(super) refresh_time_monitor_gluster_nodes: u64,
    pub(super) start_time_monitor_gluster_nodes: u64,
    pub(super) operation_retry_limits: RetryLimits,
    pub(super) sshexec: SshExec,
    pub(super) kubeexec: KubeExec,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RetryLimits {
    pub(super) volume_create: i64,
}

/// `sshexec`; the last three keys are ours.
#[derive(Clone, Debug, Default)]
pub(super) struct SshExec {
    pub(super) keyfile: String,
    pub(super) user: String,
    pub(super) port: String,
    pub(super) common: Common,
    pub(super) host_keys: String,
    pub(super) connect_timeout: u64,
    pub(super) keepalive: u64,
}

/// `kubeexec`; `connect_timeout` is ours.
#[derive(Clone, Debug, Default)]
pub(super) struct KubeExec {
    pub(super) namespace: String,
    pub(super) gluster_daemonset: bool,
    pub(super) use_pod_names: bool,
    pub(super) max_connections: i64,
    pub(super) disable_timeout_prefix: bool,
    pub(super) connect_timeout: u64,
    pub(super) common: Common,
    /// Keys of old samples that Heketi does not read either. One is a password: only names.
    pub(super) unread: Vec<&'static str>,
}

/// The keys of every executor.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Common {
    pub(super) fstab: String,
    pub(super) mountopts: String,
    pub(super) sudo: bool,
    pub(super) snapshot_limit: u32,
    pub(super) backup_lvm_metadata: bool,
    pub(super) gluster_cli_timeout: u32,
    pub(super) pv_data_alignment: String,
    pub(super) vg_physicalextentsize: String,
    pub(super) lv_chunksize: String,
    pub(super) xfs_sw: u32,
    pub(super) xfs_su: u32,
    pub(super) lvm_wrapper: String,
    pub(super) block_prealloc: String,
    /// Seconds; ours.
    pub(super) command_timeout: u64,
}

/// Two structs read from one object: `serde(flatten)` would lose the leniency about names.
impl<'de> Deserialize<'de> for SshExec {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Own {
            keyfile: String,
            user: String,
            port: String,
            host_keys: String,
            connect_timeout: u64,
            keepalive: u64,
        }
        let value = Value::deserialize(from)?;
        let wrong = |e: lenient::Unreadable| serde::de::Error::custom(e);
        let own: Own = lenient::from_value(&value).map_err(wrong)?;
        Ok(Self {
            keyfile: own.keyfile,
            user: own.user,
            port: own.port,
            common: lenient::from_value(&value).map_err(wrong)?,
            host_keys: own.host_keys,
            connect_timeout: own.connect_timeout,
            keepalive: own.keepalive,
        })
    }
}

/// As that of [`SshExec`].
impl<'de> Deserialize<'de> for KubeExec {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Own {
            namespace: String,
            gluster_daemonset: bool,
            use_pod_names: bool,
            max_connections: i64,
            disable_timeout_prefix: bool,
            connect_timeout: u64,
        }
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Unread {
            host: Value,
            cert: Value,
            insecure: Value,
            user: Value,
            password: Value,
        }
        let value = Value::deserialize(from)?;
        let wrong = |e: lenient::Unreadable| serde::de::Error::custom(e);
        let own: Own = lenient::from_value(&value).map_err(wrong)?;
        let unread: Unread = lenient::from_value(&value).map_err(wrong)?;
        let Unread { host, cert, insecure, user, password } = unread;
        let all = [
            ("host", host),
            ("cert", cert),
            ("insecure", insecure),
            ("user", user),
            ("password", password),
        ];
        let nothing = |value: &Value| {
            matches!(value, Value::Null | Value::Bool(false)) || value.as_str() == Some("")
        };
        Ok(Self {
            namespace: own.namespace,
            gluster_daemonset: own.gluster_daemonset,
            use_pod_names: own.use_pod_names,
            max_connections: own.max_connections,
            disable_timeout_prefix: own.disable_timeout_prefix,
            connect_timeout: own.connect_timeout,
            common: lenient::from_value(&value).map_err(wrong)?,
            unread: all.into_iter().filter(|(_, v)| !nothing(v)).map(|(name, _)| name).collect(),
        })
    }
}

impl File {
    pub(super) fn read(path: &Path) -> Result<Self, ConfigError> {
        let shown = path.display().to_string();
        let text = std::fs::read(path)
            .map_err(|e| ConfigError::Unreadable { path: shown.clone(), why: e.to_string() })?;
        lenient::from_slice(&text)
            .map_err(|e| ConfigError::Unparsable { path: shown, why: e.to_string() })
    }
}
