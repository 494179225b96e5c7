//! The wire types, shared by server and command line: names and order as in api.md 8-13.
//!
//! Absent, `null` and zero are the same thing to every known client, so fields are plain values
//! with a default; "left out when empty" is part of the contract and stands on each field.
pub mod admin;
pub mod backup;
pub mod brick;
pub mod block_volume;
pub mod cluster;
pub mod database;
pub mod device;
pub mod examination;
pub mod json;
pub mod logging;
pub mod node;
pub mod operation;
pub mod reality;
pub mod topology;
pub mod volume;

pub(crate) fn is_zero<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
