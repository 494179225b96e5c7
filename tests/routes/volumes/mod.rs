//! `/volumes` (api.md 11).
mod clone;
mod create;
mod delete;
mod expand;
mod object;
mod options;
mod pending;
mod refused;

use serde_json::{Value, json};

fn replica(n: i64) -> Value {
    json!({"type": "replicate", "replicate": {"replica": n}})
}

fn disperse(data: i64, redundancy: i64) -> Value {
    json!({"type": "disperse", "disperse": {"data": data, "redundancy": redundancy}})
}

/// Sizes of all bricks in KiB, the smallest first.
fn brick_sizes(volume: &Value) -> Vec<u64> {
    let bricks = volume["bricks"].as_array().unwrap();
    let mut sizes: Vec<u64> = bricks.iter().map(|b| b["size"].as_u64().unwrap()).collect();
    sizes.sort_unstable();
    sizes
}

/// One member of all bricks, sorted.
fn of_bricks(volume: &Value, member: &str) -> Vec<String> {
    let bricks = volume["bricks"].as_array().unwrap();
    let mut all: Vec<_> = bricks.iter().map(|b| b[member].as_str().unwrap().to_owned()).collect();
    all.sort_unstable();
    all
}
