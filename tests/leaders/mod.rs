//! Several servers stand ready, and one works: see docs/KUBERNETES.md.
mod backup;
mod election;
mod server;
mod takeover;
