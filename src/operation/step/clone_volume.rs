//! Making a clone of a volume, and taking it back.
use super::{
    BrickPlace, Effect, Output, Place, Pool, Result, Way, after_start,
    delete_volume::{Absent, Target, state},
    session::bad_answer,
};
use crate::{
    domain::{BrickId, ClonedLv, Hostname, VolumeId, VolumeName},
    node::{
        NodeError, Nodes, Script,
        clone::{self, Clone as Wanted},
        gluster::{BadAnswer, BrickAddress, VolumeState},
        lvm, mount,
        names::BrickLv,
    },
};
use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};

/// Refuses to go on while gluster has a volume of this name: it would be taken for ours later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FindNameFree {
    pub(crate) pool: Pool,
    pub(crate) name: VolumeName,
}

impl Effect for FindNameFree {
    const WAY: Way = Way::Reversible;

    async fn run(&self, nodes: &Nodes) -> Result {
        match state(nodes, &self.pool, &self.name).await? {
            None => Ok(Output::Nothing),
            Some(_) => Err(NodeError::Refused(format!("Volume {} already exists", self.name))),
        }
    }
    async fn undo(&self, _: &Nodes) -> Result {
        Ok(Output::Nothing)
    }
    fn place(&self) -> Place<'_> {
        Place::Pool(&self.pool)
    }
}

/// A brick that gets a clone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SourceBrick {
    pub(crate) place: BrickPlace,
    pub(crate) address: BrickAddress,
    /// The clone's identity.
    pub(crate) clone: BrickId,
}

/// The clone: made of a snapshot, with an id of its own, started.
///
/// Until the id is set it has the mark of the source, copied by gluster: that can be the source's
/// own id, another's, or none (volumes of Heketi). Its name alone proves nothing: an administrator
/// may have taken it after [`FindNameFree`]. That it is ours is known then by that mark, and by the
/// thin volumes, which lie in the pools of the source's bricks and bear the clone's UUID.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CloneVolume {
    pub(crate) pool: Pool,
    /// Management names of all nodes of the pool.
    pub(crate) members: Vec<Hostname>,
    pub(crate) source_id: VolumeId,
    pub(crate) source: VolumeName,
    pub(crate) id: VolumeId,
    pub(crate) name: VolumeName,
    /// In gluster's order.
    pub(crate) bricks: Vec<SourceBrick>,
}

impl CloneVolume {
    fn wanted(&self) -> Wanted<'_> {
        Wanted { source: &self.source, id: self.id, name: &self.name }
    }
    fn lock(&self) -> Script {
        Script::changing(format!("volume-{}", self.id))
    }
    fn has_our_id(&self, found: &VolumeState) -> bool {
        found.id.as_ref().is_some_and(|id| *id == self.id.to_string())
    }
    fn bad_answer(&self, why: &BadAnswer) -> NodeError {
        let host =
            self.pool.via.first().cloned().unwrap_or_else(|| self.bricks[0].address.host.clone());
        bad_answer(&host, &format!("gluster volume info {}", self.name), why)
    }

    /// The clone, if gluster has it; another volume of its name is none.
    async fn found(&self, nodes: &Nodes) -> Result<Option<VolumeState>> {
        let Some(found) = state(nodes, &self.pool, &self.name).await? else { return Ok(None) };
        if self.has_our_id(&found) || self.is_of_the_source(nodes, &found).await? {
            return Ok(Some(found));
        }
        let (volume, name) = (self.id, &self.name);
        tracing::warn!(%volume, %name, "gluster has another volume of this name; left alone");
        Ok(None)
    }

    /// Whether a volume that does not have our id was made of the source: bricks of clones of other
    /// volumes on the same nodes lie in the same folders.
    async fn is_of_the_source(&self, nodes: &Nodes, found: &VolumeState) -> Result<bool> {
        let Ok((begin, _)) = self.layout(found) else { return Ok(false) };
        let source = state(nodes, &self.pool, &self.source).await?;
        if source.is_none_or(|source| source.id != found.id) {
            return Ok(false);
        }
        let lvs = self.bricks.iter().map(|brick| brick.find(nodes, &begin));
        // A removal that was cut off has taken some of them.
        Ok(try_join_all(lvs).await?.iter().any(|lvs| !lvs.is_empty()))
    }

    /// How the names of the clone's thin volumes begin, and where its bricks lie.
    fn layout(&self, found: &VolumeState) -> Result<(String, Vec<BrickAddress>)> {
        let sources: Vec<_> = self.bricks.iter().map(|brick| brick.address.clone()).collect();
        let read = clone::lv_prefix(found)
            .and_then(|begin| Ok((begin, clone::directories(found, &sources)?)));
        let (begin, directories) = read.map_err(|why| self.bad_answer(&why))?;
        let lies = |(source, path)| BrickAddress { path, ..source };
        Ok((begin, sources.into_iter().zip(directories).map(lies).collect()))
    }

    /// What the clone's bricks are called on their nodes.
    async fn names(&self, nodes: &Nodes, found: &VolumeState) -> Result<Vec<ClonedLv>> {
        let (begin, addresses) = self.layout(found)?;
        let named = self.bricks.iter().zip(addresses).map(async |(brick, address)| {
            let lvs = brick.find(nodes, &begin).await?;
            let pool = brick.place.lv.pool();
            match <[String; 1]>::try_from(lvs) {
                Ok([lv]) => Ok(ClonedLv { lv, pool, directory: address.path }),
                Err(lvs) => Err(NodeError::Nonsense {
                    host: brick.place.host.clone(),
                    command: "lvs".into(),
                    why: format!("{} clones in the pool {pool} where one was expected", lvs.len()),
                }),
            }
        });
        try_join_all(named).await
    }

    /// Gives it our id before its thin volumes go: if that is cut off, nothing else tells whose it is.
    /// How it is now; none if it has gone meanwhile.
    async fn mark(&self, nodes: &Nodes, found: VolumeState) -> Result<Option<VolumeState>> {
        let rest = self.wanted().complete(self.lock(), nodes.tools(), &found);
        match self.pool.change(nodes, &rest).await {
            // One that cannot be started takes no id, and has to go as well.
            Err(error @ NodeError::Failed { .. }) => {
                tracing::info!(volume = %self.id, %error, "the clone does not take our id");
            }
            other => other?,
        }
        let now = state(nodes, &self.pool, &self.name).await?;
        Ok(now.filter(|now| now.uuid == found.uuid))
    }

    /// The thin volumes go while gluster still knows the clone: later nobody would know their names.
    async fn remove(&self, nodes: &Nodes, found: VolumeState) -> Result<()> {
        let found = if self.has_our_id(&found) {
            found
        } else if let Some(found) = self.mark(nodes, found).await? {
            found
        } else {
            return Ok(());
        };
        if found.started {
            let stop = self.wanted().stop(self.lock(), nodes.tools());
            self.pool.change(nodes, &stop).await?;
        }
        let (begin, bricks) = self.layout(&found)?;
        let removed = self.bricks.iter().zip(&bricks).map(async |(brick, address)| {
            for lv in brick.find(nodes, &begin).await? {
                brick.remove(nodes, lv, address.path.clone()).await?;
            }
            Ok(())
        });
        try_join_all(removed).await?;
        let target = Target { pool: &self.pool, id: self.id, name: &self.name, bricks: &bricks };
        target.destroy_found(nodes, false).await?;
        target.destroy_for_good(nodes, &self.members, Absent::Matters).await
    }
}

