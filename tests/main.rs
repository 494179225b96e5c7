//! All integration tests in one binary; the folders mirror what they test.
mod cli;
mod examples;
mod harness;
