//! A block volume goes; its hosting volume stays.
use super::{
    Operation, Plan, Planning,
    journal::Record,
    planning::pool,
    step::{BlockPlace, DestroyBlock, Step},
};
use crate::{
    domain::BlockVolumeId,
    error::{Error, Result},
    node::gluster_block::Name,
    store::{WriteTx, block_volumes, volumes},
};
use serde::{Deserialize, Serialize};

/// `DELETE /blockvolumes/{id}`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteBlockVolume {
    block: BlockVolumeId,
}

impl DeleteBlockVolume {
    /// The block volume of this id is to go.
    #[must_use]
    pub fn new(block: BlockVolumeId) -> Self {
        Self { block }
    }

    /// What removes it.
    ///
    /// # Errors
    /// It is not there, or the database fails.
    pub(super) async fn steps(&self, tx: &mut WriteTx) -> Result<Plan> {
        let block = block_volumes::get(tx, self.block).await?.ok_or_else(Error::id_not_found)?;
        let hosting = volumes::get(tx, block.hosting).await?.ok_or_else(Error::id_not_found)?;
        let place = BlockPlace {
            pool: pool(tx, hosting.cluster, &[]).await?,
            id: self.block,
            name: Name { hosting: hosting.name, block: block.name },
        };
        let destroy = DestroyBlock { place, iqn: block.target.iqn };
        Ok(vec![vec![Step::DestroyBlock(destroy)]])
    }
}

impl Operation for DeleteBlockVolume {
    fn claims(&self) -> Vec<String> {
        vec![format!("blockvolume/{}", self.block)]
    }
    fn subject(&self) -> Option<(&'static str, String)> {
        Some(("Delete block volume", self.block.to_string()))
    }
    fn attempt(&self) -> &'static str {
        "Failed to set up block volume delete"
    }
    fn throttled(&self) -> bool {
        true
    }

    async fn reserve(&self, tx: &mut WriteTx, planning: &Planning<'_>) -> Result<Plan> {
        block_volumes::get_settled(tx, self.block).await?;
        block_volumes::set_pending(tx, self.block, Some(planning.id)).await?;
        self.steps(tx).await
    }
    async fn commit(&self, tx: &mut WriteTx, _: &Record) -> Result<()> {
        block_volumes::delete(tx, self.block).await
    }
    async fn release(&self, tx: &mut WriteTx, _: &Record) -> Result<()> {
        block_volumes::set_pending(tx, self.block, None).await
    }
}
