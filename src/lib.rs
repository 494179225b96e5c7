//! Brickyard makes GlusterFS volumes on demand: the drop-in successor of Heketi.
//!
//! The modules stand in the order in which a request passes through them; what each is for stands
//! in its own first lines, and how they work together in docs/ARCHITECTURE.md.

// The way of a request.
pub mod cli;
pub mod api;
pub mod http;
pub mod inventory;
pub mod database;
pub mod heketi_db;
pub mod examine;
pub mod reality;
pub mod operation;
pub mod placement;
pub mod node;
pub mod store;
pub mod domain;

// What puts them together.
pub mod adopt;
pub mod app;
pub mod backup;
pub mod config;
pub mod demo;
pub mod election;
pub mod health;
pub mod kube;
pub mod monitor;
pub mod scrape;
pub mod offline;
pub mod serve;
pub mod telemetry;

// What all of them use.
pub mod error;
pub mod lenient;
pub mod metrics;
mod validate;
