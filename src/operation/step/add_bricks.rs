//! Growing a volume by brick sets, and spreading its data over them.
use super::{
    BrickPlace, Effect, Output, Place, Pool, Result, Way, after_start,
    delete_volume::{state, state_on},
    nothing_came_of_it,
};
use crate::{
    domain::{Durability, VolumeId, VolumeName},
    node::{
        NodeError, Nodes, Script,
        gluster::{self, BrickAddress},
        mount,
    },
};
use serde::{Deserialize, Serialize};

/// The point of no return of an expansion: data may lie on the new bricks from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AddBricks {
    pub(crate) pool: Pool,
    pub(crate) id: VolumeId,
    pub(crate) name: VolumeName,
    pub(crate) durability: Durability,
    pub(crate) bricks: Vec<BrickAddress>,
    /// Where these bricks lie, in the same order.
    #[serde(default)]
    pub(crate) places: Vec<BrickPlace>,
}

impl AddBricks {
    /// Gives gluster new directories for the bricks that it does not have and refuses as `already
    /// part of a volume`: an `add-brick` that a power cut ended marks them, and forgets them.
    ///
    /// A brick that was ever started is left alone, and one that its own node's glusterd has.
    async fn renew_directories(&self, nodes: &Nodes, missing: &[BrickAddress]) -> Result<()> {
        for (address, place) in self.bricks.iter().zip(&self.places) {
            if !missing.contains(address) {
                continue;
            }
            let found = state_on(nodes, &place.host, &self.name).await?;
            if found.is_some_and(|found| found.has(address)) {
                continue;
            }
            let script = mount::renew_directory(place.lock(), &place.lv);
            nodes.run(&place.host, &script).await?;
        }
        Ok(())
    }
}

impl Effect for AddBricks {
    const WAY: Way = Way::ForwardOnly;

    /// gluster refuses a brick that is part of a volume already, so trying first is safe; what
    /// the volume really has decides when that fails.
    async fn run(&self, nodes: &Nodes) -> Result {
        let mut missing = self.bricks.clone();
        let (mut again, mut in_doubt) = (false, false);
        loop {
            let add = gluster::add_bricks(nodes.tools(), &self.name, self.durability, &missing);
            let script = Script::changing(format!("volume-{}", self.id)).then_all(add);
            let Err(error) = self.pool.change(nodes, &script).await else {
                return Ok(Output::Nothing);
            };
            if error.is_unreachable() && !again {
                return Err(error);
            }
            let found = state(nodes, &self.pool, &self.name).await.map_err(after_start)?;
            let found = found.unwrap_or_default();
            let before = missing.len();
            missing.retain(|brick| !found.has(brick));
            if missing.is_empty() {
                let renew = gluster::renew(nodes.tools(), &self.name, self.id);
                let script = Script::changing(format!("volume-{}", self.id)).then_all(renew);
                self.pool.change(nodes, &script).await.map_err(after_start)?;
                return Ok(Output::Nothing);
            }
            in_doubt |= !matches!(error, NodeError::Failed { .. });
            // Nothing came of it, twice: this is how it is.
            if missing.len() == before && again {
                let none_taken = missing.len() == self.bricks.len();
                return Err(nothing_came_of_it(error, none_taken, in_doubt));
            }
            again = true;
            if error.says("already part of a volume") {
                self.renew_directories(nodes, &missing).await.map_err(after_start)?;
            }
        }
    }
    async fn undo(&self, _: &Nodes) -> Result {
        Ok(Output::Nothing)
    }
    fn lands_late(&self) -> bool {
        true
    }
    fn place(&self) -> Place<'_> {
        Place::Pool(&self.pool)
    }
}

/// Starts to spread data over all bricks. May fail: the volume is larger all the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rebalance {
    pub(crate) pool: Pool,
    pub(crate) id: VolumeId,
    pub(crate) name: VolumeName,
}

impl Effect for Rebalance {
    const WAY: Way = Way::ForwardOnly;

    async fn run(&self, nodes: &Nodes) -> Result {
        let start = gluster::rebalance(nodes.tools(), &self.name);
        let script = Script::changing(format!("volume-{}", self.id)).then(start);
        if let Err(error) = self.pool.change(nodes, &script).await {
            let name = &self.name;
            tracing::warn!(
                volume = %self.id, %error,
                "rebalance did not start; run `gluster volume rebalance {name} start` on a node"
            );
        }
        Ok(Output::Nothing)
    }
    async fn undo(&self, _: &Nodes) -> Result {
        Ok(Output::Nothing)
    }
    fn place(&self) -> Place<'_> {
        Place::Pool(&self.pool)
    }
}
