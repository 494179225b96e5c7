//! A device goes online or offline.
use super::{
    Any, Operation, Plan, Planning, RemoveDevice, journal::Record, set_node_state::state_of,
};
use crate::{
    api::node::StateRequest,
    domain::{DeviceId, State},
    error::{Error, Result},
    store::{WriteTx, bricks, devices},
};
use serde::{Deserialize, Serialize};

/// `POST /devices/{id}/state`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetDeviceState {
    device: DeviceId,
    to: State,
}

impl SetDeviceState {
    /// What brings the device of this id into the requested state: a removal if that is `failed`.
    ///
    /// # Errors
    /// 400 for an unknown word.
    pub fn request(device: DeviceId, request: &StateRequest) -> Result<Any> {
        let (to, ask) = state_of(request)?;
        Ok(match to {
            State::Failed => RemoveDevice::new(device, ask).into(),
            State::Online | State::Offline => Self { device, to }.into(),
        })
    }
}

impl Operation for SetDeviceState {
    fn claims(&self) -> Vec<String> {
        vec![format!("device/{}", self.device)]
    }
    fn subject(&self) -> Option<(&'static str, String)> {
        Some(("Set state of device", self.device.to_string()))
    }

    /// As with nodes, the transition is judged in the background.
    async fn reserve(&self, tx: &mut WriteTx, _: &Planning<'_>) -> Result<Plan> {
        devices::get_settled(tx, self.device).await?;
        Ok(vec![])
    }

    /// Unlike a node, a removed device may come back by way of offline (storage.md 5.1).
    async fn commit(&self, tx: &mut WriteTx, _: &Record) -> Result<()> {
        let device = devices::get_settled(tx, self.device).await?;
        let holds_bricks = !bricks::on_device(tx, self.device).await?.is_empty();
        match (device.state, self.to) {
            (from, to) if from == to => return Ok(()),
            (State::Failed, State::Online) => {
                let text = "Cannot move a failed/removed device to online state";
                return Err(Error::Refused(text.into()));
            }
            (State::Online, State::Failed) => {
                return Err(Error::Refused(format!(
                    "Device must be offline before remove operation is performed, device:{}",
                    self.device
                )));
            }
            // Only in records of versions that could not move bricks.
            (State::Offline, State::Failed) if holds_bricks => return Err(Error::InUse),
            _ => {}
        }
        devices::set_state(tx, self.device, self.to).await
    }
    async fn release(&self, _: &mut WriteTx, _: &Record) -> Result<()> {
        Ok(())
    }
}
