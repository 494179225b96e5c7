//! Making a gluster volume of bricks that are ready.
use super::{
    Effect, Output, Pool, Result, Way, after_start,
    delete_volume::{destroy_if_ours, state},
};
use crate::node::{
    Cmd, NodeError, Nodes, Script,
    gluster::{self, NewVolume, VolumeState},
};
use serde::{Deserialize, Serialize};

/// The volume: created, options set, started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CreateVolume {
    pub(crate) pool: Pool,
    pub(crate) volume: NewVolume,
}

impl CreateVolume {
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
            tokio::time::sleep(pace.look_pause).await;
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
                self.pool.change(nodes, &self.script(rest)).await.map_err(after_start)?;
                Ok(Output::Nothing)
            }
            _ => Err(error),
        }
    }
    async fn undo(&self, nodes: &Nodes) -> Result {
        let NewVolume { id, name, bricks, .. } = &self.volume;
        destroy_if_ours(nodes, &self.pool, *id, name, bricks).await?;
        Ok(Output::Nothing)
    }
}
