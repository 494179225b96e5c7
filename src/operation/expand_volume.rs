//! A volume grows by whole brick sets.
use super::{
    Operation, Plan, Planning,
    journal::Record,
    planning::{
        add_bricks, addresses, create_steps, drop_bricks, flush_steps, place, place_of,
        placement_request, pool,
    },
    step::{AddBricks, Rebalance, Step},
};
use crate::{
    api::volume::VolumeExpandRequest,
    domain::{Gib, VolumeId},
    error::{Error, Result},
    placement::Placement,
    store::{
        WriteTx, bricks,
        volumes::{self, Volume},
    },
    validate::{self, Problems},
};
use serde::{Deserialize, Serialize};

/// `POST /volumes/{id}/expand`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpandVolume {
    volume: VolumeId,
    by: Gib,
}

impl ExpandVolume {
    /// The volume of this id is to grow by the requested size.
    ///
    /// # Errors
    /// 400 for a size below 1.
    pub fn new(volume: VolumeId, request: VolumeExpandRequest) -> Result<Self> {
        Problems::default()
            .field("expand_size", validate::at_least_one(request.expand_size))
            .check()?;
        Ok(Self { volume, by: Gib(request.expand_size.unsigned_abs()) })
    }
    /// The increment.
    pub(super) fn by(&self) -> Gib {
        self.by
    }
}

impl ExpandVolume {
    /// Nodes that are unwell are used only when there is no other way.
    async fn find_place(
        &self,
        tx: &mut WriteTx,
        volume: &Volume,
        existing: usize,
        planning: &Planning<'_>,
    ) -> Result<Placement> {
        let mut refused = Err(Error::InUse);
        for avoid in planning.avoids(tx).await? {
            let request = placement_request(volume, self.by.to_kib(), existing, &avoid, planning)?;
            refused = place(tx, volume.cluster, &request).await;
            if !matches!(refused, Err(Error::Placement(_))) {
                break;
            }
        }
        refused
    }
}

impl Operation for ExpandVolume {
    fn claims(&self) -> Vec<String> {
        vec![format!("volume/{}", self.volume)]
    }
    fn subject(&self) -> Option<(&'static str, String)> {
        Some(("Expand volume", self.volume.to_string()))
    }
    fn attempt(&self) -> &'static str {
        "Failed to allocate volume expansion"
    }
    fn throttled(&self) -> bool {
        true
    }
    fn location(&self) -> Option<String> {
        Some(format!("/volumes/{}", self.volume))
    }

    async fn reserve(&self, tx: &mut WriteTx, planning: &Planning<'_>) -> Result<Plan> {
        let volume = volumes::get_settled(tx, self.volume).await?;
        if bricks::any_pending(tx, self.volume).await? {
            return Err(Error::InUse);
        }
        let have = bricks::of_volume(tx, self.volume).await?;
        let placement = self.find_place(tx, &volume, have.len(), planning).await?;
        let new = add_bricks(tx, self.volume, &placement, planning.id).await?;
        let (id, name, pool) =
            (volume.id, volume.name.clone(), pool(tx, volume.cluster, &have).await?);
        let add = AddBricks {
            pool: pool.clone(),
            id,
            name: name.clone(),
            durability: volume.effective(),
            bricks: addresses(&new),
            places: new.iter().map(place_of).collect(),
        };
        let mut plan = vec![
            create_steps(&new, volume.gid),
            vec![Step::AddBricks(add)],
            flush_steps(&new, &pool, &volume),
        ];
        if planning.settings.rebalance {
            plan.push(vec![Step::Rebalance(Rebalance { pool, id, name })]);
        }
        Ok(plan)
    }
    async fn commit(&self, tx: &mut WriteTx, record: &Record) -> Result<()> {
        bricks::settle(tx, record.id).await?;
        volumes::grow(tx, self.volume, self.by).await
    }
    async fn release(&self, tx: &mut WriteTx, record: &Record) -> Result<()> {
        drop_bricks(tx, record).await
    }
}
