//! A volume that gluster has on our devices, and the database does not have, is taken over.
use super::{
    Operation, Plan, Planning,
    journal::Record,
    planning::pool,
    step::{SetOption, Step},
};
use crate::{
    domain::{
        BrickId, BrickSize, ClonedLv, ClusterId, DeviceId, Gib, Part, SnapshotFactor, VolumeId,
        VolumeName, VolumeOption, durability::Requested,
    },
    error::{Error, Result},
    node::gluster::{BrickAddress, ID_OPTION},
    store::{
        WriteTx,
        bricks::{self, NewBrick},
        devices, nodes,
        snapshot::StoredBrick,
        volumes::{self, Volume},
    },
};
use serde::{Deserialize, Serialize};

/// A repair: see docs/CHECKING.md.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdoptVolume {
    id: VolumeId,
    cluster: ClusterId,
    name: VolumeName,
    size: Gib,
    durability: Requested,
    gid: i64,
    snapshot: Option<SnapshotFactor>,
    options: Vec<VolumeOption>,
    bricks: Vec<Adopted>,
}

/// A brick that is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Adopted {
    id: BrickId,
    device: DeviceId,
    path: String,
    size: BrickSize,
    part: Part,
    cloned: Option<ClonedLv>,
    set_index: i64,
    position: i64,
}

impl AdoptVolume {
    /// The volume as it was recognised, with its bricks.
    #[must_use]
    pub fn new(volume: &Volume, bricks: &[StoredBrick]) -> Self {
        let adopted = |brick: &StoredBrick| Adopted {
            id: brick.id,
            device: brick.device,
            path: brick.path.clone(),
            size: brick.size,
            part: brick.part,
            cloned: brick.cloned.clone(),
            set_index: brick.set_index,
            position: brick.position,
        };
        Self {
            id: volume.id,
            cluster: volume.cluster,
            name: volume.name.clone(),
            size: volume.size,
            durability: volume.durability,
            gid: volume.gid,
            snapshot: volume.snapshot,
            options: volume.options.clone(),
            bricks: bricks.iter().map(adopted).collect(),
        }
    }

    fn volume(&self) -> Volume {
        Volume {
            id: self.id,
            cluster: self.cluster,
            name: self.name.clone(),
            size: self.size,
            durability: self.durability,
            gid: self.gid,
            snapshot: self.snapshot,
            block: false,
            options: self.options.clone(),
            clusters: vec![],
            pending: None,
        }
    }

    /// Nothing of it may be in the database, which may have changed since it was looked at.
    async fn check(&self, tx: &mut WriteTx) -> Result<()> {
        if volumes::get(tx, self.id).await?.is_some() {
            return Err(Error::Conflict(format!("volume {} is in the database", self.id)));
        }
        for brick in &self.bricks {
            devices::get_settled(tx, brick.device).await?;
            if bricks::get(tx, brick.id).await?.is_some() {
                return Err(Error::Conflict(format!("brick {} is in the database", brick.id)));
            }
        }
        Ok(())
    }
}

impl AdoptVolume {
    /// Its bricks as gluster may name them: by any name of their nodes.
    async fn addresses(&self, tx: &mut WriteTx) -> Result<Vec<BrickAddress>> {
        let mut addresses = vec![];
        for brick in &self.bricks {
            let device = devices::get_settled(tx, brick.device).await?;
            let node = nodes::get_settled(tx, device.node).await?;
            let path = &brick.path;
            let named = |host| BrickAddress { host, path: path.clone() };
            addresses.extend(node.storage.into_iter().map(named));
        }
        Ok(addresses)
    }
}

impl Operation for AdoptVolume {
    /// Its name is claimed as well: the volume is not in the table before the end.
    fn claims(&self) -> Vec<String> {
        vec![format!("volume/{}", self.id), format!("adopt/{}/{}", self.cluster, self.name)]
    }
    fn subject(&self) -> Option<(&'static str, String)> {
        Some(("Adopt volume", self.id.to_string()))
    }
    fn location(&self) -> Option<String> {
        Some(format!("/volumes/{}", self.id))
    }
    /// Nothing on the nodes changes but the mark that tells whose volume it is.
    async fn reserve(&self, tx: &mut WriteTx, _: &Planning<'_>) -> Result<Plan> {
        self.check(tx).await?;
        if volumes::name_exists(tx, self.cluster, &self.name).await? {
            return Err(volumes::name_in_use(&self.name));
        }
        let pool = pool(tx, self.cluster, &[]).await?;
        let mark = VolumeOption::try_from(format!("{ID_OPTION} {}", self.id));
        let option = mark.map_err(|e| Error::Invalid(e.to_string()))?;
        let bricks = self.addresses(tx).await?;
        let mark = SetOption { pool, id: self.id, name: self.name.clone(), bricks, option };
        Ok(vec![vec![Step::SetOption(mark)]])
    }
    async fn commit(&self, tx: &mut WriteTx, _: &Record) -> Result<()> {
        self.check(tx).await?;
        volumes::insert(tx, &self.volume()).await?;
        for brick in self.bricks.clone() {
            let new = NewBrick {
                id: brick.id,
                volume: self.id,
                device: brick.device,
                path: brick.path,
                size: brick.size,
                part: brick.part,
                set_index: brick.set_index,
                position: brick.position,
                cloned: brick.cloned,
                pending: None,
                replaces: None,
            };
            bricks::insert(tx, &new).await?;
        }
        Ok(())
    }
    async fn release(&self, _: &mut WriteTx, _: &Record) -> Result<()> {
        Ok(())
    }
}
