//! Asking gluster-block whether a block volume has grown that another program was expanding.
use super::{BlockPlace, Effect, Output, Place, Result, Way};
use crate::{
    domain::Gib,
    node::{
        Nodes,
        gluster_block::{State, shown},
    },
};
use serde::{Deserialize, Serialize};

/// Whether the block volume is larger than it was; gluster-block answers after whatever was begun
/// before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FindBlockSize {
    pub(crate) place: BlockPlace,
    pub(crate) from: Gib,
    pub(crate) to: Gib,
}

impl FindBlockSize {
    /// One that is not there has not grown. Sizes of TiB are shown so roughly that the old and the new
    /// may look the same: then it counts as grown, since to expand it once more does no harm.
    fn has_grown(&self, found: Option<&State>) -> bool {
        found.is_some_and(|state| state.size == shown(self.to) || state.size != shown(self.from))
    }
}

impl Effect for FindBlockSize {
    const WAY: Way = Way::Reversible;

    async fn run(&self, nodes: &Nodes) -> Result {
        let found = self.place.state(nodes).await?;
        Ok(Output::Grown(self.has_grown(found.as_ref())))
    }
    async fn undo(&self, _: &Nodes) -> Result {
        Ok(Output::Nothing)
    }
    fn place(&self) -> Place<'_> {
        Place::Pool(&self.place.pool)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{BlockVolumeId, ClusterId, Password},
        node::gluster_block::Name,
        operation::step::Pool,
    };
    use std::collections::BTreeMap;

    #[test]
    fn what_is_shown_tells() {
        let grown = |from, to, now: Option<u64>| {
            let name = Name { hosting: "h".parse().unwrap(), block: "b".parse().unwrap() };
            let pool = Pool { cluster: ClusterId::random(), via: vec![] };
            let place = BlockPlace { pool, id: BlockVolumeId::random(), name };
            let state = now.map(|size| State {
                gbid: "g".into(),
                size: shown(Gib(size)),
                ha: 1,
                hosts: vec![],
                password: Password::default(),
                behind: BTreeMap::new(),
            });
            FindBlockSize { place, from: Gib(from), to: Gib(to) }.has_grown(state.as_ref())
        };
        assert!(!grown(2, 4, Some(2)));
        assert!(grown(2, 4, Some(4)));
        assert!(grown(2, 4, Some(5)), "larger than anybody wished: it did not stay");
        assert!(!grown(2, 4, None));
        assert!(grown(2048, 2050, Some(2048)), "both are shown as 2.0 TiB");
    }
}
