//! A brick that somebody else was moving has moved, or is where it was.
//!
//! gluster decides which of the two bricks stays; the other one goes. In two legs: first it is asked,
//! then the one or the other is done.
use super::{
    Operation, Plan, Planning,
    inherit::{INTERRUPTED, finds, found, takes_back},
    journal::Record,
    layout,
    planning::{drop_brick, flush_steps, place_of, pool},
    settle_expansion::is_kept,
    step::{FindBricks, Pool, Question, RenewVolume, RetireBrick, Step},
};
use crate::{
    domain::{BrickId, VolumeId},
    error::{Error, Result},
    store::{
        WriteTx,
        bricks::{self, Brick},
        volumes::{self, Volume},
    },
};
use serde::{Deserialize, Serialize};

/// An eviction of a Heketi that ended after it had found a place for the brick.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettleEviction {
    volume: VolumeId,
    old: BrickId,
    new: BrickId,
}

impl SettleEviction {
    /// The new brick was to take the place of the old one; both are marked as the operation's.
    pub(super) fn new(volume: VolumeId, old: BrickId, new: BrickId) -> Self {
        Self { volume, old, new }
    }

    async fn volume(&self, tx: &mut WriteTx) -> Result<Volume> {
        volumes::get(tx, self.volume).await?.ok_or_else(Error::id_not_found)
    }

    async fn question(&self, tx: &mut WriteTx) -> Result<FindBricks> {
        let volume = self.volume(tx).await?;
        let Self { old, new, .. } = *self;
        finds(tx, &volume, Question::Replaced { old, new }).await
    }

    /// The first leg: how far is it?
    ///
    /// # Errors
    /// The volume is not there, or the database fails.
    pub(super) async fn steps(&self, tx: &mut WriteTx) -> Result<Plan> {
        Ok(vec![vec![Step::FindBricks(self.question(tx).await?)]])
    }

    async fn both(&self, tx: &mut WriteTx) -> Result<[Brick; 2]> {
        let mut both = vec![];
        for id in [self.old, self.new] {
            both.push(bricks::get(tx, id).await?.ok_or_else(Error::id_not_found)?);
        }
        <[Brick; 2]>::try_from(both).map_err(|_| Error::id_not_found())
    }
}

impl Operation for SettleEviction {
    fn claims(&self) -> Vec<String> {
        vec![super::evict_brick::claim(self.volume)]
    }
    fn subject(&self) -> Option<(&'static str, String)> {
        Some(("Delete brick", self.old.to_string()))
    }
    fn changes(&self) -> Option<Vec<(&'static str, String)>> {
        Some(vec![("Delete brick", self.old.to_string()), ("Add brick", self.new.to_string())])
    }
    fn settles(&self) -> bool {
        true
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
        let Some(found) = found(record) else { return Ok(None) };
        let volume = self.volume(tx).await?;
        layout::arrange(tx, &volume, &found.order).await?;
        let [old, new] = self.both(tx).await?;
        let new = [new];
        if !found.taken {
            return Ok(Some(takes_back(&new, self.question(tx).await?)));
        }
        let pool = pool(tx, volume.cluster, &new).await?;
        let those = Pool { via: found.hosts.clone(), ..pool.clone() };
        let renew = RenewVolume { pool: those, id: volume.id, name: volume.name.clone() };
        Ok(Some(vec![
            vec![Step::RenewVolume(renew)],
            flush_steps(&new, &pool, &volume),
            vec![Step::RetireBrick(RetireBrick { place: place_of(&old) })],
        ]))
    }
    async fn commit(&self, tx: &mut WriteTx, record: &Record) -> Result<()> {
        let [old, new] = self.both(tx).await?;
        drop_brick(tx, record, if is_kept(record) { &old } else { &new }).await?;
        bricks::settle(tx, record.id).await
    }
    fn flaw(&self, record: &Record) -> Option<String> {
        (!is_kept(record)).then(|| INTERRUPTED.to_owned())
    }
    /// It only goes on.
    async fn release(&self, _: &mut WriteTx, _: &Record) -> Result<()> {
        Err(Error::InUse)
    }
}
