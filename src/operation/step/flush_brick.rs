//! Making sure that gluster works with a new brick, also after a power cut of its node.
use super::{BrickPlace, Effect, Output, Place, Pool, Result, Way, after_start};
use crate::{
    domain::{NodeId, VolumeId, VolumeName},
    node::{NodeError, Nodes, Ran, Script, gluster, mount},
};
use serde::{Deserialize, Serialize};

/// What gluster wrote on the brick is on disk.
///
/// A node that lost its power between gluster's work and this step has lost gluster's marks on the
/// brick as well: then gluster is told to start it anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FlushBrick {
    pub(crate) place: BrickPlace,
    pub(crate) pool: Pool,
    pub(crate) id: VolumeId,
    pub(crate) name: VolumeName,
}

impl FlushBrick {
    async fn flush(&self, nodes: &Nodes) -> Result<bool> {
        let lv = &self.place.lv;
        let script = gluster::flush(mount::flush(self.place.lock(), lv));
        let script = mount::ask_started(script, lv);
        let ran = nodes.run(&self.place.host, &script).await?;
        Ok(ran.last().is_some_and(Ran::ok))
    }
}

impl Effect for FlushBrick {
    const WAY: Way = Way::Reversible;

    async fn run(&self, nodes: &Nodes) -> Result {
        match self.flush(nodes).await {
            Ok(true) => return Ok(Output::Nothing),
            Ok(false) => {}
            // The brick goes with its node.
            Err(error) if nodes.is_lost(&self.place.host, &error) => return Ok(Output::Nothing),
            Err(error) => return Err(error),
        }
        let marks = mount::restore_marks(self.place.lock(), &self.place.lv);
        nodes.run(&self.place.host, &marks).await.map_err(after_start)?;
        let revive = gluster::revive(nodes.tools(), &self.name);
        let script = Script::changing(format!("volume-{}", self.id)).then(revive);
        self.pool.change(nodes, &script).await.map_err(after_start)?;
        if self.flush(nodes).await.map_err(after_start)? {
            return Ok(Output::Nothing);
        }
        let (host, name, path) = (&self.place.host, &self.name, self.place.lv.directory());
        Err(NodeError::Nonsense {
            host: host.clone(),
            command: format!("gluster volume start {name} force"),
            why: format!("gluster does not work with the brick {path}: see glusterd's log there"),
        })
    }
    /// The brick goes by the step that made it, and takes everything with it.
    async fn undo(&self, _: &Nodes) -> Result {
        Ok(Output::Nothing)
    }
    fn leaves_nothing(&self) -> bool {
        true
    }
    fn place(&self) -> Place<'_> {
        Place::Node(&self.place.host)
    }
    fn blames(&self, _: &NodeError) -> Option<NodeId> {
        Some(self.place.node)
    }
}
