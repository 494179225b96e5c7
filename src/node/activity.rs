//! The scripts that nodes are working on at this moment, and for whom; and what is waited for.
use crate::domain::{Hostname, OperationId};
use jiff::Timestamp;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// A script on a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// The operation it belongs to; none for probes and looks.
    pub operation: Option<OperationId>,
    /// The node.
    pub host: Hostname,
    /// Its commands in one line of bearable length.
    pub commands: String,
    /// Since when.
    pub since: Timestamp,
}

/// Everything that was handed over for a node and has not been answered.
#[derive(Clone, Debug, Default)]
pub(super) struct Activity(Arc<Mutex<Table>>);

#[derive(Debug, Default)]
struct Table {
    next: u64,
    running: BTreeMap<u64, Running>,
    healing: BTreeMap<OperationId, u64>,
}

/// A line of the table; gone when dropped.
pub(super) struct Entry {
    number: u64,
    activity: Activity,
}

impl Activity {
    pub(super) fn begin(
        &self,
        operation: Option<OperationId>,
        host: &Hostname,
        commands: String,
    ) -> Entry {
        let running = Running { operation, host: host.clone(), commands, since: Timestamp::now() };
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = table.next;
        table.next += 1;
        table.running.insert(number, running);
        Entry { number, activity: self.clone() }
    }
    pub(super) fn of(&self, operation: OperationId) -> Vec<Running> {
        let table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.running.values().filter(|r| r.operation == Some(operation)).cloned().collect()
    }
    pub(super) fn note_healing(&self, operation: OperationId, files: Option<u64>) {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match files {
            Some(files) => table.healing.insert(operation, files),
            None => table.healing.remove(&operation),
        };
    }
    pub(super) fn healing(&self, operation: OperationId) -> Option<u64> {
        let table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.healing.get(&operation).copied()
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut table = self.activity.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.running.remove(&self.number);
    }
}
