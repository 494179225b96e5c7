//! Making and removing bricks: thin volume, file system, mount, directory.
use super::{Effect, Output, Place, Result, Way};
use crate::{
    domain::{BrickId, BrickSize, Hostname, NodeId, Part},
    node::{NodeError, Nodes, Script, fstab, lvm, mount, names::BrickLv, xfs},
};
use serde::{Deserialize, Serialize};

/// A brick and the node to find it on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BrickPlace {
    pub(crate) node: NodeId,
    pub(crate) host: Hostname,
    pub(crate) lv: BrickLv,
}

impl BrickPlace {
    pub(super) fn lock(&self) -> Script {
        Script::changing(format!("brick-{}", self.lv.id))
    }

    /// Mount and fstab line go before the volume: a stale line can keep a node from booting. What is
    /// on a node that is given up and does not answer is left there.
    pub(super) async fn destroy(&self, nodes: &Nodes) -> Result {
        let (tools, lv) = (nodes.tools(), &self.lv);
        let script = mount::unmount(self.lock(), lv);
        let script = fstab::remove(script, tools, lv);
        let script = mount::forget(script, lv);
        let script = lvm::remove_brick(script, tools, lv);
        match nodes.run(&self.host, &script).await {
            Ok(ran) if lvm::group_is_away(&ran) => {
                Ok(Output::Left(format!("{}: the volume group is away", self.host)))
            }
            Ok(ran) => Ok(Output::Reclaimed(lvm::reclaimed(&ran))),
            Err(error) if nodes.is_lost(&self.host, &error) => Ok(Output::Left(error.to_string())),
            Err(error) => Err(error),
        }
    }
}

/// A brick ready to be given to gluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CreateBrick {
    pub(crate) place: BrickPlace,
    pub(crate) size: BrickSize,
    pub(crate) part: Part,
    pub(crate) gid: i64,
}

impl Effect for CreateBrick {
    const WAY: Way = Way::Reversible;

    async fn run(&self, nodes: &Nodes) -> Result {
        let (tools, lv) = (nodes.tools(), &self.place.lv);
        let script = mount::prepare(self.place.lock(), lv);
        let script = lvm::create_brick(script, tools, lv, self.size, self.part);
        let script = xfs::format(script, tools, lv, self.size, self.part);
        let script = fstab::add(script, tools, lv);
        let script = mount::mount(script, tools, lv);
        let script = mount::directory(script, lv, self.gid);
        nodes.run(&self.place.host, &script).await?;
        Ok(Output::Nothing)
    }
    async fn undo(&self, nodes: &Nodes) -> Result {
        self.place.destroy(nodes).await
    }
    fn place(&self) -> Place<'_> {
        Place::Node(&self.place.host)
    }
    fn blames(&self, _: &NodeError) -> Option<NodeId> {
        Some(self.place.node)
    }
    fn brick(&self) -> Option<BrickId> {
        Some(self.place.lv.id)
    }
}

/// A brick that is not needed any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DestroyBrick {
    pub(crate) place: BrickPlace,
}

impl Effect for DestroyBrick {
    const WAY: Way = Way::ForwardOnly;

    async fn run(&self, nodes: &Nodes) -> Result {
        self.place.destroy(nodes).await
    }
    async fn undo(&self, _: &Nodes) -> Result {
        Ok(Output::Nothing)
    }
    fn place(&self) -> Place<'_> {
        Place::Node(&self.place.host)
    }
    fn brick(&self) -> Option<BrickId> {
        Some(self.place.lv.id)
    }
}
