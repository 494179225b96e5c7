//! Making a block volume on a hosting volume that is ready.
use super::{BlockPlace, Effect, Output, Place, Result, Way};
use crate::{
    domain::{Gib, Hostname, NodeId},
    node::{
        Lane, NodeError, Nodes, Script, gluster,
        gluster_block::{self, State, shown},
    },
};
use serde::{Deserialize, Serialize};

/// The name is free on the hosting volume: whatever has it later is ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InspectBlock {
    pub(crate) place: BlockPlace,
}

impl Effect for InspectBlock {
    const WAY: Way = Way::Reversible;

    async fn run(&self, nodes: &Nodes) -> Result {
        match self.place.state(nodes).await? {
            None => Ok(Output::Nothing),
            Some(_) => Err(NodeError::Refused(format!(
                "gluster-block has a block volume {} already that is not ours: choose another name \
                 (`gluster-block info {}`)",
                self.place.name, self.place.name
            ))),
        }
    }
    async fn undo(&self, _: &Nodes) -> Result {
        Ok(Output::Nothing)
    }
    fn place(&self) -> Place<'_> {
        Place::Pool(&self.place.pool)
    }
}

/// A host that may export a block volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BlockHost {
    pub(crate) node: NodeId,
    /// Where to ask whether it is well.
    pub(crate) host: Hostname,
    /// Its storage name, which gluster-block is given.
    pub(crate) peer: Hostname,
}

/// The block volume: its file, and a target on each of its hosts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CreateBlock {
    pub(crate) place: BlockPlace,
    pub(crate) size: Gib,
    pub(crate) auth: bool,
    /// The preferred ones first.
    pub(crate) hosts: Vec<BlockHost>,
    /// The first so many of them that answer; when none, all of them, and gluster-block judges.
    pub(crate) wanted: Option<usize>,
    /// The hosting volume comes and goes with it.
    pub(crate) hosting_is_new: bool,
    /// Nobody has seen that the name was free: only what looks as it was to be is ours.
    #[serde(default)]
    pub(crate) unproven: bool,
}

impl CreateBlock {
    /// The hosts to export it on (storage.md 1.12): those whose glusterd answers.
    async fn choose(&self, nodes: &Nodes) -> Result<Vec<Hostname>> {
        let Some(wanted) = self.wanted else {
            return Ok(self.hosts.iter().map(|one| one.peer.clone()).collect());
        };
        let unwell = nodes.health().unwell();
        let mut candidates: Vec<_> = self.hosts.iter().collect();
        candidates.sort_by_key(|one| unwell.contains(&one.host));
        let question = Script::reading().then(gluster::pool_list(nodes.tools())).lane(Lane::Health);
        let (mut found, mut doubt) = (vec![], None);
        for one in candidates {
            if found.len() == wanted {
                break;
            }
            match nodes.run(&one.host, &question).await {
                Ok(_) => found.push(one.peer.clone()),
                Err(error @ NodeError::InDoubt { .. }) => doubt = Some(error),
                Err(error) => tracing::info!(host = %one.host, %error, "exports no block volume"),
            }
        }
        if found.len() == wanted {
            return Ok(found);
        }
        let few = format!(
            "insufficient block hosts online: glusterd answers on {} of {} nodes, {wanted} are \
             wanted",
            found.len(),
            self.hosts.len()
        );
        let refused = || NodeError::WithoutEffect(NodeError::Refused(few).into());
        Err(doubt.unwrap_or_else(refused))
    }

    /// Whether the block volume of this name is to be left alone: see `unproven`.
    async fn is_another(&self, nodes: &Nodes) -> Result<bool> {
        if !self.unproven {
            return Ok(false);
        }
        let Some(found) = self.place.state(nodes).await? else { return Ok(false) };
        let hosts = self.wanted.and_then(|wanted| u64::try_from(wanted).ok());
        let other = found.size != shown(self.size) || hosts.is_some_and(|hosts| hosts != found.ha);
        if other {
            let (name, size, ha) = (&self.place.name, &found.size, found.ha);
            tracing::warn!(%name, %size, ha, "gluster-block has another block volume of this name; left alone");
        }
        Ok(other)
    }

    /// What is there after a create that did not simply succeed. Whoever is in doubt waits for it.
    async fn settle(&self, nodes: &Nodes, error: &NodeError) -> Result<Option<State>> {
        let pace = nodes.pace();
        let looks = if matches!(error, NodeError::InDoubt { .. }) { pace.looks } else { 1 };
        for look in 1..=looks {
            let found = self.place.state(nodes).await?.filter(State::is_whole);
            if found.is_some() || look == looks || !nodes.pause(pace.look_pause).await {
                return Ok(found);
            }
        }
        Ok(None)
    }
}

impl Effect for CreateBlock {
    const WAY: Way = Way::Reversible;

    /// Tries first and asks only when that fails: an earlier run may have made it.
    async fn run(&self, nodes: &Nodes) -> Result {
        let hosts = self.choose(nodes).await?;
        let create =
            gluster_block::create(nodes.tools(), &self.place.name, self.size, self.auth, &hosts);
        let error = match self.place.change(nodes, create.clone()).await {
            Ok(reply) => match reply.target(hosts) {
                Some(target) => return Ok(Output::Target(target)),
                None => self.place.odd(&create, "the target"),
            },
            Err(error) => error,
        };
        let may_be_there = gluster_block::is_there(&error)
            || matches!(error, NodeError::InDoubt { .. } | NodeError::Nonsense { .. });
        if !may_be_there {
            return Err(error);
        }
        // Whatever keeps us from looking, the first error is the one that leaves things open.
        match self.settle(nodes, &error).await {
            Ok(Some(found)) => Ok(Output::Target(found.target())),
            _ => Err(error),
        }
    }
    async fn undo(&self, nodes: &Nodes) -> Result {
        // One that an earlier server began, or whose answer was lost, may still be at work.
        self.place.pool.quiet(nodes, &self.place.lock()).await?;
        if !self.is_another(nodes).await? {
            self.place.remove(nodes).await?;
        }
        Ok(Output::Nothing)
    }
    /// With its hosting volume it is gone for certain.
    async fn certify(&self, nodes: &Nodes) -> Result<()> {
        if self.hosting_is_new || self.is_another(nodes).await? {
            return Ok(());
        }
        self.place.remove(nodes).await
    }
    fn lands_late(&self) -> bool {
        true
    }
    fn place(&self) -> Place<'_> {
        Place::Pool(&self.place.pool)
    }
    /// gluster-block names the host that could not do it; another one may take its place.
    fn blames(&self, error: &NodeError) -> Option<NodeId> {
        let ill = |one: &&BlockHost| error.says(&format!("failed to configure on {} ", one.peer));
        self.wanted?;
        self.hosts.iter().find(ill).map(|one| one.node)
    }
}
