//! A node that has fallen out of gluster's pool is taken in again.
use super::{
    Operation, Plan, Planning,
    journal::Record,
    planning::pool,
    step::{Probe, Step},
};
use crate::{
    domain::NodeId,
    error::{Error, Result},
    store::{WriteTx, nodes},
};
use serde::{Deserialize, Serialize};

/// A repair: see docs/CHECKING.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejoinPeer {
    node: NodeId,
}

impl RejoinPeer {
    /// The node of this id is to be in the pool of its cluster.
    #[must_use]
    pub fn new(node: NodeId) -> Self {
        Self { node }
    }
}

impl Operation for RejoinPeer {
    fn claims(&self) -> Vec<String> {
        vec![format!("node/{}", self.node)]
    }
    fn subject(&self) -> Option<(&'static str, String)> {
        Some(("Probe peer", self.node.to_string()))
    }
    /// A node that is outside cannot be asked to take itself in.
    async fn reserve(&self, tx: &mut WriteTx, _: &Planning<'_>) -> Result<Plan> {
        let node = nodes::get_settled(tx, self.node).await?;
        let mut pool = pool(tx, node.cluster, &[]).await?;
        let host = node.host()?;
        pool.via.retain(|via| via != host);
        if pool.via.is_empty() {
            return Err(Error::Refused(format!("no other node of cluster {}", node.cluster)));
        }
        let probe = Probe { pool, peer: node.peer()?.clone(), known: true };
        Ok(vec![vec![Step::Probe(probe)]])
    }
    async fn commit(&self, _: &mut WriteTx, _: &Record) -> Result<()> {
        Ok(())
    }
    async fn release(&self, _: &mut WriteTx, _: &Record) -> Result<()> {
        Ok(())
    }
}
