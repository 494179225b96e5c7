//! The database follows a brick that somebody has replaced in gluster.
use super::{Operation, Plan, Planning, evict_brick::claim, journal::Record};
use crate::{
    domain::{BrickId, BrickSize, DeviceId},
    error::{Error, Result},
    node::names::BrickLv,
    store::{
        WriteTx,
        bricks::{self, NewBrick},
        claims, devices, volumes,
    },
};
use serde::{Deserialize, Serialize};

/// A repair: see docs/CHECKING.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdoptBrick {
    old: BrickId,
    new: BrickId,
    device: DeviceId,
    size: BrickSize,
}

impl AdoptBrick {
    /// This brick stands in the place of the old one.
    #[must_use]
    pub fn new(old: BrickId, new: &BrickLv, size: BrickSize) -> Self {
        Self { old, new: new.id, device: new.device, size }
    }
}

impl Operation for AdoptBrick {
    /// Its volume, which is not known before the brick has been looked up: see `reserve`.
    fn claims(&self) -> Vec<String> {
        vec![format!("brick/{}", self.new)]
    }
    fn subject(&self) -> Option<(&'static str, String)> {
        Some(("Adopt brick", self.new.to_string()))
    }
    async fn reserve(&self, tx: &mut WriteTx, planning: &Planning<'_>) -> Result<Plan> {
        let old = bricks::get(tx, self.old).await?.ok_or_else(Error::id_not_found)?;
        claims::take(tx, &claim(old.volume), planning.id).await?;
        volumes::get_settled(tx, old.volume).await?;
        devices::get_settled(tx, self.device).await?;
        if old.pending.is_some() || bricks::get(tx, self.new).await?.is_some() {
            return Err(Error::InUse);
        }
        Ok(vec![])
    }
    /// What is left of the old one is nobody's from now on: it is found, and a person decides.
    async fn commit(&self, tx: &mut WriteTx, _: &Record) -> Result<()> {
        let old = bricks::get(tx, self.old).await?.ok_or_else(Error::id_not_found)?;
        let new = NewBrick {
            id: self.new,
            volume: old.volume,
            device: self.device,
            path: BrickLv::new(self.new, self.device).directory(),
            size: self.size,
            part: old.part,
            set_index: old.set_index,
            position: old.position,
            cloned: None,
            pending: None,
            replaces: None,
        };
        // It is there as long as nobody has removed it, and takes its space.
        bricks::delete(tx, &old, false).await?;
        bricks::insert(tx, &new).await
    }
    async fn release(&self, _: &mut WriteTx, _: &Record) -> Result<()> {
        Ok(())
    }
}
