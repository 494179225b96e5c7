//! Handing what some nodes know of a volume to all others.
use super::{Effect, Output, Place, Pool, Result, Way};
use crate::{
    domain::{VolumeId, VolumeName},
    node::{Nodes, Script, gluster},
};
use serde::{Deserialize, Serialize};

/// All nodes have the volume as those have it that it is reached through here: a change that failed
/// on some nodes is not handed to them before the next one (see [`gluster::renew`]).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RenewVolume {
    /// Through nodes that have it as it is to be.
    pub(crate) pool: Pool,
    pub(crate) id: VolumeId,
    pub(crate) name: VolumeName,
}

impl Effect for RenewVolume {
    const WAY: Way = Way::ForwardOnly;

    async fn run(&self, nodes: &Nodes) -> Result {
        let renew = gluster::renew(nodes.tools(), &self.name, self.id);
        let script = Script::changing(format!("volume-{}", self.id)).then_all(renew);
        self.pool.change(nodes, &script).await.map(|()| Output::Nothing)
    }
    async fn undo(&self, _: &Nodes) -> Result {
        Ok(Output::Nothing)
    }
    fn place(&self) -> Place<'_> {
        Place::Pool(&self.pool)
    }
}
