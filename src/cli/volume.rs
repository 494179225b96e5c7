//! `volume`: create, expand, delete and show volumes.
use super::{
    Session,
    args::{Flag, Target, checked_id},
    client::NOTHING,
    persistent_volume::{self, PersistentVolume},
};
use crate::api::volume::{
    BlockRestrictionRequest, Disperse, DurabilityRequest, Replicate, Snapshot, VolumeCloneRequest,
    VolumeCreateRequest, VolumeExpandRequest, VolumeInfo, VolumeList,
};
use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use reqwest::Method;
use std::fmt::Write;

const ID_MISSING: &str = "Volume id missing";

#[derive(Subcommand)]
pub(super) enum VolumeCommand {
    /// Create a volume
    #[command(after_help = "Examples:
  heketi-cli volume create --size=100
  heketi-cli volume create --size=100 --durability=disperse --disperse-data=4 --redundancy=2
  heketi-cli volume create --size=100 --snapshot-factor=1.25 --clusters=ID,ID
  heketi-cli volume create --size=100 --gluster-volume-options=\"performance.cache-size 1GB\"
  heketi-cli volume create --size=100 --persistent-volume \\
    --persistent-volume-endpoint=glusterfs-cluster | kubectl create -f -")]
    Create(Box<CreateVolume>),
    /// Show a volume
    Info(Target),
    /// Make a volume larger
    #[command(after_help = "Example:\n  heketi-cli volume expand ID --expand-size=10")]
    Expand {
        #[command(flatten)]
        target: Target,
        /// Id of the volume, if not given as argument
        #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
        volume: String,
        /// By how many GiB
        #[arg(long, value_name = "GIB", default_value_t = -1, hide_default_value = true)]
        #[arg(allow_negative_numbers = true)]
        expand_size: i64,
    },
    /// Make a copy of a volume that shares space with it until either changes
    #[command(after_help = "Example:\n  heketi-cli volume clone ID --name=copy")]
    Clone {
        #[command(flatten)]
        target: Target,
        /// Name of the clone; vol_ID when not given
        #[arg(long, default_value = "", hide_default_value = true)]
        name: String,
    },
    /// Delete a volume and all data on it
    Delete(Target),
    /// List all volumes
    List,
    /// Lock a block hosting volume for further block volumes, or unlock it
    #[command(after_help = "Example:\n  heketi-cli volume set-block-hosting-restriction locked ID")]
    SetBlockHostingRestriction {
        /// locked or unlocked
        restriction: Option<String>,
        #[command(flatten)]
        target: Target,
    },
    /// Make Kubernetes objects that belong to a volume
    #[command(subcommand)]
    Endpoint(EndpointCommand),
}

#[derive(Subcommand)]
pub(super) enum EndpointCommand {
    /// Print a patch that puts the volume's hosts into an Endpoints object
    Patch(Target),
}

#[derive(Args)]
pub(super) struct CreateVolume {
    /// Size in GiB
    #[arg(long, value_name = "GIB", default_value_t = 0, hide_default_value = true)]
    #[arg(allow_negative_numbers = true)]
    size: i64,
    /// Name; vol_ID when not given
    #[arg(long, default_value = "", hide_default_value = true)]
    name: String,
    /// How it survives the loss of bricks: none, replicate or disperse
    #[arg(long, value_name = "TYPE", default_value = "replicate")]
    durability: String,
    /// Copies of each file, for replicate
    #[arg(long, value_name = "N", default_value_t = 3, allow_negative_numbers = true)]
    replica: i64,
    /// Bricks with data in each set, for disperse
    #[arg(long, value_name = "N", default_value_t = 4, allow_negative_numbers = true)]
    disperse_data: i64,
    /// Bricks of each set that may be lost, for disperse
    #[arg(long, value_name = "N", default_value_t = 2, allow_negative_numbers = true)]
    redundancy: i64,
    /// Room for snapshots, as a multiple of the size; 1 is none
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, allow_negative_numbers = true)]
    snapshot_factor: f32,
    /// Clusters that may hold it; any when not given (repeatable)
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    clusters: Vec<String>,
    /// Options for gluster, each "key value" (repeatable)
    #[arg(long, value_name = "OPTION", value_delimiter = ',')]
    gluster_volume_options: Vec<String>,
    /// Group that may write to its root directory
    #[arg(long, value_name = "GID", default_value_t = 0, hide_default_value = true)]
    #[arg(allow_negative_numbers = true)]
    gid: i64,
    /// Make it host block volumes
    #[arg(long, switch(false))]
    block: bool,
    #[command(flatten)]
    kubernetes: PersistentVolume,
}

