//! Putting a new brick in the place of an old one.
use super::{
    Effect, Output, Place, Pool, Result, Way, after_start, delete_volume::state, nothing_came_of_it,
};
use crate::{
    domain::{NodeId, VolumeId, VolumeName},
    node::{
        Cmd, NodeError, Nodes, Script,
        gluster::{self, BrickAddress},
    },
};
use serde::{Deserialize, Serialize};

/// The point of no return of a move: from now on gluster heals the new brick, and has forgotten the
/// old one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReplaceBrick {
    pub(crate) pool: Pool,
    pub(crate) id: VolumeId,
    pub(crate) name: VolumeName,
    pub(crate) old: BrickAddress,
    pub(crate) new: BrickAddress,
    /// The node of the new brick.
    pub(crate) node: NodeId,
}

impl ReplaceBrick {
    fn script(&self, commands: Vec<Cmd>) -> Script {
        Script::changing(format!("volume-{}", self.id)).then_all(commands)
    }
}

impl Effect for ReplaceBrick {
    const WAY: Way = Way::ForwardOnly;

    /// Tries first: gluster refuses to replace a brick that is not there any more. What the volume
    /// has decides when that fails.
    async fn run(&self, nodes: &Nodes) -> Result {
        let (mut again, mut in_doubt) = (false, false);
        loop {
            let replace = gluster::replace_brick(nodes.tools(), &self.name, &self.old, &self.new);
            let Err(error) = self.pool.change(nodes, &self.script(vec![replace])).await else {
                return Ok(Output::Nothing);
            };
            if error.is_unreachable() && !again {
                return Err(error);
            }
            let found = state(nodes, &self.pool, &self.name).await.map_err(after_start)?;
            if found.is_some_and(|volume| volume.has(&self.new)) {
                // Some nodes may have failed where others replaced it: they take it over.
                let renew = gluster::renew(nodes.tools(), &self.name, self.id);
                self.pool.change(nodes, &self.script(renew)).await.map_err(after_start)?;
                return Ok(Output::Nothing);
            }
            in_doubt |= !matches!(error, NodeError::Failed { .. });
            if again {
                return Err(nothing_came_of_it(error, true, in_doubt));
            }
            again = true;
        }
    }
    async fn undo(&self, _: &Nodes) -> Result {
        Ok(Output::Nothing)
    }
    fn lands_late(&self) -> bool {
        true
    }
    /// gluster names the host it cannot work with: another place is found for the brick.
    fn blames(&self, error: &NodeError) -> Option<NodeId> {
        let NodeError::WithoutEffect(error) = error else { return None };
        let host = &self.new.host;
        let ill = error.says(&format!("Host {host} is not connected"))
            || error.says(&format!("Host {host} not connected"))
            || error.says(&format!("Host {host} is not in 'Peer in Cluster' state"));
        ill.then_some(self.node)
    }
    fn place(&self) -> Place<'_> {
        Place::Pool(&self.pool)
    }
}
