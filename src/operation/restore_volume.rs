//! A volume that is stopped is started, and an option gets the value that it was set to.
use super::{
    Operation, Plan, Planning,
    evict_brick::claim,
    journal::Record,
    planning::{address, pool},
    step::{ReviveVolume, SetOption, Step},
};
use crate::{
    domain::{VolumeId, VolumeOption},
    error::{Error, Result},
    node::gluster::ID_OPTION,
    store::{
        WriteTx, bricks,
        volumes::{self, Volume},
    },
};
use serde::{Deserialize, Serialize};

/// A repair: see docs/CHECKING.md.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreVolume {
    volume: VolumeId,
    /// To be set; to be started when there is none.
    option: Option<VolumeOption>,
}

impl RestoreVolume {
    /// The volume of this id is to be started.
    #[must_use]
    pub fn start(volume: VolumeId) -> Self {
        Self { volume, option: None }
    }
    /// An option of the volume of this id is to have this value again.
    ///
    /// # Errors
    /// 400 for what gluster would read as something else.
    pub fn option(volume: VolumeId, key: &str, value: &str) -> Result<Self> {
        let option = VolumeOption::try_from(format!("{key} {value}"));
        let option = option.map_err(|e| Error::Invalid(e.to_string()))?;
        Ok(Self { volume, option: Some(option) })
    }

    /// Whether the database still has the option like that: it is never set to anything else.
    fn is_ours(&self, volume: &Volume, option: &VolumeOption) -> bool {
        let id = self.volume.to_string();
        let words = |option: &VolumeOption| option.words().collect::<Vec<_>>().join(" ");
        let wanted = words(option);
        wanted == format!("{ID_OPTION} {id}")
            || volume.options.iter().any(|option| words(option) == wanted)
    }
}

impl Operation for RestoreVolume {
    fn claims(&self) -> Vec<String> {
        vec![claim(self.volume)]
    }
    fn subject(&self) -> Option<(&'static str, String)> {
        Some(("Restore volume", self.volume.to_string()))
    }
    async fn reserve(&self, tx: &mut WriteTx, _: &Planning<'_>) -> Result<Plan> {
        let volume = volumes::get_settled(tx, self.volume).await?;
        let bricks = bricks::of_volume(tx, self.volume).await?;
        let pool = pool(tx, volume.cluster, &bricks).await?;
        let (id, bricks) = (volume.id, bricks.iter().map(address).collect());
        let step = match &self.option {
            None => Step::ReviveVolume(ReviveVolume { pool, id, name: volume.name, bricks }),
            Some(option) if self.is_ours(&volume, option) => {
                let option = option.clone();
                Step::SetOption(SetOption { pool, id, name: volume.name, bricks, option })
            }
            Some(option) => {
                return Err(Error::Conflict(format!("volume {id} has no option {option}")));
            }
        };
        Ok(vec![vec![step]])
    }
    async fn commit(&self, _: &mut WriteTx, _: &Record) -> Result<()> {
        Ok(())
    }
    async fn release(&self, _: &mut WriteTx, _: &Record) -> Result<()> {
        Ok(())
    }
}
