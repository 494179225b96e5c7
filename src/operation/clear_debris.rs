//! What was left of bricks goes, now that their node answers again.
use super::{
    Operation, Plan, Planning,
    journal::Record,
    planning::outcome,
    step::{BrickPlace, Output, RetireBrick, Step},
};
use crate::{
    domain::DeviceId,
    error::{Error, Result},
    node::names::BrickLv,
    store::{WriteTx, debris},
};
use serde::{Deserialize, Serialize};

/// Begun by the server itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClearDebris {
    device: DeviceId,
}

impl ClearDebris {
    /// What bricks left on this device is to go.
    #[must_use]
    pub fn new(device: DeviceId) -> Self {
        Self { device }
    }
}

impl Operation for ClearDebris {
    fn claims(&self) -> Vec<String> {
        vec![format!("device/{}", self.device)]
    }
    fn subject(&self) -> Option<(&'static str, String)> {
        Some(("Clear device", self.device.to_string()))
    }
    async fn reserve(&self, tx: &mut WriteTx, _: &Planning<'_>) -> Result<Plan> {
        let steps = retire(tx, self.device).await?;
        if steps.is_empty() { Err(Error::id_not_found()) } else { Ok(vec![steps]) }
    }
    async fn commit(&self, tx: &mut WriteTx, record: &Record) -> Result<()> {
        forget(tx, record, self.device).await
    }
    /// What is gone is gone.
    async fn release(&self, tx: &mut WriteTx, record: &Record) -> Result<()> {
        forget(tx, record, self.device).await
    }
}

/// Steps that remove what bricks left on the device, side by side; none when there is nothing.
pub(super) async fn retire(tx: &mut WriteTx, device: DeviceId) -> Result<Vec<Step>> {
    let all = debris::on_device(tx, device).await?;
    let steps = all.into_iter().map(|left| {
        let lv = BrickLv { id: left.brick, device: left.device, cloned: left.cloned };
        let place = BrickPlace { node: left.node, host: left.host, lv };
        Step::RetireBrick(RetireBrick { place })
    });
    Ok(steps.collect())
}

/// Forgets what these steps have removed; its space is free again.
pub(super) async fn forget(tx: &mut WriteTx, record: &Record, device: DeviceId) -> Result<()> {
    for left in debris::on_device(tx, device).await? {
        // A pool that is still there has something else in it, which keeps its space.
        if let Some(Output::Reclaimed(free)) = outcome(record, left.brick) {
            debris::remove(tx, &left, *free).await?;
        }
    }
    Ok(())
}
