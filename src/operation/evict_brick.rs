//! A brick moves to another device.
//!
//! In two legs: first it is asked, and perhaps waited for, whether the other bricks of the set can
//! give all that is on it; then a place is found, and the new brick takes over. Once gluster has
//! replaced the brick, the only way is on.
use super::{
    Operation, Plan, Planning,
    journal::Record,
    layout,
    planning::{address, create_steps, drop_brick, flush_steps, place_of, placement_request, pool},
    set_node_state,
    step::{CheckHeal, HealCheck, ReplaceBrick, RetireBrick, Step},
};
use crate::{
    api::brick::BrickEvictRequest,
    domain::{BrickId, OperationId, VolumeId},
    error::{Error, Result},
    node::{Nodes, names::BrickLv},
    placement::{self, PlacedBrick, Replacement, View},
    store::{
        Store, WriteTx,
        bricks::{self, Brick, NewBrick},
        claims,
        nodes::{self, Node},
        views,
        volumes::{self, Volume},
    },
};
use serde::{Deserialize, Serialize};

/// `POST /bricks/to-evict/{id}`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvictBrick {
    brick: BrickId,
    check: HealCheck,
    /// The removal that it is a part of.
    parent: Option<OperationId>,
    /// The bricks of its volume in gluster's order, if that had to be looked up.
    #[serde(default)]
    order: Option<Vec<BrickId>>,
}

impl EvictBrick {
    /// The brick of this id is to leave its device.
    ///
    /// # Errors
    /// 400 for an unknown heal check.
    pub fn new(brick: BrickId, request: &BrickEvictRequest) -> Result<Self> {
        let ask = set_node_state::heal_check(&request.healcheck)?;
        let check = if ask { HealCheck::Refuse } else { HealCheck::Skip };
        Ok(Self { brick, check, parent: None, order: None })
    }

    /// The same as a part of a removal, which has time to wait until everything is healed.
    pub(super) fn part_of(parent: OperationId, brick: BrickId, check: HealCheck) -> Self {
        Self { brick, check, parent: Some(parent), order: None }
    }

    /// The brick, if nobody else is at work on it.
    async fn brick(&self, tx: &mut WriteTx, planning: &Planning<'_>) -> Result<Brick> {
        let brick = bricks::get(tx, self.brick).await?.ok_or_else(Error::id_not_found)?;
        if brick.pending.is_some_and(|by| by != planning.id) {
            let text = format!("Can not evict brick {}: brick is pending", self.brick);
            return Err(Error::Refused(text));
        }
        Ok(brick)
    }

    /// Its volume, which nobody else may change until the brick has moved.
    async fn volume(&self, tx: &mut WriteTx, id: VolumeId, by: OperationId) -> Result<Volume> {
        let pending = || {
            let brick = self.brick;
            let why = format!("Can not evict brick {brick} from volume {id}");
            Error::Refused(format!("{why}: volume has pending bricks"))
        };
        match claims::take(tx, &claim(id), by).await {
            Err(Error::InUse) => return Err(pending()),
            other => other?,
        }
        let volume = volumes::get(tx, id).await?.ok_or_else(Error::id_not_found)?;
        if volume.pending.is_some() || bricks::any_pending(tx, id).await? {
            return Err(pending());
        }
        Ok(volume)
    }

    /// Whether the others of its set can give all that is on it.
    async fn question(
        &self,
        tx: &mut WriteTx,
        volume: &Volume,
        brick: &Brick,
    ) -> Result<CheckHeal> {
        let mut others = bricks::of_set(tx, brick).await?;
        others.retain(|other| other.id != self.brick);
        let all = nodes::of_cluster(tx, volume.cluster).await?;
        let names = all.iter().filter(|node| !node.storage.contains(&brick.peer));
        Ok(CheckHeal {
            pool: pool(tx, volume.cluster, &others).await?,
            name: volume.name.clone(),
            brick: self.brick,
            address: address(brick),
            others: others.iter().map(address).collect(),
            needed: volume.effective().needed_to_replace(),
            check: self.check,
            names: names.flat_map(Node::names).cloned().collect(),
        })
    }
}

/// A device for the new brick. Nodes that are unwell are used only when there is no other way.
async fn find_place(
    tx: &mut WriteTx,
    volume: &Volume,
    old: &Brick,
    planning: &Planning<'_>,
) -> Result<PlacedBrick> {
    let set = bricks::of_set(tx, old).await?;
    let replacement = Replacement {
        brick: old.size.brick,
        part: old.part,
        from: old.device,
        others: set.iter().filter(|b| b.id != old.id).map(|b| b.node).collect(),
    };
    let mut refused = Err(Error::InUse);
    for avoid in planning.avoids(tx).await? {
        let request = placement_request(volume, old.size.brick, 0, &avoid, planning)?;
        let replace = |view: &View| placement::replace(&request, &replacement, view);
        refused = views::look(tx, volume.cluster, replace)
            .await?
            .map_err(|why| Error::Refused(why.to_string()));
        if refused.is_ok() {
            break;
        }
    }
    refused
}

