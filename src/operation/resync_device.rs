//! The database takes over what LVM says of a device.
use super::{
    Operation, Plan, Planning,
    clear_debris::{forget, retire},
    journal::{Record, StepRecord},
    step::{Output, ReadDevice, Step},
};
use crate::{
    domain::DeviceId,
    error::{Error, Result},
    store::{WriteTx, bricks, devices, nodes},
};
use serde::{Deserialize, Serialize};

/// `GET /devices/{id}/resync`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResyncDevice {
    device: DeviceId,
}

impl ResyncDevice {
    /// The device of this id is to be read anew.
    #[must_use]
    pub fn new(device: DeviceId) -> Self {
        Self { device }
    }
}

impl Operation for ResyncDevice {
    fn claims(&self) -> Vec<String> {
        vec![format!("device/{}", self.device)]
    }
    fn subject(&self) -> Option<(&'static str, String)> {
        Some(("Resync device", self.device.to_string()))
    }

    async fn reserve(&self, tx: &mut WriteTx, _: &Planning<'_>) -> Result<Plan> {
        let device = devices::get_settled(tx, self.device).await?;
        if bricks::any_pending_on(tx, self.device).await? {
            // Nothing is read, and so it is refused in the end: clients expect 202 first.
            return Ok(vec![]);
        }
        let node = nodes::get(tx, device.node).await?.ok_or_else(Error::id_not_found)?;
        let (host, name) = (node.host()?.clone(), device.name);
        let read = Step::ReadDevice(ReadDevice {
            host,
            device: self.device,
            name,
            accounted: Some(device.used),
        });
        let left = Some(retire(tx, self.device).await?).filter(|left| !left.is_empty());
        Ok(left.into_iter().chain([vec![read]]).collect())
    }
    /// Refused while bricks come or go, and when some have come or gone: what LVM said would be
    /// neither before nor after.
    async fn commit(&self, tx: &mut WriteTx, record: &Record) -> Result<()> {
        let used = devices::get_settled(tx, self.device).await?.used;
        let read_at = |step: &StepRecord| match &step.step {
            Step::ReadDevice(read) => read.accounted,
            _ => None,
        };
        let as_read = record.steps.iter().filter_map(read_at).any(|before| before == used);
        if !as_read || bricks::any_pending_on(tx, self.device).await? {
            return Err(Error::InUse);
        }
        forget(tx, record, self.device).await?;
        for step in &record.steps {
            if let Output::Device(facts) = &step.output {
                devices::set_space(tx, self.device, facts.total, facts.used).await?;
            }
        }
        Ok(())
    }
    async fn release(&self, tx: &mut WriteTx, record: &Record) -> Result<()> {
        forget(tx, record, self.device).await
    }
}
