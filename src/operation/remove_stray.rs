//! A logical volume that is called like a brick of ours, and belongs to none, goes.
use super::{
    Operation, Plan, Planning,
    journal::Record,
    step::{self, BrickPlace, Step},
};
use crate::{
    domain::{BrickId, DeviceId},
    error::{Error, Result},
    node::names::BrickLv,
    store::{WriteTx, bricks, debris, devices, nodes},
};
use serde::{Deserialize, Serialize};

/// A repair: see docs/CHECKING.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoveStray {
    device: DeviceId,
    brick: BrickId,
}

impl RemoveStray {
    /// What is called like the brick of this id is to go from this device.
    #[must_use]
    pub fn new(device: DeviceId, brick: BrickId) -> Self {
        Self { device, brick }
    }
}

impl Operation for RemoveStray {
    fn claims(&self) -> Vec<String> {
        vec![format!("device/{}", self.device)]
    }
    fn subject(&self) -> Option<(&'static str, String)> {
        Some(("Remove logical volume", self.brick.to_string()))
    }
    /// Whatever the database knows anything of is not nobody's.
    async fn reserve(&self, tx: &mut WriteTx, _: &Planning<'_>) -> Result<Plan> {
        let device = devices::get_settled(tx, self.device).await?;
        let is_ours = bricks::get(tx, self.brick).await?.is_some();
        let lv = BrickLv::new(self.brick, self.device);
        let on_device = bricks::on_device(tx, self.device).await?;
        let uses = on_device.iter().filter_map(|brick| brick.cloned.as_ref());
        let is_used = uses.into_iter().any(|c| c.pool == lv.pool() || c.lv == lv.name());
        let left = debris::on_device(tx, self.device).await?;
        let is_left = left.iter().any(|left| left.brick == self.brick);
        if is_ours || is_used || is_left {
            return Err(Error::Conflict(format!(
                "{} is in the database: it is not nobody's",
                lv.name()
            )));
        }
        let node = nodes::get_settled(tx, device.node).await?;
        let place = BrickPlace { node: node.id, host: node.host()?.clone(), lv };
        Ok(vec![vec![Step::RemoveStray(step::RemoveStray { place })]])
    }
    /// Its space was never accounted to anything.
    async fn commit(&self, _: &mut WriteTx, _: &Record) -> Result<()> {
        Ok(())
    }
    async fn release(&self, _: &mut WriteTx, _: &Record) -> Result<()> {
        Ok(())
    }
}
