//! What is known, as the API shows it, and the few changes that touch no node.
//!
//! Each call is one transaction, so an answer never mixes two states.
pub mod block_volume;
pub mod cluster;
pub mod device;
pub mod node;
pub mod volume;

use crate::{
    api::node::TagsChangeRequest,
    domain::Tags,
    error::Result,
    validate::{self, Problems},
};

/// The tags after a change (api.md 9.5).
fn changed(mut tags: Tags, change: TagsChangeRequest) -> Tags {
    match change.change_type.as_str() {
        "set" => change.tags,
        "update" => {
            tags.extend(change.tags);
            tags
        }
        _ => {
            tags.retain(|name, _| !change.tags.contains_key(name));
            tags
        }
    }
}

fn check(change: &TagsChangeRequest) -> Result<()> {
    let kinds = ["set", "update", "delete"];
    let word = change.change_type.as_str();
    let text = || "must be a valid value".to_owned();
    Problems::default()
        .field("change_type", validate::required_word(word, &kinds, text))
        .field("tags", validate::tags(&change.tags))
        .check()
}
