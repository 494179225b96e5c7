//! All integration tests in one binary; the folders mirror what they test.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    unreachable_pub,
    reason = "a test that cannot go on fails"
)]
mod adopt;
mod architecture;
mod backup;
mod cli;
mod compat;
#[expect(dead_code, reason = "the run of the provisioner needs more of it")]
#[path = "kube/control_plane.rs"]
mod control_plane;
mod examples;
mod harness;
mod kubeexec;
mod leaders;
mod manifests;
mod migrations;
mod monitor;
mod offline;
mod operations;
mod process;
mod readme;
mod rebuild;
mod routes;
