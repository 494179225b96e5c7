//! A node without devices leaves its cluster and gluster's pool.
use super::{
    Operation, Plan, Planning,
    journal::Record,
    step::{Detach, Pool, Step},
};
use crate::{
    domain::{Hostname, NodeId},
    error::{Error, Result},
    store::{
        WriteTx, block_volumes, devices,
        nodes::{self, Node},
    },
};
use serde::{Deserialize, Serialize};

/// `DELETE /nodes/{id}`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteNode {
    node: NodeId,
}

impl DeleteNode {
    /// The node of this id is to go.
    #[must_use]
    pub fn new(node: NodeId) -> Self {
        Self { node }
    }
}

impl Operation for DeleteNode {
    fn claims(&self) -> Vec<String> {
        vec![format!("node/{}", self.node)]
    }
    fn subject(&self) -> Option<(&'static str, String)> {
        Some(("Delete node", self.node.to_string()))
    }

    async fn reserve(&self, tx: &mut WriteTx, planning: &Planning<'_>) -> Result<Plan> {
        let node = nodes::get_settled(tx, self.node).await?;
        if devices::any_on(tx, self.node).await? {
            let text = format!("Unable to delete node [{}] because it contains devices", self.node);
            return Err(Error::Conflict(text));
        }
        nodes::set_pending(tx, self.node, Some(planning.id)).await?;
        let others = nodes::of_cluster(tx, node.cluster).await?;
        let via: Vec<Hostname> = others.iter().filter_map(|n| n.manage.first().cloned()).collect();
        if via.is_empty() {
            return Ok(vec![]);
        }
        let pool = Pool { cluster: node.cluster, via };
        let (peer, host) = (node.peer()?.clone(), Some(node.host()?.clone()));
        let others = others.iter().filter(|other| other.id != self.node);
        let others = others.flat_map(Node::names).cloned().collect();
        Ok(vec![vec![Step::Detach(Detach { pool, peer, host, others })]])
    }
    /// Initiators are not sent any more to where nobody answers (api.md 9.3).
    async fn commit(&self, tx: &mut WriteTx, _: &Record) -> Result<()> {
        let node = nodes::get(tx, self.node).await?.ok_or_else(Error::id_not_found)?;
        block_volumes::leave(tx, node.cluster, &node.storage).await?;
        nodes::delete(tx, self.node).await
    }
    async fn release(&self, tx: &mut WriteTx, _: &Record) -> Result<()> {
        nodes::set_pending(tx, self.node, None).await
    }
}
