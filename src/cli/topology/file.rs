//! Reads topology.json and refuses what cannot work before anything is sent.
//!
//! Heketi's tool sent what it could read and left a half-loaded cluster behind; and of an unreadable
//! file it did not say what was wrong where.
use crate::{
    api::topology::{DeviceEntry, NodeEntry, TopologyFile},
    domain::{DeviceName, Hostname},
    lenient,
};
use anyhow::{Result, anyhow, bail};
use std::{
    collections::{HashMap, HashSet},
    io::ErrorKind,
    path::Path,
};

/// Reads and checks the file.
///
/// # Errors
/// It cannot be read, is not JSON, or an entry makes no sense; the message names the place.
pub fn read(path: &Path) -> Result<TopologyFile> {
    let text = std::fs::read(path).map_err(|e| match e.kind() {
        // Word for word Heketi's; what is missing stands on the command line.
        ErrorKind::NotFound => anyhow!("Unable to open config file"),
        _ => anyhow!("Unable to open config file: {e}"),
    })?;
    lenient::from_slice(&text)
        .map_err(anyhow::Error::from)
        .and_then(|file| check(&file).map(|()| file))
        .map_err(|e| anyhow!("Unable to parse config file: {e} ({})", path.display()))
}

/// What was seen so far, with its place in the file.
#[derive(Default)]
struct Seen<'a> {
    manage: HashMap<&'a str, String>,
    storage: HashMap<&'a str, String>,
}

fn check(file: &TopologyFile) -> Result<()> {
    let mut seen = Seen::default();
    for (c, cluster) in file.clusters.iter().enumerate() {
        for (n, node) in cluster.nodes.iter().enumerate() {
            check_node(&format!("clusters[{c}].nodes[{n}]"), node, &mut seen)?;
        }
    }
    Ok(())
}

fn check_node<'a>(place: &str, entry: &'a NodeEntry, seen: &mut Seen<'a>) -> Result<()> {
    let names = &entry.node.hostnames;
    if entry.node.zone < 1 {
        bail!("{place}.node.zone: must be at least 1");
    }
    check_hosts(&format!("{place}.node.hostnames.manage"), &names.manage, &mut seen.manage)?;
    check_hosts(&format!("{place}.node.hostnames.storage"), &names.storage, &mut seen.storage)?;
    let mut devices = HashSet::new();
    for (d, device) in entry.devices.iter().enumerate() {
        let (name, place) = match device {
            DeviceEntry::Path(path) => (path, format!("{place}.devices[{d}]")),
            DeviceEntry::Full(full) => (&full.name, format!("{place}.devices[{d}].name")),
        };
        if name.parse::<DeviceName>().is_err() {
            bail!("{place}: must be an absolute path such as /dev/sdb, not {name:?}");
        }
        if !devices.insert(name) {
            bail!("{place}: {name} is there twice");
        }
    }
    Ok(())
}

fn check_hosts<'a>(
    place: &str,
    names: &'a [String],
    seen: &mut HashMap<&'a str, String>,
) -> Result<()> {
    if names.is_empty() {
        bail!("{place}: must hold the node's name");
    }
    let mut own = HashMap::new();
    for (i, name) in names.iter().enumerate() {
        let place = format!("{place}[{i}]");
        if name.parse::<Hostname>().is_err() {
            bail!("{place}: not a host name or address: {name:?}");
        }
        if let Some(first) = seen.get(name.as_str()) {
            bail!("{place}: {name} is used already by {first}");
        }
        own.insert(name.as_str(), place);
    }
    seen.extend(own);
    Ok(())
}
