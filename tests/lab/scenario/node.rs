//! A node of the lab, reached by the lab's own scripts and not by the product.
use std::{path::PathBuf, process::Command};

#[derive(Clone, Copy)]
pub struct Node(pub u8);

impl Node {
    /// Its management name.
    pub fn manage(self) -> String {
        format!("127.0.0.1{}", self.0)
    }
    /// Runs a shell command as root; its output, trimmed.
    pub fn run(self, command: &str) -> String {
        sh(&["nodes", "ssh", &self.0.to_string(), command])
    }
}

/// Runs a script of `tests/lab`; its output, trimmed. `leftovers` may end with status 1: that it
/// found something is seen from what it prints.
pub fn sh(words: &[&str]) -> String {
    let mut script = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    script.extend(["tests", "lab", words[0]]);
    let output = Command::new(script).args(&words[1..]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let found = words[0] == "leftovers" && output.status.code() == Some(1);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() || found, "{words:?}: {}\n{text}\n{errors}", output.status);
    text
}
