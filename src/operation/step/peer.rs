//! Taking a host into a pool of gluster, and putting it out.
use super::{Effect, Output, Result, Way};
use crate::{
    domain::Hostname,
    node::{Nodes, Script, gluster},
};
use serde::{Deserialize, Serialize};

/// `peer probe`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Probe {
    pub(crate) via: Vec<Hostname>,
    pub(crate) peer: Hostname,
    /// It was a peer before: taking the step back leaves it one.
    pub(crate) known: bool,
}

impl Effect for Probe {
    const WAY: Way = Way::Reversible;

    async fn run(&self, nodes: &Nodes) -> Result {
        let lock = format!("peer-{}", self.peer);
        let script = gluster::probe(Script::changing(lock), nodes.tools(), &self.peer);
        nodes.run_on_any(&self.via, &script).await?;
        Ok(Output::Nothing)
    }
    async fn undo(&self, nodes: &Nodes) -> Result {
        if !self.known {
            detach(nodes, &self.via, &self.peer).await?;
        }
        Ok(Output::Nothing)
    }
}

/// `peer detach`: also from a pool whose other members cannot reach the host any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Detach {
    pub(crate) via: Vec<Hostname>,
    pub(crate) peer: Hostname,
}

impl Effect for Detach {
    const WAY: Way = Way::ForwardOnly;

    /// A failure is told in the log and does not keep the node in the database: as with Heketi, a
    /// dead node can be got rid of (storage.md 1.2).
    async fn run(&self, nodes: &Nodes) -> Result {
        if let Err(error) = detach(nodes, &self.via, &self.peer).await {
            let peer = &self.peer;
            tracing::warn!(%peer, %error, "still in gluster's pool; `gluster peer detach` it by hand");
        }
        Ok(Output::Nothing)
    }
    async fn undo(&self, _: &Nodes) -> Result {
        Ok(Output::Nothing)
    }
}

async fn detach(nodes: &Nodes, via: &[Hostname], peer: &Hostname) -> Result<()> {
    let script =
        Script::changing(format!("peer-{peer}")).then(gluster::detach(nodes.tools(), peer));
    match nodes.run_on_any(via, &script).await {
        Err(error) if error.says("is not part of cluster") || error.says("not a friend") => Ok(()),
        other => other.map(drop),
    }
}
