//! `device`: add, delete, switch, tag, resync and show devices.
use super::{
    Session,
    args::{Flag, Target},
    client::NOTHING,
    state,
    state::{HealCheck, Kind},
    tags::{self, RemoveTags, SetTags},
};
use crate::{
    api::{
        cluster::ClusterInfo,
        device::{BrickInfo, DeviceAddRequest, DeviceDeleteRequest, DeviceInfo},
        node::NodeInfo,
    },
    domain::{State, Tags},
};
use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use reqwest::Method;

#[derive(Subcommand)]
pub(super) enum DeviceCommand {
    /// Add a disk of a node
    #[command(after_help = "Example:\n  heketi-cli device add --name=/dev/sdb --node=ID")]
    Add(AddDevice),
    /// Delete a device that was removed
    Delete {
        #[command(flatten)]
        target: Target,
        /// Forget it even if its node cannot be cleaned up
        #[arg(long, switch(false))]
        force_forget: bool,
    },
    /// Move all bricks of a disabled device elsewhere
    Remove {
        #[command(flatten)]
        target: Target,
        /// Move bricks even where data still waits to be healed: can lose data
        #[arg(long, switch(false))]
        expert_option_disable_heal_check: bool,
    },
    /// Let a device take new bricks
    Enable(Target),
    /// Let a device take no new bricks
    Disable(Target),
    /// Show a device and its bricks
    Info(Target),
    /// Read a device's size anew from its node
    Resync {
        #[command(flatten)]
        target: Target,
        /// Take the id for that of a cluster and resync all its devices
        #[arg(long, switch(false))]
        cluster: bool,
    },
    /// Set tags of a device
    #[command(after_help = "Example:\n  heketi-cli device settags ID disktype:ssd")]
    Settags(SetTags),
    /// Remove tags of a device
    #[command(aliases = ["deltags", "removetags"])]
    Rmtags(RemoveTags),
}

#[derive(Args)]
pub(super) struct AddDevice {
    /// Absolute path of the disk
    #[arg(long, value_name = "PATH", default_value = "", hide_default_value = true)]
    name: String,
    /// Id of the node that has it
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    node: String,
    /// Wipe what is on the disk if need be
    #[arg(long, switch(false))]
    destroy_existing_data: bool,
}

pub(super) async fn run(command: DeviceCommand, session: &Session<'_>) -> Result<()> {
    let kind = Kind::Device;
    let client = &session.client;
    let switch = async |target: &Target, to, check| {
        let id = target.id(session, kind.id_missing())?;
        state::set(session, kind, id, to, check).await
    };
    match command {
        DeviceCommand::Add(device) => add(device, session).await,
        DeviceCommand::Delete { target, force_forget } => {
            let id = target.id(session, kind.id_missing())?;
            let body = DeviceDeleteRequest { forceforget: force_forget };
            let what = "deleting the device";
            client.run(Method::DELETE, &kind.path(id), Some(&body), what).await?;
            session.console.print(&format!("Device {id} deleted\n"))
        }
        DeviceCommand::Remove { target, expert_option_disable_heal_check: false } => {
            switch(&target, State::Failed, HealCheck::Default).await
        }
        DeviceCommand::Remove { target, expert_option_disable_heal_check: true } => {
            target.id(session, kind.id_missing())?;
            state::warn_of_missing_heal_check(session).await?;
            switch(&target, State::Failed, HealCheck::Off).await
        }
        DeviceCommand::Enable(target) => switch(&target, State::Online, HealCheck::Default).await,
        DeviceCommand::Disable(target) => switch(&target, State::Offline, HealCheck::Default).await,
        DeviceCommand::Info(target) => {
            let id = target.id(session, kind.id_missing())?;
            session.show(&client.get(&kind.path(id)).await?, render)
        }
        DeviceCommand::Resync { target, cluster } => {
            let id = target.id(session, kind.id_missing())?;
            if cluster {
                return resync_cluster(id, session).await;
            }
            resync(id, session).await?;
            session.console.print(&format!("Device {id} updated\n"))
        }
        DeviceCommand::Settags(wanted) => tags::set(session, kind, &wanted).await,
        DeviceCommand::Rmtags(wanted) => tags::remove(session, kind, &wanted).await,
    }
}

async fn add(device: AddDevice, session: &Session<'_>) -> Result<()> {
    if device.name.is_empty() {
        bail!("Missing device name");
    }
    if device.node.is_empty() {
        bail!("Missing node id");
    }
    let body = DeviceAddRequest {
        node: device.node,
        name: device.name,
        tags: Tags::new(),
        destroydata: device.destroy_existing_data,
    };
    session.client.run(Method::POST, "/devices", Some(&body), "adding the device").await?;
    session.console.print("Device added successfully\n")
}

async fn resync(id: &str, session: &Session<'_>) -> Result<()> {
    let path = format!("{}/resync", Kind::Device.path(id));
    session.client.run(Method::GET, &path, NOTHING, "resyncing the device").await.map(drop)
}

/// Resyncs what it can; unlike Heketi's tool it says which devices failed, and fails for it.
async fn resync_cluster(id: &str, session: &Session<'_>) -> Result<()> {
    let print = |text: String| session.console.print(&text);
    print("Cluster-wide resync operation requested. Using object_id as cluster_id.\n".to_owned())?;
    let cluster: ClusterInfo = session.client.get(&format!("/clusters/{id}")).await?;
    let mut failed = 0;
    for node in &cluster.nodes {
        let node: NodeInfo = session.client.get(&format!("/nodes/{node}")).await?;
        for device in &node.devices {
            let device = device.id;
            print(format!("Now resyncing device {device}..\n"))?;
            match resync(&device.to_string(), session).await {
                Ok(()) => {
                    print(format!("Device {device} (node {}) in cluster {id} updated\n", node.id))?;
                }
                Err(e) => {
                    failed += 1;
                    session.console.note(&format!("Unable to resync device {device}: {e:#}"));
                }
            }
        }
    }
    if failed > 0 {
        bail!("{failed} of the cluster's devices could not be resynced");
    }
    Ok(())
}

/// The text of `device info`.
#[must_use]
pub fn render(device: &DeviceInfo) -> String {
    let size = device.storage;
    let mut text = format!(
        "Device Id: {}\nState: {}\nSize (GiB): {}\nUsed (GiB): {}\nFree (GiB): {}\n\
         Create Path: {}\nPhysical Volume UUID: {}\nKnown Paths: {}\n{}Bricks:\n",
        device.id,
        state::shown(device.state),
        size.total.whole_gib().0,
        size.used.whole_gib().0,
        size.free.whole_gib().0,
        device.name,
        device.pv_uuid,
        device.paths.join(" "),
        tags::render(&device.tags)
    );
    for brick in &device.bricks {
        text.push_str(&brick_line(brick));
    }
    text
}

/// A brick as devices list it.
pub(super) fn brick_line(brick: &BrickInfo) -> String {
    format!(
        "Id:{:<35}Size (GiB):{:<8}Path: {}\n",
        brick.id.to_string(),
        brick.size.whole_gib().0,
        brick.path
    )
}
