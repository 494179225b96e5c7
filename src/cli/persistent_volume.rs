//! Kubernetes objects made from a volume: a PersistentVolume, and a patch for its Endpoints.
use super::{args::Flag, console::Console};
use crate::api::volume::VolumeInfo;
use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Asks for a PersistentVolume instead of the volume's description.
#[derive(Args)]
#[command(next_help_heading = "Kubernetes")]
pub(super) struct PersistentVolume {
    /// Print a PersistentVolume object for the new volume
    #[arg(long = "persistent-volume", switch(false))]
    print: bool,
    /// Write the PersistentVolume object to a file
    #[arg(long = "persistent-volume-file", value_name = "FILE")]
    file: Option<PathBuf>,
    /// Name of the Endpoints object with the addresses of the cluster
    #[arg(long = "persistent-volume-endpoint", value_name = "NAME")]
    #[arg(default_value = "", hide_default_value = true)]
    endpoint: String,
}

impl PersistentVolume {
    pub(super) fn is_wanted(&self) -> bool {
        self.print || self.file.is_some()
    }
    /// Refuses what could only fail after the volume is there.
    pub(super) fn check(&self, console: &Console) -> Result<()> {
        if self.print && self.endpoint.is_empty() {
            console.note(
                "--persistent-volume-endpoint must be provided when using --persistent-volume",
            );
            bail!("Missing endpoint");
        }
        Ok(())
    }
    /// Writes the object to the file or prints it.
    pub(super) fn deliver(&self, volume: &VolumeInfo, console: &Console) -> Result<()> {
        let endpoint = match self.endpoint.as_str() {
            "" => "TYPE ENDPOINT HERE",
            name => name,
        };
        let text = serde_json::to_string_pretty(&object(volume, endpoint))? + "\n";
        let Some(file) = &self.file else { return console.print(&text) };
        std::fs::write(file, text).with_context(|| {
            format!("volume {} is created, but cannot write {}", volume.id, file.display())
        })
    }
}

fn object(volume: &VolumeInfo, endpoint: &str) -> Value {
    json!({
        "kind": "PersistentVolume",
        "apiVersion": "v1",
        "metadata": {
            "name": format!("glusterfs-{:.8}", volume.id.to_string()),
            "creationTimestamp": null,
            "annotations": { "pv.beta.kubernetes.io/gid": volume.gid.to_string() },
        },
        "spec": {
            "capacity": { "storage": format!("{}Gi", volume.size) },
            "glusterfs": { "endpoints": endpoint, "path": volume.name },
            "accessModes": ["ReadWriteMany"],
            "persistentVolumeReclaimPolicy": "Retain",
        },
        "status": {},
    })
}

/// What `volume endpoint patch` prints: a subset a host, with a dummy port.
pub(super) fn endpoint_patch(hosts: &[String]) -> Result<String> {
    let subset = |host| json!({ "addresses": [{ "ip": host }], "ports": [{ "port": 1 }] });
    let subsets: Vec<Value> = hosts.iter().map(subset).collect();
    Ok(format!("{{\"subsets\": {}}}", crate::api::json::compact(&subsets)?))
}
