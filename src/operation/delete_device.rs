//! A removed device is given back to its node, empty.
use super::{
    Operation, Plan, Planning,
    clear_debris::{forget, retire},
    journal::Record,
    step::{ReadDevice, Step, TearDownDevice},
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
    fn subject(&self) -> Option<(&'static str, String)> {
        Some(("Delete device", self.device.to_string()))
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
        let device_name = device.name;
        let (host, device, force) = (node.host()?.clone(), self.device, self.force);
        let look = ReadDevice { host: host.clone(), device, name: device_name, accounted: None };
        let tear_down = Step::TearDownDevice(TearDownDevice { host, device, path, force });
        // Tearing down cannot be taken back. A node that is dead, or a disk, is noticed before: the
        // device stays as it was, and may be asked for again, by force (api.md 10.3).
        let first = if force { vec![] } else { vec![vec![Step::ReadDevice(look)]] };
        let left = Some(retire(tx, self.device).await?).filter(|left| !left.is_empty());
        Ok(first.into_iter().chain(left).chain([vec![tear_down]]).collect())
    }
    async fn commit(&self, tx: &mut WriteTx, _: &Record) -> Result<()> {
        devices::delete(tx, self.device).await
    }
    async fn release(&self, tx: &mut WriteTx, record: &Record) -> Result<()> {
        forget(tx, record, self.device).await?;
        devices::set_pending(tx, self.device, None).await
    }
}
