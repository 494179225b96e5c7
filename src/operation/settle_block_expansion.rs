//! A block volume that somebody else was expanding has grown, or is as it was.
//!
//! gluster-block decides, and never goes back. In two legs: first it is asked; where it has begun, it
//! is told once more, for hosts that did not follow.
use super::{
    ExpandBlockVolume, Operation, Plan, Planning,
    inherit::INTERRUPTED,
    journal::Record,
    planning::pool,
    step::{BlockPlace, FindBlockSize, Output, ResizeBlock, Step},
};
use crate::{
    domain::{BlockVolumeId, Gib},
    error::{Error, Result},
    node::gluster_block::Name,
    store::{
        WriteTx,
        block_volumes::{self, BlockVolume},
        volumes,
    },
};
use serde::{Deserialize, Serialize};

/// An expansion of a Heketi that ended before it was done; the block volume holds its new size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettleBlockExpansion {
    block: BlockVolumeId,
    to: Gib,
}

impl SettleBlockExpansion {
    /// The block volume was to have this size.
    pub(super) fn new(block: BlockVolumeId, to: Gib) -> Self {
        Self { block, to }
    }
    /// The size it was to have.
    pub(super) fn to(&self) -> Gib {
        self.to
    }

    async fn place(&self, tx: &mut WriteTx) -> Result<(BlockVolume, BlockPlace)> {
        let block = block_volumes::get_settled(tx, self.block).await?;
        let hosting = volumes::get(tx, block.hosting).await?.ok_or_else(Error::id_not_found)?;
        let place = BlockPlace {
            pool: pool(tx, hosting.cluster, &[]).await?,
            id: self.block,
            name: Name { hosting: hosting.name, block: block.name.clone() },
        };
        Ok((block, place))
    }

    /// The first leg: how far is it?
    ///
    /// # Errors
    /// The block volume is not there, or the database fails.
    pub(super) async fn steps(&self, tx: &mut WriteTx) -> Result<Plan> {
        let (block, place) = self.place(tx).await?;
        let find = FindBlockSize { place, from: block.size, to: self.to };
        Ok(vec![vec![Step::FindBlockSize(find)]])
    }

    /// As it ends where it has grown.
    fn expansion(&self) -> ExpandBlockVolume {
        ExpandBlockVolume::inherited(self.block, self.to)
    }
}

/// What the first leg has found out; none in the second.
fn grown(record: &Record) -> Option<bool> {
    record.steps.iter().find_map(|step| match step.output {
        Output::Grown(grown) => Some(grown),
        _ => None,
    })
}

impl Operation for SettleBlockExpansion {
    fn claims(&self) -> Vec<String> {
        self.expansion().claims()
    }
    fn subject(&self) -> Option<(&'static str, String)> {
        self.expansion().subject()
    }
    fn settles(&self) -> bool {
        true
    }
    fn location(&self) -> Option<String> {
        self.expansion().location()
    }

    async fn reserve(&self, tx: &mut WriteTx, _: &Planning<'_>) -> Result<Plan> {
        self.steps(tx).await
    }
    async fn further(
        &self,
        tx: &mut WriteTx,
        _: &Planning<'_>,
        record: &Record,
    ) -> Result<Option<Plan>> {
        if grown(record) != Some(true) {
            return Ok(None);
        }
        let (block, place) = self.place(tx).await?;
        let resize = ResizeBlock { place, from: block.usable.min(block.size), to: self.to };
        Ok(Some(vec![vec![Step::ResizeBlock(resize)]]))
    }
    async fn commit(&self, tx: &mut WriteTx, record: &Record) -> Result<()> {
        match grown(record) {
            Some(_) => self.expansion().release(tx, record).await,
            None => self.expansion().commit(tx, record).await,
        }
    }
    fn flaw(&self, record: &Record) -> Option<String> {
        match grown(record) {
            Some(_) => Some(INTERRUPTED.to_owned()),
            None => self.expansion().flaw(record),
        }
    }
    /// It only goes on.
    async fn release(&self, _: &mut WriteTx, _: &Record) -> Result<()> {
        Err(Error::InUse)
    }
}
