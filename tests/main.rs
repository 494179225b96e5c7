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
mod examples;
mod harness;
mod kubeexec;
mod migrations;
mod monitor;
mod offline;
mod operations;
mod process;
mod readme;
mod routes;
