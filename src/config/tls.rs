//! Whether HTTPS is spoken, and with what.
use super::{ConfigError, file::File};
use crate::http::certificate::TlsFiles;

/// `enable_tls`, `cert_file`, `key_file`: there are no variables for them (config.md 2).
pub(super) fn tls(file: &File) -> Result<Option<TlsFiles>, ConfigError> {
    if !file.enable_tls {
        return Ok(None);
    }
    let named = |key: &'static str, path: &str| {
        let why = || "is not set, and \"enable_tls\" is true".to_owned();
        if path.is_empty() { Err(ConfigError::Value { key, why: why() }) } else { Ok(path.into()) }
    };
    Ok(Some(TlsFiles {
        certificate: named("cert_file", &file.certificate)?,
        key: named("key_file", &file.key)?,
    }))
}
