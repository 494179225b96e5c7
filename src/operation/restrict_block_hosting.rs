//! A hosting volume is locked for further block volumes, or unlocked.
use super::{Operation, Plan, Planning, journal::Record};
use crate::{
    api::volume::BlockRestrictionRequest,
    domain::{Gib, Restriction, VolumeId, block::kept_back},
    error::{Error, Result},
    store::{WriteTx, block_hosting, volumes},
    validate::{self, Problems},
};
use serde::{Deserialize, Serialize};

/// `POST /volumes/{id}/block-restriction`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestrictBlockHosting {
    volume: VolumeId,
    locked: bool,
}

impl RestrictBlockHosting {
    /// The volume of this id is to be restricted as requested.
    ///
    /// # Errors
    /// 400 for a word that cannot be set.
    pub fn new(volume: VolumeId, request: &BlockRestrictionRequest) -> Result<Self> {
        let locked = Restriction::Locked.as_str();
        let words = [Restriction::None.as_str(), locked];
        let text = || "must be a valid value".to_owned();
        let problem = validate::one_of(&request.restriction, &words, text);
        Problems::default().field("restriction", problem).check()?;
        Ok(Self { volume, locked: request.restriction == locked })
    }

    /// What is kept back afterwards, and the restriction.
    ///
    /// A hosting volume of an old database may keep too little back: it is unlocked only with the
    /// reserve that all others have (storage.md 6.7).
    async fn decide(&self, tx: &mut WriteTx) -> Result<(Gib, Restriction)> {
        volumes::get_settled(tx, self.volume).await?;
        let Some(hosting) = block_hosting::get(tx, self.volume).await? else {
            let text = "Block restrictions can only be set on block hosting volumes";
            return Err(Error::Refused(text.into()));
        };
        if self.locked {
            return Ok((hosting.reserved, Restriction::Locked));
        }
        let reserved = hosting.reserved.max(kept_back(hosting.size));
        let (missing, free) = (reserved.0 - hosting.reserved.0, hosting.free().0);
        if free < missing {
            return Err(Error::Refused(format!(
                "Can not unlock volume. {missing}GiB free space is required, but found {free}GiB"
            )));
        }
        Ok((reserved, Restriction::None))
    }
}

impl Operation for RestrictBlockHosting {
    fn claims(&self) -> Vec<String> {
        vec![format!("volume/{}", self.volume)]
    }
    fn subject(&self) -> Option<(&'static str, String)> {
        Some(("Set block restriction", self.volume.to_string()))
    }
    fn attempt(&self) -> &'static str {
        "Failed to set block restriction"
    }
    fn throttled(&self) -> bool {
        true
    }
    fn location(&self) -> Option<String> {
        Some(format!("/volumes/{}", self.volume))
    }

    /// No node is concerned; what would refuse is told at once.
    async fn reserve(&self, tx: &mut WriteTx, _: &Planning<'_>) -> Result<Plan> {
        self.decide(tx).await?;
        Ok(vec![])
    }
    async fn commit(&self, tx: &mut WriteTx, _: &Record) -> Result<()> {
        let (reserved, restriction) = self.decide(tx).await?;
        block_hosting::set(tx, self.volume, reserved, restriction).await
    }
    async fn release(&self, _: &mut WriteTx, _: &Record) -> Result<()> {
        Ok(())
    }
}
