//! A volume is made of a snapshot of another (storage.md 1.11).
use super::{
    Operation, Plan, Planning,
    journal::Record,
    layout,
    planning::{addresses, members, place_of, pool},
    step::{self, FindNameFree, Output, SourceBrick, Step},
};
use crate::{
    api::volume::VolumeCloneRequest,
    domain::{BrickId, BrickSize, Kib, VolumeId, VolumeName},
    error::{Error, Result},
    node::Nodes,
    store::{
        Store, WriteTx,
        bricks::{self, NewBrick},
        volumes::{self, Volume},
    },
    validate::{self, Problems},
};
use serde::{Deserialize, Serialize};

/// `POST /volumes/{id}/clone`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloneVolume {
    source: VolumeId,
    clone: VolumeId,
    name: VolumeName,
    /// The source's bricks in gluster's order, if that had to be looked up.
    #[serde(default)]
    order: Option<Vec<BrickId>>,
}

impl CloneVolume {
    /// The volume of this id is to be cloned.
    ///
    /// # Errors
    /// 400 for a name that gluster would not take.
    pub fn new(source: VolumeId, request: VolumeCloneRequest) -> Result<Self> {
        Problems::default().field("name", validate::volume_name(&request.name)).check()?;
        let clone = VolumeId::random();
        let name = if request.name.is_empty() { format!("vol_{clone}") } else { request.name };
        let name =
            name.parse().map_err(|_| Error::Invalid("name: must be in a valid format".into()))?;
        Ok(Self { source, clone, name, order: None })
    }

    async fn source(&self, tx: &mut WriteTx) -> Result<Volume> {
        let source = volumes::get_settled(tx, self.source).await?;
        let refused = if source.block {
            Error::Refused("Cloning of block hosting volumes is not supported".into())
        } else if bricks::any_pending(tx, self.source).await? {
            Error::InUse
        } else if volumes::name_exists(tx, source.cluster, &self.name).await? {
            volumes::name_in_use(&self.name)
        } else {
            return Ok(source);
        };
        Err(refused.during(&self.failure()))
    }

    fn failure(&self) -> String {
        format!("Failed clone volume {}", self.source)
    }
}

impl Operation for CloneVolume {
    fn claims(&self) -> Vec<String> {
        [self.source, self.clone].map(|id| format!("volume/{id}")).to_vec()
    }
    fn subject(&self) -> Option<(&'static str, String)> {
        Some(("Clone volume from", self.source.to_string()))
    }
    fn throttled(&self) -> bool {
        true
    }
    fn location(&self) -> Option<String> {
        Some(format!("/volumes/{}", self.clone))
    }

    fn looks(&self) -> bool {
        true
    }
    async fn look(&mut self, store: &Store, nodes: &Nodes) -> Result<()> {
        let order = layout::look(store, nodes, self.source).await;
        self.order = order.map_err(|error| error.during(&self.failure()))?;
        Ok(())
    }

    async fn reserve(&self, tx: &mut WriteTx, planning: &Planning<'_>) -> Result<Plan> {
        let source = self.source(tx).await?;
        layout::learn(tx, &source, self.order.as_deref()).await?;
        let clone = Volume {
            id: self.clone,
            name: self.name.clone(),
            pending: Some(planning.id),
            ..source.clone()
        };
        volumes::insert(tx, &clone).await?;
        let bricks = bricks::in_order(tx, self.source).await?;
        if bricks.iter().any(|brick| brick.set_index < 0 || brick.position < 0) {
            // The bricks of the clone are known by their places only.
            return Err(layout::unknown(self.source).during(&self.failure()));
        }
        let pool = pool(tx, source.cluster, &bricks).await?;
        let sources = bricks.iter().zip(addresses(&bricks)).map(|(brick, address)| SourceBrick {
            place: place_of(brick),
            address,
            clone: BrickId::random(),
        });
        let free = FindNameFree { pool: pool.clone(), name: self.name.clone() };
        let step = step::CloneVolume {
            pool,
            members: members(tx, source.cluster).await?,
            source_id: source.id,
            source: source.name.clone(),
            id: self.clone,
            name: self.name.clone(),
            bricks: sources.collect(),
        };
        Ok(vec![vec![Step::FindNameFree(free)], vec![Step::CloneVolume(step)]])
    }
    /// The clone's bricks lie in the pools of their sources and take no space of their own.
    async fn commit(&self, tx: &mut WriteTx, record: &Record) -> Result<()> {
        for done in &record.steps {
            let (Step::CloneVolume(step), Output::Cloned(names)) = (&done.step, &done.output)
            else {
                continue;
            };
            let sources = bricks::in_order(tx, self.source).await?;
            for ((source, made), names) in sources.into_iter().zip(&step.bricks).zip(names) {
                let brick = NewBrick {
                    id: made.clone,
                    volume: self.clone,
                    device: source.device,
                    path: names.directory.clone(),
                    size: BrickSize { pool: Kib::ZERO, metadata: Kib::ZERO, ..source.size },
                    part: source.part,
                    set_index: source.set_index,
                    position: source.position,
                    cloned: Some(names.clone()),
                    pending: None,
                    replaces: None,
                };
                bricks::insert(tx, &brick).await?;
            }
        }
        volumes::set_pending(tx, self.clone, None).await
    }
    async fn release(&self, tx: &mut WriteTx, _: &Record) -> Result<()> {
        volumes::delete(tx, self.clone).await
    }
}