pub(super) async fn run(command: VolumeCommand, session: &Session<'_>) -> Result<()> {
    let client = &session.client;
    match command {
        VolumeCommand::Create(wanted) => create(&wanted, session).await,
        VolumeCommand::Info(target) => session.show(&info(&target, session).await?, render),
        VolumeCommand::Expand { target, volume, expand_size } => {
            if expand_size == -1 {
                bail!("Missing volume amount to expand");
            }
            let missing = "Missing volume id";
            let id = match volume.as_str() {
                "" => target.id(session, missing)?,
                id => checked_id(id, missing)?,
            };
            let path = format!("/volumes/{id}/expand");
            let body = VolumeExpandRequest { expand_size };
            let grown: VolumeInfo = client.change(&path, &body, "expanding the volume").await?;
            session.show(&grown, render)
        }
        VolumeCommand::Clone { target, name } => {
            let id = target.id(session, ID_MISSING)?;
            let path = format!("/volumes/{id}/clone");
            let body = VolumeCloneRequest { name };
            let clone: VolumeInfo = client.change(&path, &body, "cloning the volume").await?;
            session.show(&clone, render)
        }
        VolumeCommand::Delete(target) => {
            let id = target.id(session, ID_MISSING)?;
            let path = format!("/volumes/{id}");
            client.run(Method::DELETE, &path, NOTHING, "deleting the volume").await?;
            session.console.print(&format!("Volume {id} deleted\n"))
        }
        VolumeCommand::List if session.json => {
            session.show(&client.get::<VolumeList>("/volumes").await?, |_| String::new())
        }
        VolumeCommand::List => {
            let mut text = String::new();
            for id in client.get::<VolumeList>("/volumes").await?.volumes {
                if let Some(volume) = client.get_if_there(&format!("/volumes/{id}")).await? {
                    text.push_str(&list_line(&volume));
                }
            }
            session.console.print(&text)
        }
        VolumeCommand::SetBlockHostingRestriction { restriction, target } => {
            let restriction = match restriction.as_deref() {
                Some("locked") => "locked".to_owned(),
                Some("unlocked") => String::new(),
                None => bail!("Restriction missing: locked or unlocked"),
                Some(other) => bail!("Restriction {other:?} is neither locked nor unlocked"),
            };
            let id = target.id(session, ID_MISSING)?;
            let path = format!("/volumes/{id}/block-restriction");
            let body = BlockRestrictionRequest { restriction };
            let what = "setting the restriction";
            let volume: VolumeInfo = client.change(&path, &body, what).await?;
            session.show(&volume, render)
        }
        VolumeCommand::Endpoint(EndpointCommand::Patch(target)) => {
            let hosts = info(&target, session).await?.mount.glusterfs.hosts;
            session.console.print(&persistent_volume::endpoint_patch(&hosts)?)
        }
    }
}

async fn info(target: &Target, session: &Session<'_>) -> Result<VolumeInfo> {
    let id = target.id(session, ID_MISSING)?;
    session.client.get(&format!("/volumes/{id}")).await
}

async fn create(wanted: &CreateVolume, session: &Session<'_>) -> Result<()> {
    if wanted.size == 0 {
        bail!("Missing volume size");
    }
    wanted.kubernetes.check(session.console)?;
    let body = request(wanted);
    let made: VolumeInfo = session.client.change("/volumes", &body, "creating the volume").await?;
    if !wanted.kubernetes.is_wanted() {
        return session.show(&made, render);
    }
    wanted.kubernetes.deliver(&made, session.console)
}

/// Numbers are sent for all durabilities; the server takes those that count.
fn request(wanted: &CreateVolume) -> VolumeCreateRequest {
    let given = |list: &[String]| list.iter().filter(|e| !e.is_empty()).cloned().collect();
    let enable = wanted.snapshot_factor > 1.0;
    VolumeCreateRequest {
        size: wanted.size,
        clusters: given(&wanted.clusters),
        name: wanted.name.clone(),
        durability: DurabilityRequest {
            kind: wanted.durability.clone(),
            replicate: Replicate { replica: wanted.replica },
            disperse: Disperse { data: wanted.disperse_data, redundancy: wanted.redundancy },
        },
        gid: wanted.gid,
        glustervolumeoptions: given(&wanted.gluster_volume_options),
        block: wanted.block,
        snapshot: Snapshot { enable, factor: if enable { wanted.snapshot_factor } else { 0.0 } },
    }
}

/// The text of `volume info`.
#[must_use]
pub fn render(volume: &VolumeInfo) -> String {
    let mount = &volume.mount.glusterfs;
    let block = &volume.blockinfo;
    let restriction = if block.restriction.is_empty() { "(none)" } else { &block.restriction };
    let mut text = format!(
        "Name: {}\nSize: {}\nVolume Id: {}\nCluster Id: {}\nMount: {}\nMount Options: {}\n\
         Block: {}\nFree Size: {}\nReserved Size: {}\nBlock Hosting Restriction: {restriction}\n\
         Block Volumes: [{}]\nDurability Type: {}\nDistribute Count: {}\n",
        volume.name,
        volume.size,
        volume.id,
        volume.cluster,
        mount.device,
        mount_options(volume),
        volume.block,
        block.freesize,
        block.reservedsize,
        block.blockvolume.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        volume.durability.kind,
        distribute_count(volume)
    );
    let DurabilityRequest { replicate, disperse, .. } = &volume.durability;
    match volume.durability.kind.as_str() {
        "replicate" => {
            let _ = writeln!(text, "Replica Count: {}", replicate.replica);
        }
        "disperse" => {
            let _ = writeln!(
                text,
                "Disperse Data Count: {}\nDisperse Redundancy Count: {}",
                disperse.data, disperse.redundancy
            );
        }
        _ => {}
    }
    if volume.snapshot.enable {
        let _ = writeln!(text, "Snapshot Factor: {:.2}\n", volume.snapshot.factor);
    }
    text
}

/// The options to mount a volume with.
pub(super) fn mount_options(volume: &VolumeInfo) -> String {
    format!("backup-volfile-servers={}", volume.mount.glusterfs.options.backup_volfile_servers)
}

/// How many brick sets share out the files.
fn distribute_count(volume: &VolumeInfo) -> usize {
    let DurabilityRequest { kind, replicate, disperse } = &volume.durability;
    let bricks_in_set = match kind.as_str() {
        "replicate" => replicate.replica,
        "disperse" => disperse.data.saturating_add(disperse.redundancy),
        _ => 1,
    };
    volume.bricks.len() / usize::try_from(bricks_in_set).unwrap_or(1).max(1)
}

fn list_line(volume: &VolumeInfo) -> String {
    let block = if volume.block { " [block]" } else { "" };
    let (id, cluster) = (volume.id.to_string(), volume.cluster.to_string());
    format!("Id:{id:<35} Cluster:{cluster:<35} Name:{}{block}\n", volume.name)
}
