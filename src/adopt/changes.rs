//! What is different in our database: every member of every entry is compared, before and after.
use crate::api::database::Dump;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fmt::{self, Display},
};

/// A member that has other values than before, in one or more entries of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    kind: &'static str,
    member: String,
    /// How many entries.
    count: usize,
    /// One of them.
    id: String,
    before: String,
    after: String,
}

/// Kinds of entries. Attributes are about the database itself: a new one has its own; operations
/// are told of elsewhere.
const KINDS: [(&str, &str); 6] = [
    ("clusterentries", "cluster"),
    ("nodeentries", "node"),
    ("deviceentries", "device"),
    ("volumeentries", "volume"),
    ("brickentries", "brick"),
    ("blockvolumeentries", "block volume"),
];

/// Lists without an order: they tell who belongs to whom, and are worked out anew.
const SETS: [&str; 6] = ["nodes", "volumes", "blockvolumes", "blockvolume", "Devices", "Bricks"];

/// Why members are set right, by their names, or how these begin.
const REASONS: [(&str, &str); 11] = [
    ("itself", "of a clone that was not finished, and is forgotten"),
    ("Pending.Id", "its operation is forgotten"),
    ("Info.file", "earlier versions had no such flag"),
    ("Info.block", "earlier versions had no such flag"),
    ("Info.mount.", "worked out from the nodes there are, as for each answer"),
    ("Info.blockinfo.", "2 % are kept back, or the volume is locked until there is room for that"),
    ("Info.storage.", "where figures contradict each other, rather too little space than too much"),
    ("Info.volume", "the volume that lists it"),
    ("Info.usablesize", "earlier versions did not tell it"),
    ("LvmThinPool", "the usual name, which earlier versions did not tell"),
    ("SubType", "earlier versions did not tell it"),
];

impl Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, member, count, id, before, after } = self;
        let about =
            |name: &str| member == name || (name.ends_with('.') && member.starts_with(name));
        write!(f, "{kind}: {member} of {count}")?;
        if let Some((_, reason)) = REASONS.iter().find(|(name, _)| about(name)) {
            write!(f, " ({reason})")?;
        }
        write!(f, ": for {id} {before} becomes {after}")
    }
}

/// Compares two states of a database.
///
/// # Errors
/// None: entries can be written as JSON.
pub(super) fn between(before: &Dump, after: &Dump) -> serde_json::Result<Vec<Change>> {
    let [before, after] = [serde_json::to_value(before)?, serde_json::to_value(after)?];
    let mut all = vec![];
    for (entries, kind) in KINDS {
        let mut of_kind = BTreeMap::new();
        let [before, after] = [&before, &after].map(|dump| dump[entries].as_object());
        let (Some(before), Some(after)) = (before, after) else { continue };
        for (id, entry) in before {
            let other = after.get(id).unwrap_or(&Value::Null);
            compare(entry, other, "", &mut |member, before, after| {
                let member = if member.is_empty() { "itself" } else { member };
                let change = of_kind.entry(member.to_owned()).or_insert_with(|| Change {
                    kind,
                    member: member.to_owned(),
                    count: 0,
                    id: id.clone(),
                    before: shown(member, before),
                    after: shown(member, after),
                });
                change.count += 1;
            });
        }
        all.extend(of_kind.into_values());
    }
    Ok(all)
}

fn compare(
    before: &Value,
    after: &Value,
    path: &str,
    differs: &mut impl FnMut(&str, &Value, &Value),
) {
    if let (Value::Object(members), Value::Object(others)) = (before, after) {
        let names = members.keys().chain(others.keys().filter(|name| !members.contains_key(*name)));
        for name in names {
            let at = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            let [before, after] =
                [members, others].map(|all| all.get(name).unwrap_or(&Value::Null));
            if SETS.contains(&name.as_str()) && sorted(before) == sorted(after) {
                continue;
            }
            compare(before, after, &at, differs);
        }
    } else if before != after {
        differs(path, before, after);
    }
}

fn sorted(list: &Value) -> Vec<&str> {
    let mut all: Vec<_> = list.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    all.sort_unstable();
    all
}

/// Short, and nothing that nobody may see.
fn shown(member: &str, value: &Value) -> String {
    const LONGEST: usize = 80;
    if member.ends_with("password") {
        return "(secret)".to_owned();
    }
    let text = match value {
        Value::Null => "nothing".to_owned(),
        other => other.to_string(),
    };
    let cut: String = text.chars().take(LONGEST).collect();
    if cut.len() < text.len() { cut + "..." } else { text }
}
