//! A volume and its bricks go.
use super::{
    Operation, Plan, Planning,
    journal::Record,
    planning::{addresses, destroy_steps, drop_bricks, members, pool},
    step::{DestroyVolume, InspectVolume, Step},
};
use crate::{
    domain::{VolumeId, database_volume},
    error::{Error, Result},
    store::{
        WriteTx, block_hosting,
        bricks::{self, Brick},
        volumes::{self, Volume},
    },
};
use serde::{Deserialize, Serialize};

/// `DELETE /volumes/{id}`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteVolume {
    volume: VolumeId,
}

impl DeleteVolume {
    /// The volume of this id is to go.
    #[must_use]
    pub fn new(volume: VolumeId) -> Self {
        Self { volume }
    }

    /// What removes the volume and these bricks of it: its stages ask, delete, and remove bricks.
    ///
    /// # Errors
    /// The database fails.
    pub(super) async fn steps(tx: &mut WriteTx, volume: &Volume, bricks: &[Brick]) -> Result<Plan> {
        let pool = pool(tx, volume.cluster, bricks).await?;
        let (id, name) = (volume.id, volume.name.clone());
        let inspect = InspectVolume { pool: pool.clone(), name: name.clone() };
        let members = members(tx, volume.cluster).await?;
        let destroy = DestroyVolume { pool, id, name, bricks: addresses(bricks), members };
        Ok(vec![
            vec![Step::InspectVolume(inspect)],
            vec![Step::DestroyVolume(destroy)],
            destroy_steps(bricks),
        ])
    }
}

impl Operation for DeleteVolume {
    fn claims(&self) -> Vec<String> {
        vec![format!("volume/{}", self.volume)]
    }
    fn subject(&self) -> Option<(&'static str, String)> {
        Some(("Delete volume", self.volume.to_string()))
    }
    fn attempt(&self) -> &'static str {
        "Failed to set up volume delete"
    }
    fn throttled(&self) -> bool {
        true
    }

    /// Everything that would refuse is asked before the first step that cannot be taken back.
    async fn reserve(&self, tx: &mut WriteTx, planning: &Planning<'_>) -> Result<Plan> {
        let volume = volumes::get_settled(tx, self.volume).await?;
        if volume.name.as_str() == database_volume::NAME {
            let text = "Cannot delete volume containing the Heketi database";
            return Err(Error::Conflict(text.into()));
        }
        if block_hosting::is_used(tx, self.volume).await? {
            let text = "Cannot delete a block hosting volume containing block volumes";
            return Err(Error::Conflict(text.into()));
        }
        if bricks::any_pending(tx, self.volume).await? {
            return Err(Error::InUse);
        }
        volumes::set_pending(tx, self.volume, Some(planning.id)).await?;
        bricks::claim_all(tx, self.volume, planning.id).await?;
        let bricks = bricks::of_operation(tx, planning.id).await?;
        Self::steps(tx, &volume, &bricks).await
    }
    async fn commit(&self, tx: &mut WriteTx, record: &Record) -> Result<()> {
        drop_bricks(tx, record).await?;
        volumes::delete(tx, self.volume).await
    }
    async fn release(&self, tx: &mut WriteTx, record: &Record) -> Result<()> {
        bricks::settle(tx, record.id).await?;
        volumes::set_pending(tx, self.volume, None).await
    }
}
