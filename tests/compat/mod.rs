//! Heketi's recorded answers against ours, and what the recordings do not reach.
mod coverage;
mod document;
mod database;
mod golden;
mod heketi_db;

use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// One request to a Heketi 10 server, with its answer.
#[derive(Debug, Deserialize)]
struct Exchange {
    note: String,
    method: String,
    path: String,
    request: Option<String>,
    status: u16,
    headers: BTreeMap<String, String>,
    response: String,
}

fn exchanges() -> Vec<Exchange> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/heketi/transcripts.jsonl");
    let text = std::fs::read_to_string(file).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

impl Exchange {
    /// The value of a JSON answer.
    fn json(&self) -> Option<Value> {
        let content = self.headers.get("Content-Type")?;
        content.starts_with("application/json").then(|| serde_json::from_str(&self.response))?.ok()
    }

    /// Why it is not replayed: what it is about is a later piece of work.
    fn later(&self) -> Option<&'static str> {
        // It is not there.
        const CLONE: &str = "630be5a5bb48627f518bb49f749aae83";
        let about = |words: &str| self.path.contains(words) || self.response.contains(words);
        if self.path.starts_with("/db/") {
            Some("a database with clones and block volumes in it: see database.rs")
        } else if self.path.ends_with("/clone") || about(CLONE) {
            Some("clones")
        } else {
            None
        }
    }
}