impl SourceBrick {
    /// Thin volumes in the source's pool whose names begin so.
    async fn find(&self, nodes: &Nodes, begin: &str) -> Result<Vec<String>> {
        let source = &self.place.lv;
        let script = lvm::find_made_by_gluster(Script::reading(), nodes.tools(), source, begin);
        let ran = nodes.run(&self.place.host, &script).await?;
        let printed = ran.last().map(|ran| ran.stdout.as_str()).unwrap_or_default();
        Ok(printed.split_whitespace().map(str::to_owned).collect())
    }

    async fn remove(&self, nodes: &Nodes, lv: String, directory: String) -> Result<()> {
        let source = &self.place.lv;
        let cloned = Some(ClonedLv { lv, pool: source.pool(), directory });
        let lv = BrickLv { id: self.clone, device: source.device, cloned };
        let script = mount::unmount(Script::changing(format!("brick-{}", self.clone)), &lv);
        let script = mount::forget(script, &lv);
        let script = lvm::remove_brick(script, nodes.tools(), &lv);
        nodes.run(&self.place.host, &script).await.map(drop)
    }
}

impl Effect for CloneVolume {
    const WAY: Way = Way::Reversible;

    async fn run(&self, nodes: &Nodes) -> Result {
        let made = self.wanted().make(self.lock(), nodes.tools());
        let made = self.pool.change(nodes, &made).await;
        if let Err(error) = &made
            && !matches!(error, NodeError::InDoubt { .. })
            && !error.says("already exists")
        {
            return made.map(|()| Output::Nothing);
        }
        let found = self.found(nodes).await.map_err(after_start)?;
        let Some(found) = found else {
            let gone = NodeError::Refused(format!("gluster does not know the clone {}", self.name));
            return Err(made.err().unwrap_or(gone));
        };
        if made.is_err() {
            let rest = self.wanted().complete(self.lock(), nodes.tools(), &found);
            self.pool.change(nodes, &rest).await.map_err(after_start)?;
        }
        let names = self.names(nodes, &found).await.map_err(after_start)?;
        let dropped = self.wanted().drop_snapshot(self.lock(), nodes.tools());
        self.pool.change(nodes, &dropped).await.map_err(after_start)?;
        Ok(Output::Cloned(names))
    }
    async fn undo(&self, nodes: &Nodes) -> Result {
        self.pool.quiet(nodes, &format!("volume-{}", self.id)).await?;
        if let Some(found) = self.found(nodes).await? {
            self.remove(nodes, found).await?;
        }
        let dropped = self.wanted().drop_snapshot(self.lock(), nodes.tools());
        self.pool.change(nodes, &dropped).await?;
        Ok(Output::Nothing)
    }
    /// A session on a node that did not answer may have made the clone after `undo` looked.
    async fn certify(&self, nodes: &Nodes) -> Result<()> {
        self.undo(nodes).await.map(drop)
    }
    fn place(&self) -> Place<'_> {
        Place::Pool(&self.pool)
    }
}
