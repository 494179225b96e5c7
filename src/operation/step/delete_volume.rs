//! Looking at a gluster volume, and deleting it.
use super::{Effect, Output, Place, Pool, Result, Way, after_start, session::bad_answer};
use crate::{
    domain::{Hostname, VolumeId, VolumeName},
    node::{
        Lane, NodeError, Nodes, Ran, Script,
        gluster::{self, BrickAddress, VolumeState},
    },
};
use serde::{Deserialize, Serialize};

/// Refuses to go on while the volume has snapshots, or a peer of the pool is away: gluster would
/// refuse as well, but only after the volume was stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InspectVolume {
    pub(crate) pool: Pool,
    pub(crate) name: VolumeName,
}

impl Effect for InspectVolume {
    const WAY: Way = Way::Reversible;

    async fn run(&self, nodes: &Nodes) -> Result {
        let script = gluster::snapshots(Script::reading(), nodes.tools(), &self.name);
        let script = script.then_try(gluster::pool_list(nodes.tools()));
        let (host, ran) = self.pool.ask(nodes, &script).await?;
        let [snapshots, pool] = <[Ran; 2]>::try_from(ran).unwrap_or_default();
        let count = gluster::snapshot_count(&snapshots)
            .map_err(|why| bad_answer(&host, "gluster snapshot list", &why))?;
        let (name, away) = (&self.name, gluster::peers_away(&pool.stdout));
        if !away.is_empty() {
            let away = away.join(", ");
            return Err(NodeError::Refused(format!(
                "Volume {name} cannot be deleted while {away} is away: gluster needs all peers for \
                 that. Start it again, or remove and delete its node"
            )));
        }
        if count == 0 {
            return Ok(Output::Nothing);
        }
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

/// The volume is gone, if it was ours, and no power cut brings it back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DestroyVolume {
    pub(crate) pool: Pool,
    pub(crate) id: VolumeId,
    pub(crate) name: VolumeName,
    pub(crate) bricks: Vec<BrickAddress>,
    /// Management names of all nodes of the pool.
    #[serde(default)]
    pub(crate) members: Vec<Hostname>,
}

impl Effect for DestroyVolume {
    const WAY: Way = Way::ForwardOnly;

    async fn run(&self, nodes: &Nodes) -> Result {
        let Self { pool, id, name, bricks, members } = self;
        let target = Target { pool, id: *id, name, bricks };
        target.destroy(nodes).await?;
        target.destroy_for_good(nodes, members, Absent::Matters).await.map_err(after_start)?;
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
pub(crate) async fn state(
    nodes: &Nodes,
    pool: &Pool,
    name: &VolumeName,
) -> Result<Option<VolumeState>> {
    let script = gluster::info(Script::reading(), nodes.tools(), name);
    let (host, ran) = pool.ask(nodes, &script).await?;
    read(&host, name, &ran)
}

/// The same as this node's own glusterd sees it, which may differ from its peers.
pub(super) async fn state_on(
    nodes: &Nodes,
    host: &Hostname,
    name: &VolumeName,
) -> Result<Option<VolumeState>> {
    let script = gluster::info(Script::reading(), nodes.tools(), name).lane(Lane::Pool);
    read(host, name, &nodes.run(host, &script).await?)
}

fn read(host: &Hostname, name: &VolumeName, ran: &[Ran]) -> Result<Option<VolumeState>> {
    let answer = ran.first().cloned().unwrap_or_default();
    VolumeState::read(&answer).map_err(|why| bad_answer(host, &question(name), &why))
}

fn question(name: &VolumeName) -> String {
    format!("gluster volume info {name}")
}

/// Whether a node that cannot be reached keeps a deletion from being final.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Absent {
    /// It may still have the volume.
    Matters,
    /// It is passed over.
    IsPassedOver,
}

/// A volume that is to go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target<'a> {
    pub(super) pool: &'a Pool,
    pub(super) id: VolumeId,
    pub(super) name: &'a VolumeName,
    pub(super) bricks: &'a [BrickAddress],
}

impl Target<'_> {
    /// Whether gluster's volume of this name is this one.
    fn is(&self, found: &VolumeState) -> bool {
        found.is(self.id, self.bricks) || self.bricks.iter().any(|brick| found.has(brick))
    }

    /// Stops and deletes the volume; a volume of that name that is not ours is left alone.
    /// Returns whether there was anything to delete.
    pub(super) async fn destroy(&self, nodes: &Nodes) -> Result<bool> {
        let Self { pool, id, name, .. } = *self;
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
        let Some(found) = found else { return Ok(false) };
        if !self.is(&found) {
            tracing::warn!(volume = %id, %name, "gluster has another volume of this name; left alone");
            return Ok(false);
        }
        self.destroy_found(nodes, found.started).await.map(|()| true)
    }

    /// Stops it, if it is started, and deletes it.
    pub(super) async fn destroy_found(&self, nodes: &Nodes, started: bool) -> Result<()> {
        let destroy = gluster::destroy(nodes.tools(), self.name, started);
        let script = Script::changing(format!("volume-{}", self.id)).then_all(destroy);
        match self.pool.change(nodes, &script).await {
            Err(error) if error.says("does not exist") => Ok(()),
            other => other,
        }
    }

    /// Makes a deletion final: each node's glusterd has forgotten the volume, and its disk as
    /// well. A node that lost its power before that hands the volume to all others when it is
    /// back: then it is deleted once more.
    ///
    /// # Errors
    /// A node cannot be asked (one that is away only if that matters), or does not forget.
    pub(super) async fn destroy_for_good(
        &self,
        nodes: &Nodes,
        members: &[Hostname],
        absent: Absent,
    ) -> Result<()> {
        let pace = nodes.pace();
        let mut look = 1;
        loop {
            let error = match self.remembered(nodes, members, absent).await {
                Ok(None) => return Ok(()),
                Ok(Some(host)) => self.not_forgotten(host),
                // The cleaner comes again as soon as the node is well.
                Err(error) if error.is_unreachable() => return Err(error),
                // A glusterd that is just being started does not answer yet.
                Err(error) => error,
            };
            if look >= pace.looks || !nodes.pause(pace.look_pause).await {
                return Err(error);
            }
            look += 1;
            tracing::info!(volume = %self.id, %error, "the deletion is not final yet");
            self.destroy(nodes).await?;
        }
    }

    /// A node whose glusterd still has the volume. It is asked before its disk is flushed: what it
    /// says is then on disk.
    async fn remembered(
        &self,
        nodes: &Nodes,
        members: &[Hostname],
        absent: Absent,
    ) -> Result<Option<Hostname>> {
        let script = gluster::info(Script::reading(), nodes.tools(), self.name);
        let script = gluster::flush(script).lane(Lane::Pool);
        let asked = members.iter().map(|host| async {
            match nodes.run(host, &script).await {
                Err(error) if error.is_unreachable() && absent == Absent::IsPassedOver => Ok(None),
                Err(error) if nodes.is_lost(host, &error) => Ok(None),
                other => {
                    let found = read(host, self.name, &other?)?;
                    Ok(found.filter(|found| self.is(found)).map(|_| host.clone()))
                }
            }
        });
        let mut remembers = None;
        for answer in futures_util::future::join_all(asked).await {
            remembers = answer?.or(remembers);
        }
        Ok(remembers)
    }

    fn not_forgotten(&self, host: Hostname) -> NodeError {
        let why = "glusterd still has the volume, which was deleted in its pool: see its log";
        NodeError::Nonsense { host, command: question(self.name), why: why.into() }
    }
}
