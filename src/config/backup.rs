//! Backups to Kubernetes Secrets, and where they come back from (config.md 1.1, 2, 6).
use super::{ConfigError, environment::Environment, file::File};
use crate::{
    backup::{Pace, Settings},
    kube::Source,
};

const SECRET: &str = "HEKETI_KUBE_DB_SECRET_NAME";

pub(super) fn backup(file: &File, env: &Environment<'_>) -> Result<Settings, ConfigError> {
    let variable = "HEKETI_BACKUP_DB_TO_KUBE_SECRET";
    let on = match env.text(variable) {
        Some(text) if env.boolean(variable) == Some(false) => Some(format!(
            "{variable} is set, and as with Heketi any value switches them on, also \"{text}\""
        )),
        Some(_) => Some(format!("{variable} is set")),
        None if file.backup_db_to_kube_secret => Some("backup_db_to_kube_secret is true".into()),
        None => None,
    };
    let secret = env.text(SECRET).unwrap_or_else(|| "heketi-db-backup".into());
    if !is_name(&secret) {
        let why = format!(
            "`{secret}` is no name for Secrets of a backup: up to 180 small letters, digits, dashes \
             and dots, with a letter or a digit at both ends"
        );
        return Err(ConfigError::Value { key: SECRET, why });
    }
    let namespace = env.text("HEKETI_KUBE_NAMESPACE");
    if namespace.as_ref().is_some_and(|name| !is_name(name) || name.contains('.')) {
        let why = "is no name of a namespace".into();
        return Err(ConfigError::Value { key: "HEKETI_KUBE_NAMESPACE", why });
    }
    let mounted = env.text("BACKUPDB_PATH").unwrap_or_else(|| "/backupdb".into()).into();
    let source = Source::of(|name| env.text(name));
    Ok(Settings { on, secret, source, namespace, mounted, pace: Pace::default() })
}

/// Names of objects are DNS subdomains (RFC 1123); those of the parts are longer than the first.
pub(super) fn is_name(text: &str) -> bool {
    let outer = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let inner = |byte: u8| outer(byte) || byte == b'-' || byte == b'.';
    let bytes = text.as_bytes();
    text.len() <= 180
        && bytes.iter().all(|&byte| inner(byte))
        && bytes.first().copied().is_some_and(outer)
        && bytes.last().copied().is_some_and(outer)
        && !text.contains("..")
}
