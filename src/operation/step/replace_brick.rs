//! Putting a new brick in the place of an old one.
use super::{
    CheckHeal, Effect, Output, Place, Pool, Result, Way, after_start, delete_volume::state,
    nothing_came_of_it,
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
///
/// Marks that an attempt left on the new brick when a power cut ended it are no hindrance, as they
/// are to an `add-brick`: `commit force` takes bricks that are marked (seen with gluster 10.3, with
/// the volume's own mark and with another's).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReplaceBrick {
    pub(crate) pool: Pool,
    pub(crate) id: VolumeId,
    pub(crate) name: VolumeName,
    pub(crate) old: BrickAddress,
    pub(crate) new: BrickAddress,
    /// The node of the new brick.
    pub(crate) node: NodeId,
    /// Asked again before each attempt, since much may have happened since it was planned.
    #[serde(default)]
    pub(crate) check: Option<CheckHeal>,
}

impl ReplaceBrick {
    fn script(&self, commands: Vec<Cmd>) -> Script {
        Script::changing(format!("volume-{}", self.id)).then_all(commands)
    }

    async fn is_done(&self, nodes: &Nodes) -> Result<bool> {
        let found = state(nodes, &self.pool, &self.name).await?;
        if !found.is_some_and(|volume| volume.has(&self.new)) {
            return Ok(false);
        }
        // Some nodes may have failed where others replaced it: they take it over.
        let renew = gluster::renew(nodes.tools(), &self.name, self.id);
        self.pool.change(nodes, &self.script(renew)).await.map_err(after_start)?;
        Ok(true)
    }
}

impl Effect for ReplaceBrick {
    const WAY: Way = Way::ForwardOnly;

    /// What the volume has decides: an earlier attempt may have done it. If not, the other bricks
    /// must still be able to give what is on the old one.
    async fn run(&self, nodes: &Nodes) -> Result {
        let (mut again, mut in_doubt) = (false, false);
        loop {
            let started = |error| if again { after_start(error) } else { error };
            if self.is_done(nodes).await.map_err(started)? {
                return Ok(Output::Nothing);
            }
            if let Some(check) = &self.check
                && let Err(error) = check.judge(nodes).await
            {
                return Err(match error {
                    // Unless an earlier command may still come, nothing has happened.
                    NodeError::Refused(_) if !in_doubt => NodeError::WithoutEffect(error.into()),
                    error => started(error),
                });
            }
            if let Some(check) = &self.check {
                check.until_noticed(nodes).await;
            }
            let replace = gluster::replace_brick(nodes.tools(), &self.name, &self.old, &self.new);
            let Err(error) = self.pool.change(nodes, &self.script(vec![replace])).await else {
                return Ok(Output::Nothing);
            };
            if error.is_unreachable() && !again {
                return Err(error);
            }
            in_doubt |= !matches!(error, NodeError::Failed { .. });
            if again {
                if self.is_done(nodes).await.map_err(after_start)? {
                    return Ok(Output::Nothing);
                }
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
