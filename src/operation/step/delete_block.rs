//! Removing a block volume.
use super::{BlockPlace, Effect, Output, Place, Result, Way};
use crate::node::{NodeError, Nodes, gluster_block::State};
use serde::{Deserialize, Serialize};

/// The block volume is gone, if it was ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DestroyBlock {
    pub(crate) place: BlockPlace,
    /// Of the target that was made, by which ours is told from another of its name.
    pub(crate) iqn: String,
}

impl Effect for DestroyBlock {
    const WAY: Way = Way::ForwardOnly;

    async fn run(&self, nodes: &Nodes) -> Result {
        let Some(found) = self.place.state(nodes).await? else { return Ok(Output::Nothing) };
        let (name, iqn) = (&self.place.name, &self.iqn);
        if !found.is(iqn) {
            tracing::warn!(%name, %iqn, "gluster-block has another block volume of this name; left alone");
            return Ok(Output::Nothing);
        }
        let Err(error) = self.place.remove(nodes).await else { return Ok(Output::Nothing) };
        // A refusal that left all targets as they were can be taken back.
        if found.is_whole() && matches!(error, NodeError::Failed { .. }) {
            let now = self.place.state(nodes).await;
            if now.is_ok_and(|now| now.is_some_and(|now: State| now == found)) {
                return Err(NodeError::WithoutEffect(error.into()));
            }
        }
        Err(error)
    }
    async fn undo(&self, _: &Nodes) -> Result {
        Ok(Output::Nothing)
    }
    fn lands_late(&self) -> bool {
        true
    }
    fn place(&self) -> Place<'_> {
        Place::Pool(&self.place.pool)
    }
}
