//! A brick that is not mounted, or will not be after a reboot, is put right.
use super::{
    Operation, Plan, Planning,
    evict_brick::claim,
    journal::Record,
    planning::{address, place_of, pool},
    step::{self, ReviveVolume, Step},
};
use crate::{
    domain::BrickId,
    error::{Error, Result},
    store::{WriteTx, bricks, claims, volumes},
};
use serde::{Deserialize, Serialize};

/// A repair: see docs/CHECKING.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreBrick {
    brick: BrickId,
}

impl RestoreBrick {
    /// The brick of this id is to be where it belongs.
    #[must_use]
    pub fn new(brick: BrickId) -> Self {
        Self { brick }
    }
}

impl Operation for RestoreBrick {
    /// Its volume, which is not known before the brick has been looked up: see `reserve`.
    fn claims(&self) -> Vec<String> {
        vec![]
    }
    fn subject(&self) -> Option<(&'static str, String)> {
        Some(("Restore brick", self.brick.to_string()))
    }
    async fn reserve(&self, tx: &mut WriteTx, planning: &Planning<'_>) -> Result<Plan> {
        let brick = bricks::get(tx, self.brick).await?.ok_or_else(Error::id_not_found)?;
        claims::take(tx, &claim(brick.volume), planning.id).await?;
        let volume = volumes::get_settled(tx, brick.volume).await?;
        if brick.pending.is_some() {
            return Err(Error::InUse);
        }
        let pool = pool(tx, volume.cluster, std::slice::from_ref(&brick)).await?;
        let restore = step::RestoreBrick { place: place_of(&brick) };
        let all = bricks::of_volume(tx, volume.id).await?;
        let bricks = all.iter().map(address).collect();
        let revive = ReviveVolume { pool, id: volume.id, name: volume.name, bricks };
        Ok(vec![vec![Step::RestoreBrick(restore)], vec![Step::ReviveVolume(revive)]])
    }
    async fn commit(&self, _: &mut WriteTx, _: &Record) -> Result<()> {
        Ok(())
    }
    async fn release(&self, _: &mut WriteTx, _: &Record) -> Result<()> {
        Ok(())
    }
}
