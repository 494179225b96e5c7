//! Removing a logical volume that is called like a brick and belongs to none.
use super::{BrickPlace, Effect, Output, Place, Result, Way, session::bad_answer};
use crate::node::{NodeError, Nodes, Script, gluster};
use serde::{Deserialize, Serialize};

/// The logical volume is gone, and its pool if nothing else lies in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RemoveStray {
    pub(crate) place: BrickPlace,
}

impl Effect for RemoveStray {
    /// What was removed of it cannot come back, and nothing depends on it: where it fails, a person
    /// is told and decides anew.
    const WAY: Way = Way::Reversible;

    /// gluster is asked once more on the very node: a brick of any volume stays.
    async fn run(&self, nodes: &Nodes) -> Result {
        let BrickPlace { host, lv, .. } = &self.place;
        let question = gluster::info_of_all(Script::reading(), nodes.tools());
        let ran = nodes.run(host, &question).await?;
        let volumes = gluster::volumes(&ran.into_iter().next().unwrap_or_default())
            .map_err(|why| bad_answer(host, "gluster volume info", &why))?;
        if let Some(volume) = volumes.iter().find(|v| v.bricks.iter().any(|b| lv.holds(b))) {
            let (name, volume) = (lv.name(), &volume.name);
            return Err(NodeError::Refused(format!("{name} is a brick of volume {volume}")));
        }
        match self.place.destroy(nodes).await? {
            Output::Left(why) => Err(NodeError::Refused(why)),
            known => Ok(known),
        }
    }
    async fn undo(&self, _: &Nodes) -> Result {
        Ok(Output::Nothing)
    }
    fn place(&self) -> Place<'_> {
        Place::Node(&self.place.host)
    }
}
