//! Making a gluster volume of bricks that are ready.
use super::{
    Effect, Output, Place, Pool, Result, Way, after_start,
    delete_volume::{Absent, Target, state},
};
use crate::{
    domain::{Hostname, NodeId},
    node::{
        Cmd, NodeError, Nodes, Script,
        gluster::{self, NewVolume, VolumeState},
    },
};
use serde::{Deserialize, Serialize};

/// The volume: created, options set, started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CreateVolume {
    pub(crate) pool: Pool,
    pub(crate) volume: NewVolume,
    /// The nodes of its bricks by their storage names.
    #[serde(default)]
    pub(crate) nodes: Vec<(Hostname, NodeId)>,
}

impl CreateVolume {
    fn target(&self) -> Target<'_> {
        let NewVolume { id, name, bricks, .. } = &self.volume;
        Target { pool: &self.pool, id: *id, name, bricks }
    }

    fn script(&self, commands: Vec<Cmd>) -> Script {
        Script::changing(format!("volume-{}", self.volume.id)).then_all(commands)
    }

    /// What is there after a create that did not simply succeed.
    async fn settle(&self, nodes: &Nodes, error: &NodeError) -> Result<Option<VolumeState>> {
        let pace = nodes.pace();
        let looks = if matches!(error, NodeError::InDoubt { .. }) { pace.looks } else { 1 };
        for look in 1..=looks {
            let found = state(nodes, &self.pool, &self.volume.name).await?;
            if found.is_some() || look == looks {
                return Ok(found);
            }
            if !nodes.pause(pace.look_pause).await {
                break;
            }
        }
        Ok(None)
    }
}

impl Effect for CreateVolume {
    const WAY: Way = Way::Reversible;

    /// Tries first and asks only when that fails: asking costs as much as creating.
    async fn run(&self, nodes: &Nodes) -> Result {
        let create = gluster::create(nodes.tools(), &self.volume);
        let Err(error) = self.pool.change(nodes, &self.script(create)).await else {
            return Ok(Output::Nothing);
        };
        if !matches!(error, NodeError::InDoubt { .. }) && !error.says("already exists") {
            return Err(error);
        }
        match self.settle(nodes, &error).await.map_err(after_start)? {
            Some(found) if found.is(self.volume.id, &self.volume.bricks) => {
                let rest = gluster::complete(nodes.tools(), &self.volume, &found);
                match self.pool.change(nodes, &self.script(rest)).await {
                    // Started meanwhile by the session in doubt. It is the last command of all.
                    Err(error) if error.says("already started") => Ok(Output::Nothing),
                    other => other.map_err(after_start).map(|()| Output::Nothing),
                }
            }
            _ => Err(error),
        }
    }
    async fn undo(&self, nodes: &Nodes) -> Result {
        // A session that an earlier server began may still be at work, and "does not exist" would
        // be true only until it is done.
        self.pool.quiet(nodes, &format!("volume-{}", self.volume.id)).await?;
        if self.target().destroy(nodes).await? {
            self.target().destroy_for_good(nodes, nodes.members(), Absent::Matters).await?;
        }
        Ok(Output::Nothing)
    }
    /// A session on a node that did not answer may have made the volume after `undo` looked. Now
    /// that the bricks are gone, gluster would refuse it, so what is seen now is final.
    async fn certify(&self, nodes: &Nodes) -> Result<()> {
        let found = self.target().destroy(nodes).await?;
        let absent = if found { Absent::Matters } else { Absent::IsPassedOver };
        self.target().destroy_for_good(nodes, nodes.members(), absent).await
    }
    /// gluster names the host it cannot work with.
    fn blames(&self, error: &NodeError) -> Option<NodeId> {
        let ill = |host: &Hostname| {
            error.says(&format!("Host {host} not connected"))
                || error.says(&format!("Host {host} is not in 'Peer in Cluster' state"))
        };
        self.nodes.iter().find(|(host, _)| ill(host)).map(|(_, node)| *node)
    }
    fn place(&self) -> Place<'_> {
        Place::Pool(&self.pool)
    }
}
