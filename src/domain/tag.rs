//! Tags of nodes and devices: free key-value pairs that steer placement (api.md 9.6).
use std::collections::BTreeMap;

/// Key-value pairs, sorted by key.
pub type Tags = BTreeMap<String, String>;

/// What a device counts as: its node's tags, overlaid by its own.
#[must_use]
pub fn merged(node: &Tags, device: &Tags) -> Tags {
    let mut all = node.clone();
    all.extend(device.iter().map(|(key, value)| (key.clone(), value.clone())));
    all
}
