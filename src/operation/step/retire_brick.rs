//! Removing a brick that its volume has forgotten, if its node answers.
use super::{BrickPlace, Effect, Output, Place, Result, Way};
use crate::{
    domain::BrickId,
    node::{NodeError, Nodes},
};
use serde::{Deserialize, Serialize};

/// The brick is gone, or it is known that something of it may be left.
///
/// Nothing depends on it any more, so a dead node or disk does not keep anybody waiting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RetireBrick {
    pub(crate) place: BrickPlace,
}

/// gluster may take a moment to let go of the brick.
const TRIES: usize = 3;

impl Effect for RetireBrick {
    /// Comes after the point of no return of its operation, if that has one; it is none itself.
    const WAY: Way = Way::Reversible;

    /// Never fails.
    async fn run(&self, nodes: &Nodes) -> Result {
        let mut tries = 1;
        let error = loop {
            match self.place.destroy(nodes).await {
                Ok(known) => return Ok(known),
                Err(error @ NodeError::Unreachable { .. }) => break error,
                Err(error) if tries == TRIES => break error,
                Err(error) if !nodes.pause(nodes.pace().busy_pause).await => break error,
                Err(_) => tries += 1,
            }
        };
        let brick = self.place.lv.id;
        tracing::warn!(%brick, %error, "something may be left of the brick; tried again later");
        Ok(Output::Left(error.to_string()))
    }
    async fn undo(&self, _: &Nodes) -> Result {
        Ok(Output::Nothing)
    }
    fn place(&self) -> Place<'_> {
        Place::Node(&self.place.host)
    }
    fn brick(&self) -> Option<BrickId> {
        Some(self.place.lv.id)
    }
}
