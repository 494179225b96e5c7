//! `setup-openshift-heketi-storage`: a volume for the database of a server that runs in Kubernetes,
//! and the objects that bring a copy of the database onto it (cli.md 4).
//!
//! ```text
//! is there one? can all the rest be done? -> make the volume -> fetch the database -> write the file
//! ```
//!
//! Servers refuse to delete a volume of this name, so what failed half-way would have to be cleaned
//! up by hand. Hence the second question.
mod objects;

use super::{Session, client::NOTHING};
use crate::{
    api::{
        cluster::ClusterInfo,
        volume::{DurabilityRequest, Replicate, VolumeCreateRequest, VolumeInfo},
    },
    domain::database_volume::{LEVEL, NAME, OPTIONS},
};
use anyhow::{Context, Result, bail};
use clap::Args;
use objects::{Copy, list};
use reqwest::Method;
use std::{
    fs::{File, Permissions},
    io::Write,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::PathBuf,
};

/// GiB, the same for everybody.
const SIZE: i64 = 2;
/// Kubernetes refuses Secrets that hold more, bytes.
const SECRET_LIMIT: usize = 1 << 20;
#[derive(Args)]
pub(super) struct SetUp {
    /// File to write the Kubernetes objects to
    #[arg(long, value_name = "FILE", default_value = "heketi-storage.json")]
    listfile: PathBuf,
    /// Image for the job that copies the database; any that has cp
    #[arg(long, default_value = "heketi/heketi:dev")]
    image: String,
    /// How the volume survives the loss of bricks: none or replicate
    #[arg(long, value_name = "TYPE", default_value = "replicate")]
    durability: String,
    /// Copies of each file, for replicate
    #[arg(long, value_name = "N", default_value_t = 3, allow_negative_numbers = true)]
    replica: i64,
    /// Options for gluster, each "key value", instead of those that suit a database (repeatable)
    #[arg(long, value_name = "OPTION", value_delimiter = ',')]
    gluster_volume_options: Vec<String>,
    /// Options for gluster besides the others (repeatable)
    #[arg(long, value_name = "OPTION", value_delimiter = ',')]
    append_volume_options: Vec<String>,
    /// Label of the hosts that may run the job
    #[arg(long, value_name = "KEY=VALUE")]
    node_selector: Option<String>,
}

pub(super) async fn run(wanted: &SetUp, session: &Session<'_>) -> Result<()> {
    let body = request(wanted)?;
    refuse_a_second(session).await?;
    fetch(session).await?;
    wanted.open()?;
    let what = "creating the volume for the database";
    let volume: VolumeInfo = session.client.change("/volumes", &body, what).await?;
    let done = deliver(wanted, &volume, session).await;
    if done.is_err() {
        clean_up(&volume, session).await;
    }
    done
}

fn request(wanted: &SetUp) -> Result<VolumeCreateRequest> {
    let replica = match wanted.durability.as_str() {
        "replicate" => wanted.replica,
        "none" => 0,
        "disperse" => bail!("Durability disperse is not supported for heketi database storage"),
        other => bail!("{other} is not a valid durability type"),
    };
    Ok(VolumeCreateRequest {
        size: SIZE,
        name: NAME.to_owned(),
        durability: DurabilityRequest {
            kind: wanted.durability.clone(),
            replicate: Replicate { replica },
            ..DurabilityRequest::default()
        },
        glustervolumeoptions: options(
            &wanted.gluster_volume_options,
            &wanted.append_volume_options,
        ),
        ..VolumeCreateRequest::default()
    })
}

fn options(instead: &[String], besides: &[String]) -> Vec<String> {
    let given = |list: &[String]| list.iter().filter(|o| !o.is_empty()).cloned().collect();
    let mut options: Vec<String> = given(instead);
    if options.is_empty() {
        options.extend(OPTIONS.map(str::to_owned));
    } else {
        // So that nobody "repairs" what somebody chose.
        options.push(format!("{LEVEL} custom"));
    }
    let besides: Vec<String> = given(besides);
    options.extend(besides);
    options
}

/// Names are only unique in a cluster, so all clusters are looked at.
async fn refuse_a_second(session: &Session<'_>) -> Result<()> {
    for ClusterInfo { volumes, .. } in super::cluster::all(session).await? {
        for id in volumes {
            let path = format!("/volumes/{id}");
            let found: Option<VolumeInfo> = session.client.get_if_there(&path).await?;
            if found.is_some_and(|volume| volume.name == NAME) {
                bail!("Volume {NAME} already exists");
            }
        }
    }
    Ok(())
}

/// The database as the server backs it up.
async fn fetch(session: &Session<'_>) -> Result<Vec<u8>> {
    let database = session.client.bytes("/backup/db").await;
    let database = database.context("cannot get the database from the server")?;
    if database.len() > SECRET_LIMIT {
        bail!(
            "the database has {} bytes, and Kubernetes takes no Secret of more than {SECRET_LIMIT}: \
             make the volume by \"volume create\" and copy the database there yourself",
            database.len()
        );
    }
    Ok(database)
}

/// Writes the file, with the database as it is now that it knows its own volume.
async fn deliver(wanted: &SetUp, volume: &VolumeInfo, session: &Session<'_>) -> Result<()> {
    let database = fetch(session).await?;
    let copy =
        Copy { volume, database: &database, image: &wanted.image, node: wanted.node_selector() };
    let text = serde_json::to_string_pretty(&list(&copy))?;
    session.console.print(&format!("Saving {}\n", wanted.listfile.display()))?;
    let mut file = wanted.open()?;
    let written = file.set_len(0).and_then(|()| file.write_all(text.as_bytes()));
    written.with_context(|| format!("cannot write {}", wanted.listfile.display()))
}

impl SetUp {
    /// The file, for nobody else's eyes, also when it was there before: a database has the secrets
    /// of block volumes. What it holds stays until there is something to be written.
    fn open(&self) -> Result<File> {
        let mut options = File::options();
        options.create(true).write(true).truncate(false).mode(0o600);
        let private =
            |file: File| file.set_permissions(Permissions::from_mode(0o600)).map(|()| file);
        options
            .open(&self.listfile)
            .and_then(private)
            .with_context(|| format!("cannot write {}", self.listfile.display()))
    }
    /// As key and value; anything but one `=` is no selector, as in Heketi's tool.
    fn node_selector(&self) -> Option<(&str, &str)> {
        let (key, value) = self.node_selector.as_deref()?.split_once('=')?;
        (!value.contains('=')).then_some((key, value))
    }
}

/// The error that led here is what the user reads; what fails now is told beside it.
async fn clean_up(volume: &VolumeInfo, session: &Session<'_>) {
    session.console.note("Cleaning up");
    let path = format!("/volumes/{}", volume.id);
    let deleted = session.client.run(Method::DELETE, &path, NOTHING, "deleting the volume").await;
    if let Err(e) = deleted {
        session.console.note(&format!("Unable to delete volume {}: {e:#}", volume.id));
    }
}
