//! Unfinished operations as Heketi's database has them (storage.md 4.2, 6.8).
use super::{Any, Operation, journal::Record, overview};
use crate::{
    api::database::{CHANGES, OPERATION_TYPES, PendingAction, PendingOperationEntry, number_of},
    store::operations::{OpState, OperationRow},
};

/// Whether the operation brings its objects into being: until it is done, Heketi has none of them.
#[must_use]
pub fn adds_hardware(row: &OperationRow) -> bool {
    ["add-node", "add-device"].contains(&row.kind.as_str())
}

/// The entry of an operation that has a plan. Its type is 0 when Heketi has no such operation;
/// `stale` is one that this version cannot read.
#[must_use]
pub fn pending_entry(row: &OperationRow) -> Option<PendingOperationEntry> {
    if matches!(row.state, OpState::Accepted | OpState::Done | OpState::Failed) {
        return None;
    }
    let record = Record::of_row(row.clone()).ok();
    let status = match (&record, row.state) {
        (None, _) => "stale",
        (_, OpState::Stuck) => "failed",
        _ => "",
    };
    Some(PendingOperationEntry {
        id: row.id.to_string(),
        timestamp: row.created_at,
        kind: number_of(&OPERATION_TYPES, heketis_word(&row.kind)),
        actions: record.as_ref().map(actions).unwrap_or_default(),
        status: status.to_owned(),
    })
}

/// What Heketi calls it.
fn heketis_word(kind: &str) -> &str {
    match kind {
        "settle-expansion" => "expand-volume",
        "settle-eviction" => "evict-brick",
        "settle-block-expansion" => "expand-block-volume",
        other => other,
    }
}

fn actions(record: &Record) -> Vec<PendingAction> {
    let delta = |change: &str| match &record.operation {
        Any::ExpandVolume(expansion) if change == "Expand volume" => {
            i64::try_from(expansion.by().0).ok()
        }
        Any::SettleExpansion(expansion) if change == "Expand volume" => {
            i64::try_from(expansion.by().0).ok()
        }
        // Not the increment here.
        Any::SettleBlockExpansion(expansion) => i64::try_from(expansion.to().0).ok(),
        Any::ExpandBlockVolume(expansion) if change == "Expand block volume" => {
            i64::try_from(expansion.to().0).ok()
        }
        _ => None,
    };
    let action = |change: crate::api::operation::Change| {
        let number = number_of(&CHANGES, &change.description);
        let delta = delta(&change.description);
        (number > 0).then_some(PendingAction { change: number, id: change.id, delta })
    };
    let known = overview::changes(record).into_iter().filter_map(action);
    known.chain(made_by_cloning(&record.operation)).collect()
}

/// The volume that a clone becomes is marked, so the operation names it beside its source.
fn made_by_cloning(operation: &Any) -> Option<PendingAction> {
    let Any::CloneVolume(_) = operation else { return None };
    let id = operation.location()?.rsplit('/').next()?.to_owned();
    Some(PendingAction { change: number_of(&CHANGES, "Expand volume to"), id, delta: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::OperationId;
    use std::collections::BTreeSet;

    fn row(kind: &str, params: &str, state: OpState) -> OperationRow {
        OperationRow {
            id: OperationId::random(),
            kind: kind.to_owned(),
            created_at: 1_700_000_000,
            retry_at: None,
            params: params.to_owned(),
            state,
            attempt: 1,
            tries: 0,
            avoid: BTreeSet::new(),
            error: None,
            steps: vec![],
        }
    }

    #[test]
    fn an_expansion_tells_by_how_much() {
        let volume = "0123456789abcdef0123456789abcdef";
        let params = format!(r#"{{"kind":"expand-volume","volume":"{volume}","by":7}}"#);
        let entry = pending_entry(&row("expand-volume", &params, OpState::Running)).unwrap();
        let action = PendingAction { change: 5, id: volume.to_owned(), delta: Some(7) };
        assert_eq!((entry.kind, entry.timestamp, entry.status.as_str()), (3, 1_700_000_000, ""));
        assert_eq!(entry.actions, [action]);
        let stuck = pending_entry(&row("expand-volume", &params, OpState::Stuck)).unwrap();
        assert_eq!(stuck.status, "failed");
        assert_eq!(pending_entry(&row("expand-volume", &params, OpState::Done)), None);
    }

    /// Numbers 9 and 11 of storage.md 4.2.
    #[test]
    fn a_clone_names_both_volumes() {
        let [source, clone] = ["0", "c"].map(|digit| digit.repeat(32));
        let params = format!(
            r#"{{"kind":"clone-volume","source":"{source}","clone":"{clone}","name":"twin"}}"#
        );
        let entry = pending_entry(&row("clone-volume", &params, OpState::Running)).unwrap();
        let changes: Vec<_> = entry.actions.iter().map(|a| (a.change, a.id.as_str())).collect();
        assert_eq!((entry.kind, changes), (7, vec![(9, source.as_str()), (11, clone.as_str())]));
    }

    #[test]
    fn what_nobody_can_read_is_stale() {
        let entry = pending_entry(&row("of-the-future", "{}", OpState::Running)).unwrap();
        assert_eq!((entry.kind, entry.status.as_str()), (0, "stale"));
        assert!(entry.actions.is_empty());
    }
}
