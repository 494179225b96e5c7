//! Whether `check` compares the `PersistentVolumes` of Kubernetes as well.
use super::{ConfigError, environment::Environment};
use crate::kube::{NoWay, Source};

const CHECK: &str = "BRICKYARD_CHECK_PERSISTENT_VOLUMES";

/// Where they are, if they are to be compared.
pub(super) fn persistent_volumes(env: &Environment<'_>) -> Result<Option<Source>, ConfigError> {
    let Some(text) = env.text(CHECK) else { return Ok(None) };
    let wrong = |why: String| ConfigError::Value { key: CHECK, why };
    match env.boolean(CHECK) {
        Some(false) => Ok(None),
        Some(true) => {
            let source = Source::of(|name| env.text(name));
            source.map(Some).ok_or_else(|| wrong(NoWay::Nowhere.to_string()))
        }
        None => Err(wrong(format!("`{text}` is neither true nor false"))),
    }
}
