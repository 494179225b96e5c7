//! All devices of a node are emptied, whether it answers or not; then it is out of use.
//!
//! From the beginning of its removal a node counts as given up: what waits for it because it does
//! not answer takes what is on it for lost (see `store::nodes::given_up`).
use super::{
    Operation, Plan, Planning, RemoveDevice,
    journal::Record,
    lead::{Failures, Need, Needs, lines},
    remove_device::{NO_PLACE, check},
    step::HealCheck,
};
use crate::{
    domain::{NodeId, OperationId, State},
    error::{Error, Result},
    store::{WriteTx, bricks, claims, devices, nodes},
};
use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;

/// `POST /nodes/{id}/state` with `failed`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoveNode {
    node: NodeId,
    check: HealCheck,
}

impl RemoveNode {
    /// The node of this id is to be emptied; without asking, if so told, what waits to be healed.
    pub(super) fn new(node: NodeId, ask: bool) -> Self {
        Self { node, check: check(ask) }
    }
    fn judge(&self, state: State) -> Result<()> {
        if state == State::Online {
            return Err(Error::Refused(format!(
                "Node must be offline before remove operation is performed, node:{}",
                self.node
            )));
        }
        Ok(())
    }
}

impl Operation for RemoveNode {
    fn claims(&self) -> Vec<String> {
        vec![format!("node/{}", self.node)]
    }
    fn subject(&self) -> Option<(&'static str, String)> {
        Some(("Remove node", self.node.to_string()))
    }
    fn throttled(&self) -> bool {
        true
    }
    fn leads(&self) -> bool {
        true
    }

    /// As with devices, the transition is judged in the background.
    async fn reserve(&self, tx: &mut WriteTx, _: &Planning<'_>) -> Result<Plan> {
        nodes::get_settled(tx, self.node).await?;
        Ok(vec![])
    }

    /// One device after another; those that are just being added or deleted come to their end first.
    async fn needs(&self, db: &mut SqliteConnection, _: OperationId) -> Result<Needs> {
        let node = nodes::get_settled(db, self.node).await?;
        self.judge(node.state)?;
        let mut needs = Needs { at_once: 1, ..Needs::default() };
        if node.state == State::Failed {
            return Ok(needs);
        }
        for (device, holder) in devices::pending_of_node(db, self.node).await? {
            needs.held.push((holder, format!("device {device}")));
        }
        for device in devices::of_node(db, self.node).await? {
            if device.state == State::Failed {
                continue;
            }
            let (what, claim) = (device.id.to_string(), format!("device/{}", device.id));
            if let Some(holder) = claims::holder(db, &claim).await? {
                needs.held.push((holder, what));
            } else {
                let operation = RemoveDevice::with_node(device.id, self.check).into();
                needs.next.push(Need { what, claim, operation });
            }
        }
        Ok(needs)
    }

    fn failed(&self, failures: &Failures) -> String {
        let no_place = failures.iter().find(|(_, why)| why.contains(NO_PLACE));
        match no_place {
            Some((device, _)) => format!(
                "Unable to remove node [{}] as no device was found to replace device [{device}]\n{}",
                self.node,
                lines(failures)
            ),
            None => failures.values().cloned().collect::<Vec<_>>().join("\n"),
        }
    }

    async fn left(&self, db: &mut SqliteConnection) -> Result<usize> {
        let mut left = 0;
        for device in devices::of_node(db, self.node).await? {
            let bricks = bricks::on_device(db, device.id).await?;
            left += bricks.iter().filter(|brick| brick.replaces.is_none()).count();
        }
        Ok(left)
    }

    async fn commit(&self, tx: &mut WriteTx, _: &Record) -> Result<()> {
        let node = nodes::get_settled(tx, self.node).await?;
        self.judge(node.state)?;
        let devices = devices::of_node(tx, self.node).await?;
        if node.state != State::Failed && devices.iter().any(|d| d.state != State::Failed) {
            return Err(Error::InUse);
        }
        nodes::set_state(tx, self.node, State::Failed).await
    }
    async fn release(&self, _: &mut WriteTx, _: &Record) -> Result<()> {
        Ok(())
    }
}