/// What operations on a volume claim.
pub(super) fn claim(volume: VolumeId) -> String {
    format!("volume/{volume}")
}

impl Operation for EvictBrick {
    /// Its volume, which is not known before the brick has been looked up: see `reserve`.
    fn claims(&self) -> Vec<String> {
        vec![]
    }
    fn subject(&self) -> Option<(&'static str, String)> {
        self.parent.map(|parent| ("Belongs to parent operation", parent.to_string()))
    }
    fn attempt(&self) -> &'static str {
        "Failed to set up brick eviction"
    }
    fn throttled(&self) -> bool {
        self.parent.is_none()
    }
    fn looks(&self) -> bool {
        true
    }
    /// Which bricks belong together, if only gluster knows.
    async fn look(&mut self, store: &Store, nodes: &Nodes) -> Result<()> {
        let brick = bricks::get(&mut *store.read().await?, self.brick).await?;
        let volume = brick.ok_or_else(Error::id_not_found)?.volume;
        self.order = layout::look(store, nodes, volume).await?;
        Ok(())
    }
    fn retries(&self, settings: &super::Settings) -> i64 {
        settings.create_retries
    }

    /// The first leg: may it move?
    async fn reserve(&self, tx: &mut WriteTx, planning: &Planning<'_>) -> Result<Plan> {
        let brick = self.brick(tx, planning).await?;
        let volume = self.volume(tx, brick.volume, planning.id).await?;
        bricks::claim(tx, self.brick, planning.id).await?;
        layout::learn(tx, &volume, self.order.as_deref()).await?;
        // Its place may only be known now.
        let brick = self.brick(tx, planning).await?;
        if brick.set_index < 0 {
            return Err(layout::unknown(volume.id));
        }
        Ok(vec![vec![Step::CheckHeal(self.question(tx, &volume, &brick).await?)]])
    }

    /// The second leg: a new brick takes over, and the old one goes.
    async fn further(
        &self,
        tx: &mut WriteTx,
        planning: &Planning<'_>,
        _: &Record,
    ) -> Result<Option<Plan>> {
        let mine = bricks::of_operation(tx, planning.id).await?;
        if mine.iter().any(|brick| brick.replaces.is_some()) {
            return Ok(None);
        }
        let old = mine.into_iter().find(|b| b.id == self.brick).ok_or_else(Error::id_not_found)?;
        let volume = volumes::get(tx, old.volume).await?.ok_or_else(Error::id_not_found)?;
        let placed = find_place(tx, &volume, &old, planning).await?;
        let lv = BrickLv::new(BrickId::random(), placed.device);
        let new = NewBrick {
            id: lv.id,
            volume: volume.id,
            device: placed.device,
            path: lv.directory(),
            size: placed.size,
            part: placed.part,
            set_index: old.set_index,
            position: old.position,
            cloned: None,
            pending: Some(planning.id),
            replaces: Some(old.id),
        };
        bricks::insert(tx, &new).await?;
        let new = bricks::get(tx, lv.id).await?.ok_or_else(Error::id_not_found)?;
        let mut near = bricks::of_set(tx, &old).await?;
        near.retain(|brick| brick.id != old.id);
        near.push(new.clone());
        let pool = pool(tx, volume.cluster, &near).await?;
        let replace = ReplaceBrick {
            pool: pool.clone(),
            id: volume.id,
            name: volume.name.clone(),
            old: address(&old),
            new: address(&new),
            node: new.node,
            check: Some(self.question(tx, &volume, &old).await?),
        };
        let new = [new];
        Ok(Some(vec![
            create_steps(&new, volume.gid),
            vec![Step::ReplaceBrick(replace)],
            flush_steps(&new, &pool, &volume),
            vec![Step::RetireBrick(RetireBrick { place: place_of(&old) })],
        ]))
    }

    /// The new brick has the place of the old one; what may be left of that is remembered.
    async fn commit(&self, tx: &mut WriteTx, record: &Record) -> Result<()> {
        let old = bricks::get(tx, self.brick).await?.ok_or_else(Error::id_not_found)?;
        drop_brick(tx, record, &old).await?;
        bricks::settle(tx, record.id).await
    }
    async fn release(&self, tx: &mut WriteTx, record: &Record) -> Result<()> {
        for brick in bricks::of_operation(tx, record.id).await? {
            if brick.replaces.is_some() {
                drop_brick(tx, record, &brick).await?;
            }
        }
        bricks::settle(tx, record.id).await
    }
}
