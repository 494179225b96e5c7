//! A device goes online or offline, or is removed for good.
use super::{Operation, Plan, Planning, journal::Record, set_node_state::state_of};
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
    /// The device of this id is to be in the requested state.
    ///
    /// # Errors
    /// 400 for an unknown word.
    pub fn new(device: DeviceId, request: &StateRequest) -> Result<Self> {
        Ok(Self { device, to: state_of(request)? })
    }
}

impl Operation for SetDeviceState {
    fn claims(&self) -> Vec<String> {
        vec![format!("device/{}", self.device)]
    }
    fn subject(&self) -> Option<(&'static str, String)> {
        Some(("Set state of device", self.device.to_string()))
    }
    fn throttled(&self) -> bool {
        self.to == State::Failed
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
            (State::Offline, State::Failed) if holds_bricks => {
                return Err(Error::Refused(format!(
                    "Unable to remove device [{}] as it still holds bricks. Moving bricks to other \
                     devices is not offered yet: delete their volumes first",
                    self.device
                )));
            }
            _ => {}
        }
        devices::set_state(tx, self.device, self.to).await
    }
    async fn release(&self, _: &mut WriteTx, _: &Record) -> Result<()> {
        Ok(())
    }
}
