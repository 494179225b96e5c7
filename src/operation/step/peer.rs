//! Taking a host into a pool of gluster, and putting it out.
use super::{Effect, Output, Place, Pool, Result, Way, check_heal::NOTICED};
use crate::{
    domain::Hostname,
    node::{NodeError, Nodes, Script, gluster},
};
use serde::{Deserialize, Serialize};

/// `peer probe`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Probe {
    pub(crate) pool: Pool,
    pub(crate) peer: Hostname,
    /// It was a peer before: taking the step back leaves it one.
    pub(crate) known: bool,
}

impl Effect for Probe {
    const WAY: Way = Way::Reversible;

    async fn run(&self, nodes: &Nodes) -> Result {
        let lock = format!("peer-{}", self.peer);
        let script = gluster::probe(Script::changing(lock), nodes.tools(), &self.peer);
        self.pool.change(nodes, &script).await?;
        Ok(Output::Nothing)
    }
    async fn undo(&self, nodes: &Nodes) -> Result {
        if !self.known {
            detach(nodes, &self.pool, &self.peer).await?;
        }
        Ok(Output::Nothing)
    }
    fn place(&self) -> Place<'_> {
        Place::Pool(&self.pool)
    }
}

/// `peer detach`: also from a pool whose other members cannot reach the host any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Detach {
    pub(crate) pool: Pool,
    pub(crate) peer: Hostname,
    /// Where the peer itself is reached; journals of earlier versions do not say.
    #[serde(default)]
    pub(crate) host: Option<Hostname>,
    /// All names of the cluster's other nodes: who is listed by none of them may be the peer.
    #[serde(default)]
    pub(crate) others: Vec<Hostname>,
}

impl Effect for Detach {
    const WAY: Way = Way::ForwardOnly;

    /// A failure is told in the log and does not keep the node in the database: as with Heketi, a
    /// dead node can be got rid of (storage.md 1.2).
    async fn run(&self, nodes: &Nodes) -> Result {
        self.until_noticed(nodes).await;
        let mut result = detach(nodes, &self.pool, &self.peer).await;
        if matches!(result, Err(NodeError::InDoubt { .. })) {
            result = detach(nodes, &self.pool, &self.peer).await;
        }
        if let Err(error) = result {
            let peer = &self.peer;
            tracing::warn!(%peer, %error, "still in gluster's pool; `gluster peer detach` it by hand");
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

impl Detach {
    /// Waits until gluster has noticed that a dead peer is away. What it is told to change before
    /// that it sends to the dead one as well, and its pool is held for ten minutes and more (seen on
    /// GlusterFS 10.3). What cannot be asked is not waited for.
    async fn until_noticed(&self, nodes: &Nodes) {
        let Some(host) = &self.host else { return };
        let listing = Script::reading().then(gluster::pool_list(nodes.tools()));
        for _ in 0..NOTICED {
            let alive = nodes.run(host, &listing).await;
            if !matches!(alive, Err(NodeError::Unreachable { .. })) {
                return;
            }
            let Ok((_, ran)) = self.pool.ask(nodes, &listing).await else { return };
            let text = ran.first().map(|ran| ran.stdout.as_str()).unwrap_or_default();
            let noticed = gluster::is_noticed(text, &self.peer, &self.others);
            if noticed || !nodes.pause(nodes.pace().look_pause).await {
                return;
            }
        }
    }
}

async fn detach(nodes: &Nodes, pool: &Pool, peer: &Hostname) -> Result<()> {
    let script = |force| {
        let detach = gluster::detach(nodes.tools(), peer, force);
        Script::changing(format!("peer-{peer}")).then(detach)
    };
    let mut done = pool.change(nodes, &script(false)).await;
    // That another peer is away is no reason to keep this one.
    if done.as_ref().is_err_and(|e| gluster::PEERS_AWAY.iter().any(|words| e.says(words))) {
        done = pool.change(nodes, &script(true)).await;
    }
    match done {
        Err(error) if error.says("is not part of cluster") || error.says("not a friend") => Ok(()),
        other => other,
    }
}
