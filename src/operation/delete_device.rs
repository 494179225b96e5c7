//! A removed device is given back to its node, empty.
use super::{
    Operation, Plan, Planning,
    journal::Record,
    step::{Step, TearDownDevice},
};
use crate::{
    domain::{DeviceId, State},
    error::{Error, Result},
    node::lvm,
    store::{WriteTx, bricks, devices, nodes},
};
use serde::{Deserialize, Serialize};

/// `DELETE /devices/{id}`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteDevice {
    device: DeviceId,
    force: bool,
}

impl DeleteDevice {
    /// The device of this id is to go; by force also when its node cannot be cleaned.
    #[must_use]
    pub fn new(device: DeviceId, force: bool) -> Self {
        Self { device, force }
    }
}

impl Operation for DeleteDevice {
    fn claims(&self) -> Vec<String> {
        vec![format!("device/{}", self.device)]
    }

    async fn reserve(&self, tx: &mut WriteTx, planning: &Planning<'_>) -> Result<Plan> {
        let device = devices::get_settled(tx, self.device).await?;
        if device.state != State::Failed {
            let text = format!("device: {} is not in failed state", self.device);
            return Err(Error::Invalid(text));
        }
        if !bricks::on_device(tx, self.device).await?.is_empty() {
            let text =
                format!("Unable to delete device [{}] because it contains bricks", self.device);
            return Err(Error::Conflict(text));
        }
        let node = nodes::get(tx, device.node).await?.ok_or_else(Error::id_not_found)?;
        devices::set_pending(tx, self.device, Some(planning.id)).await?;
        let path = lvm::stable_path(&device.name, &device.pv_uuid);
        let (host, device, force) = (node.host()?.clone(), self.device, self.force);
        Ok(vec![vec![Step::TearDownDevice(TearDownDevice { host, device, path, force })]])
    }
    async fn commit(&self, tx: &mut WriteTx, _: &Record) -> Result<()> {
        devices::delete(tx, self.device).await
    }
    async fn release(&self, tx: &mut WriteTx, _: &Record) -> Result<()> {
        devices::set_pending(tx, self.device, None).await
    }
}
