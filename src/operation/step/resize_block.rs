//! Making a block volume larger.
use super::{BlockPlace, Effect, Output, Place, Result, Way};
use crate::{
    domain::Gib,
    node::{
        NodeError, Nodes,
        gluster_block::{self, shown},
    },
};
use serde::{Deserialize, Serialize};

/// The block volume has its new size, at least on some of its hosts. It never shrinks again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ResizeBlock {
    pub(crate) place: BlockPlace,
    pub(crate) from: Gib,
    pub(crate) to: Gib,
}

/// What a look says after an attempt that did not simply succeed.
enum Now {
    /// It has the new size, and this is what all hosts offer of it.
    Grown(Gib),
    /// Nothing of the new size is to be seen.
    AsBefore,
    /// It is not there.
    Gone,
    /// Nobody could be asked.
    Unknown,
}

impl ResizeBlock {
    async fn look(&self, nodes: &Nodes) -> Now {
        let (from, to) = (self.from, self.to);
        match self.place.state(nodes).await {
            Err(_) => Now::Unknown,
            Ok(None) => Now::Gone,
            // Sizes of TiB are shown so roughly that the old and the new may look the same; a host
            // that is behind may be so since an earlier expansion.
            Ok(Some(state)) if shown(from) == shown(to) => {
                if state.behind.is_empty() {
                    Now::AsBefore
                } else {
                    Now::Unknown
                }
            }
            Ok(Some(state)) if state.size != shown(to) => Now::AsBefore,
            Ok(Some(state)) if state.behind.is_empty() => Now::Grown(to),
            Ok(Some(state)) => Now::Grown(state.usable(from, to)),
        }
    }
}

impl Effect for ResizeBlock {
    const WAY: Way = Way::ForwardOnly;

    /// Two attempts: the second one is for hosts that could not follow the first, and learns of a
    /// first one whose answer was lost.
    async fn run(&self, nodes: &Nodes) -> Result {
        let resize = gluster_block::resize(&self.place.name, self.to);
        let mut in_doubt = false;
        let mut again = false;
        loop {
            let Err(error) = self.place.change(nodes, resize.clone()).await else {
                return Ok(Output::Resized { usable: self.to });
            };
            if gluster_block::has_size(&error) {
                return Ok(Output::Resized { usable: self.to });
            }
            // Nothing was started, so an earlier attempt says how it stands.
            if error.is_unreachable() || error.is_without_effect() {
                return Err(if in_doubt { self.doubt(&error) } else { error });
            }
            in_doubt |= !matches!(error, NodeError::Failed { .. });
            match self.look(nodes).await {
                Now::Grown(usable) if again || usable == self.to => {
                    return Ok(Output::Resized { usable });
                }
                Now::AsBefore | Now::Gone if again => {
                    return Err(if in_doubt {
                        self.doubt(&error)
                    } else {
                        NodeError::WithoutEffect(error.into())
                    });
                }
                Now::Unknown => return Err(self.doubt(&error)),
                _ => again = true,
            }
        }
    }
    async fn undo(&self, _: &Nodes) -> Result {
        Ok(Output::Nothing)
    }
    fn lands_late(&self) -> bool {
        true
    }
    fn place(&self) -> Place<'_> {
        Place::Pool(&self.place.pool)
    }
}

impl ResizeBlock {
    /// The doubt about an earlier attempt stays, whatever a later one says.
    fn doubt(&self, error: &NodeError) -> NodeError {
        match error {
            NodeError::InDoubt { .. } => error.clone(),
            other => match self.place.pool.via.first() {
                Some(host) => NodeError::InDoubt {
                    host: host.clone(),
                    command: gluster_block::resize(&self.place.name, self.to).brief(),
                    why: other.to_string(),
                },
                None => other.clone(),
            },
        }
    }
}
