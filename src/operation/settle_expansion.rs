//! A volume that somebody else was expanding has grown, or is as it was.
//!
//! gluster decides: where it has the new bricks, they stay, since data may lie on them; where it has
//! none of them, they go. In two legs: first it is asked, then the one or the other is done.
use super::{
    Operation, Plan, Planning,
    inherit::{INTERRUPTED, finds, found, takes_back},
    journal::Record,
    layout,
    planning::{drop_bricks, flush_steps, pool},
    step::{FindBricks, Found, Pool, Question, Rebalance, RenewVolume, Step},
};
use crate::{
    domain::{BrickId, Gib, VolumeId},
    error::{Error, Result},
    store::{
        WriteTx,
        bricks::{self, Brick},
        volumes::{self, Volume},
    },
};
use serde::{Deserialize, Serialize};

/// An expansion of a Heketi that ended before it was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettleExpansion {
    volume: VolumeId,
    by: Gib,
    bricks: Vec<BrickId>,
}

impl SettleExpansion {
    /// These bricks, which are marked as the operation's, were to make the volume larger.
    pub(super) fn new(volume: VolumeId, by: Gib, bricks: Vec<BrickId>) -> Self {
        Self { volume, by, bricks }
    }
    /// The increment.
    pub(super) fn by(&self) -> Gib {
        self.by
    }

    async fn volume(&self, tx: &mut WriteTx) -> Result<Volume> {
        volumes::get(tx, self.volume).await?.ok_or_else(Error::id_not_found)
    }

    async fn question(&self, tx: &mut WriteTx) -> Result<FindBricks> {
        let volume = self.volume(tx).await?;
        finds(tx, &volume, Question::Added(self.bricks.clone())).await
    }

    /// The first leg: how far is it?
    ///
    /// # Errors
    /// The volume is not there, or the database fails.
    pub(super) async fn steps(&self, tx: &mut WriteTx) -> Result<Plan> {
        Ok(vec![vec![Step::FindBricks(self.question(tx).await?)]])
    }

    /// The second leg, where the volume has grown.
    async fn keep(
        &self,
        tx: &mut WriteTx,
        (volume, new): (&Volume, &[Brick]),
        found: &Found,
        planning: &Planning<'_>,
    ) -> Result<Plan> {
        let (id, name) = (volume.id, volume.name.clone());
        let pool = pool(tx, volume.cluster, new).await?;
        let those = Pool { via: found.hosts.clone(), ..pool.clone() };
        let renew = RenewVolume { pool: those, id, name: name.clone() };
        let mut plan = vec![vec![Step::RenewVolume(renew)], flush_steps(new, &pool, volume)];
        if planning.settings.rebalance {
            plan.push(vec![Step::Rebalance(Rebalance { pool, id, name })]);
        }
        Ok(plan)
    }
}

/// Whether the plan is that of an operation that is finished, and not taken back.
pub(super) fn is_kept(record: &Record) -> bool {
    record.steps.iter().any(|record| matches!(record.step, Step::RenewVolume(_)))
}

impl Operation for SettleExpansion {
    fn claims(&self) -> Vec<String> {
        vec![format!("volume/{}", self.volume)]
    }
    fn subject(&self) -> Option<(&'static str, String)> {
        Some(("Expand volume", self.volume.to_string()))
    }
    fn changes(&self) -> Option<Vec<(&'static str, String)>> {
        let bricks = self.bricks.iter().map(|brick| ("Add brick", brick.to_string()));
        Some(bricks.chain(self.subject()).collect())
    }
    fn settles(&self) -> bool {
        true
    }
    fn location(&self) -> Option<String> {
        Some(format!("/volumes/{}", self.volume))
    }

    async fn reserve(&self, tx: &mut WriteTx, _: &Planning<'_>) -> Result<Plan> {
        self.steps(tx).await
    }
    async fn further(
        &self,
        tx: &mut WriteTx,
        planning: &Planning<'_>,
        record: &Record,
    ) -> Result<Option<Plan>> {
        let Some(found) = found(record) else { return Ok(None) };
        let volume = self.volume(tx).await?;
        layout::arrange(tx, &volume, &found.order).await?;
        let new = bricks::of_operation(tx, planning.id).await?;
        let plan = if found.taken {
            self.keep(tx, (&volume, &new), found, planning).await?
        } else {
            takes_back(&new, self.question(tx).await?)
        };
        Ok(Some(plan))
    }
    async fn commit(&self, tx: &mut WriteTx, record: &Record) -> Result<()> {
        if !is_kept(record) {
            return drop_bricks(tx, record).await;
        }
        bricks::settle(tx, record.id).await?;
        volumes::grow(tx, self.volume, self.by).await
    }
    fn flaw(&self, record: &Record) -> Option<String> {
        (!is_kept(record)).then(|| INTERRUPTED.to_owned())
    }
    /// It only goes on.
    async fn release(&self, _: &mut WriteTx, _: &Record) -> Result<()> {
        Err(Error::InUse)
    }
}
