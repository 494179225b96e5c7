//! All bricks of a device move elsewhere, then it is out of use.
use super::{
    EvictBrick, Operation, Plan, Planning,
    evict_brick::claim,
    journal::Record,
    lead::{Failures, Need, Needs, lines},
    step::HealCheck,
};
use crate::{
    domain::{DeviceId, OperationId, State},
    error::{Error, Result},
    store::{
        WriteTx,
        bricks::{self, Brick},
        claims, devices,
    },
};
use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;

/// `POST /devices/{id}/state` with `failed`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoveDevice {
    device: DeviceId,
    check: HealCheck,
    /// Its node is removed: then the state of the device does not matter.
    with_node: bool,
}

/// Bricks that move side by side. No rule asks for a limit, since they are of different volumes, each of
/// which is claimed; but each is healed from others, which has its price for whoever uses them.
const AT_ONCE: usize = 5;

impl RemoveDevice {
    /// The device of this id is to be emptied; without asking, if so told, what waits to be healed.
    pub(super) fn new(device: DeviceId, ask: bool) -> Self {
        Self { device, check: check(ask), with_node: false }
    }
    /// The same as a part of the removal of its node.
    pub(super) fn with_node(device: DeviceId, check: HealCheck) -> Self {
        Self { device, check, with_node: true }
    }
    /// A removed device may be removed again: there is nothing to do then.
    fn judge(&self, state: State) -> Result<()> {
        if state == State::Online && !self.with_node {
            return Err(Error::Refused(format!(
                "Device must be offline before remove operation is performed, device:{}",
                self.device
            )));
        }
        Ok(())
    }
}

/// A removal has the time to wait for healing.
pub(super) fn check(ask: bool) -> HealCheck {
    if ask { HealCheck::Wait } else { HealCheck::Skip }
}

/// Not what Heketi lost the path of: gluster knows no such brick, and nothing of it could move. It
/// stays, as with Heketi, until `db delete-bricks-with-empty-path` (storage.md 5.2).
fn can_move(brick: &Brick) -> bool {
    !brick.path.is_empty()
}

/// Heketi's words for a place that was not found begin like this.
pub(super) const NO_PLACE: &str = "No Replacement was found";

impl Operation for RemoveDevice {
    fn claims(&self) -> Vec<String> {
        vec![format!("device/{}", self.device)]
    }
    fn subject(&self) -> Option<(&'static str, String)> {
        Some(("Remove device", self.device.to_string()))
    }
    fn throttled(&self) -> bool {
        !self.with_node
    }
    fn leads(&self) -> bool {
        true
    }

    /// Only whether there is such a device is known at once; all else is judged in the background,
    /// since clients expect 202 and then the refusal.
    async fn reserve(&self, tx: &mut WriteTx, _: &Planning<'_>) -> Result<Plan> {
        devices::get_settled(tx, self.device).await?;
        Ok(vec![])
    }

    async fn needs(&self, db: &mut SqliteConnection, id: OperationId) -> Result<Needs> {
        let device = devices::get_settled(db, self.device).await?;
        self.judge(device.state)?;
        let mut needs = Needs { at_once: AT_ONCE, ..Needs::default() };
        if device.state == State::Failed {
            return Ok(needs);
        }
        for brick in bricks::on_device(db, self.device).await?.into_iter().filter(can_move) {
            let (what, claim) =
                (format!("brick {} of volume {}", brick.id, brick.volume), claim(brick.volume));
            let holder = match brick.pending {
                Some(holder) => Some(holder),
                None => claims::holder(db, &claim).await?,
            };
            if let Some(holder) = holder {
                needs.held.push((holder, what));
            } else {
                let operation = EvictBrick::part_of(id, brick.id, self.check).into();
                needs.next.push(Need { what, claim, operation });
            }
        }
        Ok(needs)
    }

    /// Heketi's text of the first, then all that is left on the device, and why.
    fn failed(&self, failures: &Failures) -> String {
        let first = failures.values().next().map_or("", String::as_str);
        let headline = if first.starts_with(NO_PLACE) {
            let device = self.device;
            format!(
                "Unable to delete device [{device}] as no device was found to replace it: {first}"
            )
        } else {
            first.to_owned()
        };
        format!("{headline}\nLeft on the device:\n{}", lines(failures))
    }

    async fn left(&self, db: &mut SqliteConnection) -> Result<usize> {
        let bricks = bricks::on_device(db, self.device).await?;
        Ok(bricks.iter().filter(|b| b.replaces.is_none() && can_move(b)).count())
    }

    async fn commit(&self, tx: &mut WriteTx, _: &Record) -> Result<()> {
        let device = devices::get_settled(tx, self.device).await?;
        self.judge(device.state)?;
        let bricks = bricks::on_device(tx, self.device).await?;
        if device.state != State::Failed && bricks.iter().any(can_move) {
            return Err(Error::InUse);
        }
        devices::set_state(tx, self.device, State::Failed).await
    }
    async fn release(&self, _: &mut WriteTx, _: &Record) -> Result<()> {
        Ok(())
    }
}
