//! A block volume grows to a given size.
use super::{
    Operation, Plan, Planning,
    journal::Record,
    planning::pool,
    step::{BlockPlace, Output, ResizeBlock, Step},
};
use crate::{
    api::block_volume::BlockVolumeExpandRequest,
    domain::{BlockVolumeId, Gib},
    error::{Error, Result},
    node::gluster_block::Name,
    store::{
        WriteTx, block_hosting,
        block_volumes::{self, BlockVolume},
        volumes,
    },
    validate::{self, Problems},
};
use serde::{Deserialize, Serialize};

/// `POST /blockvolumes/{id}/expand`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpandBlockVolume {
    block: BlockVolumeId,
    to: Gib,
}

impl ExpandBlockVolume {
    /// The block volume of this id is to have the requested size.
    ///
    /// # Errors
    /// 400 for a size below 1.
    pub fn new(block: BlockVolumeId, request: BlockVolumeExpandRequest) -> Result<Self> {
        Problems::default().field("new_size", validate::at_least_one(request.new_size)).check()?;
        Ok(Self { block, to: Gib(request.new_size.unsigned_abs()) })
    }

    /// One that was begun by somebody else.
    pub(super) fn inherited(block: BlockVolumeId, to: Gib) -> Self {
        Self { block, to }
    }

    /// The size it is to have.
    pub(super) fn to(&self) -> Gib {
        self.to
    }

    /// One that some hosts could not follow may be expanded to its own size once more.
    fn check(&self, block: &BlockVolume) -> Result<()> {
        let (to, now) = (self.to.0, block.size.0);
        if to == now && block.usable >= block.size {
            return Err(Error::Refused(format!(
                "Requested new-size {to} is same as current block volume size {now}, nothing to be \
                 done."
            )));
        }
        if to < now {
            return Err(Error::Refused(format!(
                "Requested new-size {to} is less than current block volume size {now}, shrinking \
                 is not allowed."
            )));
        }
        Ok(())
    }

    /// What all hosts offer of the new size.
    fn usable(&self, record: &Record) -> Gib {
        let usable = record.steps.iter().find_map(|step| match step.output {
            Output::Resized { usable } => Some(usable),
            _ => None,
        });
        usable.unwrap_or(self.to)
    }
}

impl Operation for ExpandBlockVolume {
    fn claims(&self) -> Vec<String> {
        vec![format!("blockvolume/{}", self.block)]
    }
    fn subject(&self) -> Option<(&'static str, String)> {
        Some(("Expand block volume", self.block.to_string()))
    }
    fn attempt(&self) -> &'static str {
        "Failed to allocate block volume expansion"
    }
    fn throttled(&self) -> bool {
        true
    }
    fn location(&self) -> Option<String> {
        Some(format!("/blockvolumes/{}", self.block))
    }

    async fn reserve(&self, tx: &mut WriteTx, _: &Planning<'_>) -> Result<Plan> {
        let block = block_volumes::get_settled(tx, self.block).await?;
        self.check(&block)?;
        let volume = volumes::get(tx, block.hosting).await?.ok_or_else(Error::id_not_found)?;
        let hosting = block_hosting::get(tx, block.hosting).await?;
        let free = hosting.map_or(Gib(0), |hosting| hosting.free());
        if free.0 < self.to.0 - block.size.0 {
            return Err(Error::Refused("No space".into()));
        }
        block_volumes::hold(tx, self.block, self.to).await?;
        let place = BlockPlace {
            pool: pool(tx, volume.cluster, &[]).await?,
            id: self.block,
            name: Name { hosting: volume.name, block: block.name },
        };
        let resize = ResizeBlock { place, from: block.usable.min(block.size), to: self.to };
        Ok(vec![vec![Step::ResizeBlock(resize)]])
    }
    async fn commit(&self, tx: &mut WriteTx, record: &Record) -> Result<()> {
        block_volumes::resized(tx, self.block, self.to, self.usable(record)).await
    }
    /// gluster-block does not go back, so the new size is what is true; but nobody may use it yet.
    fn flaw(&self, record: &Record) -> Option<String> {
        let usable = self.usable(record);
        (usable < self.to).then(|| {
            format!(
                "The block volume has {} GiB now, but only {} GiB can be used: some of its hosts \
                 could not follow (`gluster-block info` names them). When they are well, expand it \
                 to {} GiB once more",
                self.to.0, usable.0, self.to.0
            )
        })
    }
    async fn release(&self, tx: &mut WriteTx, _: &Record) -> Result<()> {
        let block = block_volumes::get_settled(tx, self.block).await?;
        block_volumes::hold(tx, self.block, block.size).await
    }
}
