//! A dump in which only that differs after a rebuild which stands nowhere on the nodes.
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The dump with nodes and clusters called by their names, and bricks by where they are: what
/// stands nowhere on the nodes is the same then.
pub fn named(dump: &Value) -> Value {
    let mut names = BTreeMap::new();
    for (id, node) in dump["nodeentries"].as_object().unwrap() {
        let info = &node["Info"];
        names.insert(id.clone(), info["hostnames"]["manage"][0].as_str().unwrap().to_owned());
        names.insert(info["cluster"].as_str().unwrap().to_owned(), "the cluster".into());
    }
    for (id, brick) in dump["brickentries"].as_object().unwrap() {
        let path = brick["Info"]["path"].as_str().unwrap();
        // The names of clones hold no ids of ours.
        if path.starts_with("/run/") {
            names.insert(id.clone(), path.to_owned());
        }
    }
    let mut text = dump.to_string();
    for (id, name) in names {
        text = text.replace(&id, &name);
    }
    let mut dump: Value = serde_json::from_str(&text).unwrap();
    for volume in dump["volumeentries"].as_object_mut().unwrap().values_mut() {
        // Its hosts are named in the order of the ids of nodes, which are new.
        volume["Info"].as_object_mut().unwrap().remove("mount");
        // Numbers of kinds that it is not say nothing, and stand nowhere.
        let durability = &mut volume["Info"]["durability"];
        let kind = durability["type"].clone();
        for other in ["replicate", "disperse"].into_iter().filter(|name| kind != *name) {
            durability[other] = json!({});
        }
        // Options that say nothing are nowhere in gluster.
        if let Some(options) = volume["GlusterVolumeOptions"].as_array_mut() {
            options.retain(|option| option != "");
        }
        if volume["GlusterVolumeOptions"] == json!([]) {
            volume["GlusterVolumeOptions"] = Value::Null;
        }
    }
    for table in dump.as_object_mut().unwrap().values_mut() {
        for entry in table.as_object_mut().unwrap().values_mut() {
            sorted(entry);
        }
    }
    dump
}

/// Lists of ids are sorted by ids, which are others now.
fn sorted(value: &mut Value) {
    match value {
        Value::Array(list) => list.sort_by_key(Value::to_string),
        Value::Object(map) => map.values_mut().for_each(sorted),
        _ => {}
    }
}
