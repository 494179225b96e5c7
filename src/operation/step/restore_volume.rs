//! Starting what does not run of a volume, and setting an option of it.
use super::{Effect, Output, Place, Pool, Result, Way, session::bad_answer};
use crate::{
    domain::{VolumeId, VolumeName, VolumeOption},
    node::{
        NodeError, Nodes, Script,
        gluster::{self, ID_OPTION, VolumeState},
    },
};
use serde::{Deserialize, Serialize};

/// The volume and all of its bricks run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReviveVolume {
    pub(crate) pool: Pool,
    pub(crate) id: VolumeId,
    pub(crate) name: VolumeName,
}

/// The option has this value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SetOption {
    pub(crate) pool: Pool,
    pub(crate) id: VolumeId,
    pub(crate) name: VolumeName,
    pub(crate) option: VolumeOption,
}

/// A volume that has taken the name of ours meanwhile is left alone. One that is being marked may
/// have the mark of the volume that it is a clone of.
async fn refuse_others(nodes: &Nodes, pool: &Pool, name: &VolumeName, id: VolumeId) -> Result<()> {
    let question = gluster::info(Script::reading(), nodes.tools(), name);
    let (host, ran) = pool.ask(nodes, &question).await?;
    let answer = VolumeState::read(&ran.into_iter().next().unwrap_or_default());
    let asked = format!("gluster volume info {name}");
    match answer.map_err(|why| bad_answer(&host, &asked, &why))? {
        None => Err(NodeError::Refused(format!("gluster has no volume {name}"))),
        Some(VolumeState { id: Some(other), .. }) if other != id.to_string() => {
            Err(NodeError::Refused(format!("volume {name} is another one in gluster: {other}")))
        }
        Some(_) => Ok(()),
    }
}

impl Effect for ReviveVolume {
    const WAY: Way = Way::Reversible;

    async fn run(&self, nodes: &Nodes) -> Result {
        refuse_others(nodes, &self.pool, &self.name, self.id).await?;
        let revive = gluster::revive(nodes.tools(), &self.name);
        let script = Script::changing(format!("volume-{}", self.id)).then(revive);
        self.pool.change(nodes, &script).await?;
        Ok(Output::Nothing)
    }
    async fn undo(&self, _: &Nodes) -> Result {
        Ok(Output::Nothing)
    }
    fn place(&self) -> Place<'_> {
        Place::Pool(&self.pool)
    }
}

impl Effect for SetOption {
    const WAY: Way = Way::Reversible;

    async fn run(&self, nodes: &Nodes) -> Result {
        let words = self.option.words().collect::<Vec<_>>().join(" ");
        if !words.starts_with(ID_OPTION) {
            refuse_others(nodes, &self.pool, &self.name, self.id).await?;
        }
        let set = gluster::set_options(nodes.tools(), &self.name, &[&words]);
        let script = Script::changing(format!("volume-{}", self.id)).then_all(set);
        self.pool.change(nodes, &script).await?;
        Ok(Output::Nothing)
    }
    /// The value before was nobody's wish.
    async fn undo(&self, _: &Nodes) -> Result {
        Ok(Output::Nothing)
    }
    fn place(&self) -> Place<'_> {
        Place::Pool(&self.pool)
    }
}
