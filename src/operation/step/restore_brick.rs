//! A brick that is there is mounted, now and at the next boot.
use super::{BrickPlace, Effect, Output, Place, Result, Way};
use crate::{
    domain::NodeId,
    node::{NodeError, Nodes, fstab, mount},
};
use serde::{Deserialize, Serialize};

/// Only what exists is mounted: nothing is made or formatted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RestoreBrick {
    pub(crate) place: BrickPlace,
}

impl Effect for RestoreBrick {
    const WAY: Way = Way::Reversible;

    /// What cannot be mounted gets no line in the fstab: such a line can keep a node from booting.
    async fn run(&self, nodes: &Nodes) -> Result {
        let (tools, lv) = (nodes.tools(), &self.place.lv);
        let script = mount::prepare(self.place.lock(), lv);
        let script = mount::mount(script, tools, lv);
        let script = mount::is_there(script, lv);
        let script = fstab::add(script, tools, lv);
        nodes.run(&self.place.host, &script).await?;
        Ok(Output::Nothing)
    }
    /// What is right stays.
    async fn undo(&self, _: &Nodes) -> Result {
        Ok(Output::Nothing)
    }
    fn place(&self) -> Place<'_> {
        Place::Node(&self.place.host)
    }
    fn blames(&self, _: &NodeError) -> Option<NodeId> {
        Some(self.place.node)
    }
}
