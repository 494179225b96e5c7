//! The journal's promise: whatever happens to the server or to the nodes, everything comes to rest
//! and nodes and database tell the same story. Nothing here waits for a clock.
mod blocks;
mod cancel;
mod cases;
mod commands;
mod concurrency;
mod crash;
mod faults;
mod fuse;
mod health;
mod imported;
mod inherit;
mod late;
mod removal;
mod repairs;
mod rest;
mod retries;
mod scenario;
mod seen;
mod shutdown;
mod site;
pub mod world;
