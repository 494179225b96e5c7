//! Whether several servers stand ready, of which one works.
use super::{ConfigError, environment::Environment};
use crate::{backup, election::Settings};
use std::time::Duration;

const LEASE: &str = "BRICKYARD_LEASE";
const TERM: &str = "BRICKYARD_LEASE_SECONDS";
/// As Kubernetes' own components have it.
const USUAL: u64 = 15;

pub(super) fn election(
    env: &Environment<'_>,
    backup: &backup::Settings,
    read_only: bool,
) -> Result<Option<Settings>, ConfigError> {
    let Some(lease) = env.text(LEASE) else { return Ok(None) };
    let wrong = |why: String| Err(ConfigError::Value { key: LEASE, why });
    if !super::backup::is_name(&lease) {
        return wrong(format!("`{lease}` is no name for a Lease"));
    }
    if read_only {
        return wrong("db_read_only is set: who only reads has nothing to take over".into());
    }
    if backup.on.is_none() {
        return wrong(
            "servers that take over from each other find the database in its backup: set \
             HEKETI_BACKUP_DB_TO_KUBE_SECRET=true as well"
                .into(),
        );
    }
    let Some(source) = backup.source.clone() else {
        return wrong(crate::kube::NoWay::Nowhere.to_string());
    };
    let seconds = env.number(TERM)?.unwrap_or(USUAL);
    if !(2..=3600).contains(&seconds) {
        let why = format!("`{seconds}` is not between 2 and 3600");
        return Err(ConfigError::Value { key: TERM, why });
    }
    let name = env.text("HOSTNAME").unwrap_or_else(|| "brickyard".into());
    let (term, namespace) = (Duration::from_secs(seconds), backup.namespace.clone());
    Ok(Some(Settings { lease, term, source, namespace, name }))
}
