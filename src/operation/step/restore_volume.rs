//! Starting what does not run of a volume, and setting an option of it.
use super::{Effect, Output, Place, Pool, Result, Way, session::bad_answer};
use crate::{
    domain::{VolumeId, VolumeName, VolumeOption},
    node::{
        NodeError, Nodes, Script,
        gluster::{self, BrickAddress, ID_OPTION, VolumeState},
    },
};
use serde::{Deserialize, Serialize};

/// The volume and all of its bricks run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReviveVolume {
    pub(crate) pool: Pool,
    pub(crate) id: VolumeId,
    pub(crate) name: VolumeName,
    /// Its bricks, by which it is known if it has lost its mark.
    pub(crate) bricks: Vec<BrickAddress>,
}

/// The option has this value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SetOption {
    pub(crate) pool: Pool,
    pub(crate) id: VolumeId,
    pub(crate) name: VolumeName,
    /// Its bricks, by which it is known if it has lost its mark.
    pub(crate) bricks: Vec<BrickAddress>,
    pub(crate) option: VolumeOption,
}

/// A volume that has taken the name of ours is left alone. One that is being marked may have the
/// mark of the volume that it is a clone of, so its bricks decide.
async fn refuse_others(
    nodes: &Nodes,
    pool: &Pool,
    name: &VolumeName,
    is_ours: impl Fn(&VolumeState) -> bool,
) -> Result<()> {
    let question = gluster::info(Script::reading(), nodes.tools(), name);
    let (host, ran) = pool.ask(nodes, &question).await?;
    let answer = VolumeState::read(&ran.into_iter().next().unwrap_or_default());
    let asked = format!("gluster volume info {name}");
    match answer.map_err(|why| bad_answer(&host, &asked, &why))? {
        None => Err(NodeError::Refused(format!("gluster has no volume {name}"))),
        Some(state) if is_ours(&state) => Ok(()),
        Some(VolumeState { id, .. }) => {
            let other = id.as_deref().unwrap_or("without a mark");
            Err(NodeError::Refused(format!("volume {name} is another one in gluster: {other}")))
        }
    }
}

impl Effect for ReviveVolume {
    const WAY: Way = Way::Reversible;

    async fn run(&self, nodes: &Nodes) -> Result {
        let is_ours = |state: &VolumeState| state.is(self.id, &self.bricks);
        refuse_others(nodes, &self.pool, &self.name, is_ours).await?;
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
        let marks = words.starts_with(ID_OPTION);
        let is_ours = |state: &VolumeState| {
            if marks {
                self.bricks.iter().any(|brick| state.has(brick))
            } else {
                state.is(self.id, &self.bricks)
            }
        };
        refuse_others(nodes, &self.pool, &self.name, is_ours).await?;
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
