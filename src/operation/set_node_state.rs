//! A node goes online or offline.
use super::{Any, Operation, Plan, Planning, RemoveNode, journal::Record};
use crate::{
    api::node::StateRequest,
    domain::{NodeId, State},
    error::{Error, Result},
    store::{WriteTx, bricks, devices, nodes},
    validate::{self, Problems},
};
use serde::{Deserialize, Serialize};

/// `POST /nodes/{id}/state`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetNodeState {
    node: NodeId,
    to: State,
}

/// Whether it is to be asked what waits to be healed before bricks move.
pub(super) fn heal_check(word: &str) -> Result<bool> {
    let not_a_check = || format!("{word} is not valid heal info check");
    Problems::default()
        .field("healcheck", validate::one_of(word, &["", "enable", "disable"], not_a_check))
        .check()?;
    Ok(word != "disable")
}

/// Reads the state of a request, and whether to ask what waits to be healed; that is looked at first
/// (api.md 9.4).
pub(super) fn state_of(request: &StateRequest) -> Result<(State, bool)> {
    let ask = heal_check(&request.healcheck)?;
    let word = request.state.as_str();
    let not_a_state = || format!("{word} is not valid state");
    Problems::default()
        .field(
            "state",
            validate::required_word(word, &["online", "offline", "failed"], not_a_state),
        )
        .check()?;
    let state = word.parse().map_err(|e: crate::domain::state::BadState| e.to_string());
    state.map(|state| (state, ask)).map_err(Error::Invalid)
}

impl SetNodeState {
    /// What brings the node of this id into the requested state: a removal if that is `failed`.
    ///
    /// # Errors
    /// 400 for an unknown word.
    pub fn request(node: NodeId, request: &StateRequest) -> Result<Any> {
        let (to, ask) = state_of(request)?;
        Ok(match to {
            State::Failed => RemoveNode::new(node, ask).into(),
            State::Online | State::Offline => Self { node, to }.into(),
        })
    }
}

impl Operation for SetNodeState {
    fn claims(&self) -> Vec<String> {
        vec![format!("node/{}", self.node)]
    }
    fn subject(&self) -> Option<(&'static str, String)> {
        Some(("Set state of node", self.node.to_string()))
    }

    /// Only whether there is such a node is known at once; the transition is judged in the
    /// background, since clients expect 202 and then the refusal.
    async fn reserve(&self, tx: &mut WriteTx, _: &Planning<'_>) -> Result<Plan> {
        nodes::get_settled(tx, self.node).await?;
        Ok(vec![])
    }

    async fn commit(&self, tx: &mut WriteTx, _: &Record) -> Result<()> {
        let node = nodes::get_settled(tx, self.node).await?;
        match (node.state, self.to) {
            (from, to) if from == to => return Ok(()),
            (State::Failed, to) => {
                let text = format!("Cannot move a failed/removed node to {to} state");
                return Err(Error::Refused(text));
            }
            (State::Online, State::Failed) => {
                return Err(Error::Refused(format!(
                    "Node must be offline before remove operation is performed, node:{}",
                    self.node
                )));
            }
            (State::Offline, State::Failed) => self.remove_devices(tx).await?,
            _ => {}
        }
        nodes::set_state(tx, self.node, self.to).await
    }
    async fn release(&self, _: &mut WriteTx, _: &Record) -> Result<()> {
        Ok(())
    }
}

impl SetNodeState {
    /// Only for records of versions that could not move bricks.
    async fn remove_devices(&self, tx: &mut WriteTx) -> Result<()> {
        for device in devices::of_node(tx, self.node).await? {
            if !bricks::on_device(tx, device.id).await?.is_empty() {
                return Err(Error::InUse);
            }
            devices::set_state(tx, device.id, State::Failed).await?;
        }
        Ok(())
    }
}
