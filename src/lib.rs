//! Brickyard makes GlusterFS volumes on demand: the drop-in successor of Heketi.
//!
//! The modules stand in the order in which a request passes through them; see docs/ARCHITECTURE.md.

/// The wire types, shared by server and command line.
pub mod api;
/// The command line, `heketi-cli`.
pub mod cli;
/// The words of the field as types.
pub mod domain;
/// In: from HTTP to one call, and back.
pub mod http;
/// What is known, as the API shows it.
pub mod inventory;
/// The only door to the storage nodes.
pub mod node;
/// What is done: one file for each operation.
pub mod operation;
/// Where bricks go: pure functions.
pub mod placement;
/// What is known: SQLite.
pub mod store;

/// The application: everything a request may need.
pub mod app;
/// heketi.json and the HEKETI_* variables.
pub mod config;
/// `brickyard demo`: a server on simulated nodes.
pub mod demo;
/// What can go wrong, once.
pub mod error;
/// JSON read as Heketi reads it.
pub mod lenient;
/// `brickyard serve`: from the configuration to a running server.
pub mod serve;
/// Log lines.
pub mod telemetry;
mod validate;
