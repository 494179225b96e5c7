//! Looking at a gluster volume, and deleting it.
use super::{Effect, Output, Place, Pool, Result, Way, session::bad_answer};
use crate::{
    domain::{VolumeId, VolumeName},
    node::{
        NodeError, Nodes, Script,
        gluster::{self, BrickAddress, VolumeState},
    },
};
use serde::{Deserialize, Serialize};

/// Refuses to go on while the volume has snapshots: gluster would refuse as well, but only after
/// the volume was stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InspectVolume {
    pub(crate) pool: Pool,
    pub(crate) name: VolumeName,
}

impl Effect for InspectVolume {
    const WAY: Way = Way::Reversible;

    async fn run(&self, nodes: &Nodes) -> Result {
        let script = gluster::snapshots(Script::reading(), nodes.tools(), &self.name);
        let (host, ran) = self.pool.ask(nodes, &script).await?;
        let count = gluster::snapshot_count(&ran.into_iter().next().unwrap_or_default())
            .map_err(|why| bad_answer(&host, "gluster snapshot list", &why))?;
        if count == 0 {
            return Ok(Output::Nothing);
        }
        let name = &self.name;
        Err(NodeError::Refused(format!(
            "Volume {name} has {count} snapshot(s): delete them first (`gluster snapshot list {name}`)"
        )))
    }
    async fn undo(&self, _: &Nodes) -> Result {
        Ok(Output::Nothing)
    }
    fn place(&self) -> Place<'_> {
        Place::Pool(&self.pool)
    }
}

/// The volume is gone, if it was ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DestroyVolume {
    pub(crate) pool: Pool,
    pub(crate) id: VolumeId,
    pub(crate) name: VolumeName,
    pub(crate) bricks: Vec<BrickAddress>,
}

impl Effect for DestroyVolume {
    const WAY: Way = Way::ForwardOnly;

    async fn run(&self, nodes: &Nodes) -> Result {
        destroy_if_ours(nodes, &self.pool, self.id, &self.name, &self.bricks).await?;
        Ok(Output::Nothing)
    }
    async fn undo(&self, _: &Nodes) -> Result {
        Ok(Output::Nothing)
    }
    fn place(&self) -> Place<'_> {
        Place::Pool(&self.pool)
    }
}

/// What gluster says of the volume; none when there is no such volume.
pub(super) async fn state(
    nodes: &Nodes,
    pool: &Pool,
    name: &VolumeName,
) -> Result<Option<VolumeState>> {
    let script = gluster::info(Script::reading(), nodes.tools(), name);
    let (host, ran) = pool.ask(nodes, &script).await?;
    VolumeState::read(&ran.into_iter().next().unwrap_or_default())
        .map_err(|why| bad_answer(&host, &format!("gluster volume info {name}"), &why))
}

/// Stops and deletes the volume; a volume of that name that is not ours is left alone.
pub(super) async fn destroy_if_ours(
    nodes: &Nodes,
    pool: &Pool,
    id: VolumeId,
    name: &VolumeName,
    bricks: &[BrickAddress],
) -> Result<()> {
    let mut found = state(nodes, pool, name).await?;
    if found.is_none() {
        // glusterd goes on with a create that its command line has given up waiting for: the
        // volume would come after it was said not to exist.
        let wait = Script::changing(format!("volume-{id}"));
        let wait = gluster::wait_for_others(wait, nodes.tools(), name);
        match pool.change(nodes, &wait).await {
            Err(error) if !gluster::IDLE.iter().any(|words| error.says(words)) => {
                return Err(error);
            }
            _ => found = state(nodes, pool, name).await?,
        }
    }
    let Some(found) = found else { return Ok(()) };
    let adopted = bricks.iter().any(|brick| found.has(brick));
    if !found.is(id, bricks) && !adopted {
        tracing::warn!(volume = %id, %name, "gluster has another volume of this name; left alone");
        return Ok(());
    }
    let destroy = gluster::destroy(nodes.tools(), name, found.started);
    match pool.change(nodes, &Script::changing(format!("volume-{id}")).then_all(destroy)).await {
        Err(error) if error.says("does not exist") => Ok(()),
        other => other,
    }
}
