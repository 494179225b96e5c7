//! A block volume and the way to it, for the steps that make, change and remove it.
use super::{Pool, Result};
use crate::{
    domain::BlockVolumeId,
    node::{
        Cmd, NodeError, Nodes, Ran, Script,
        gluster_block::{self, Name, Reply, State},
    },
};
use serde::{Deserialize, Serialize};

/// A block volume, and the pool whose nodes know of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BlockPlace {
    pub(crate) pool: Pool,
    pub(crate) id: BlockVolumeId,
    pub(crate) name: Name,
}

impl BlockPlace {
    /// Under which its changes exclude each other on a node.
    pub(super) fn lock(&self) -> String {
        format!("block-{}", self.id)
    }

    /// Runs a command that changes it. gluster-block sees to it that there is one at a time for a
    /// hosting volume; glusterd is not concerned, so nobody has to wait for the turn of the pool.
    ///
    /// # Errors
    /// As [`Reply::read`]; [`NodeError::Unreachable`] when nothing was started anywhere.
    pub(super) async fn change(&self, nodes: &Nodes, cmd: Cmd) -> Result<Reply> {
        self.run(nodes, Script::changing(self.lock()), cmd).await
    }

    /// What gluster-block knows of it, after whatever it is doing now; none when it is not there.
    ///
    /// # Errors
    /// As [`BlockPlace::change`].
    pub(super) async fn state(&self, nodes: &Nodes) -> Result<Option<State>> {
        let info = gluster_block::info(&self.name);
        match self.run(nodes, Script::reading(), info.clone()).await {
            Ok(reply) => {
                reply.state().map(Some).ok_or_else(|| self.odd(&info, "id, size or hosts"))
            }
            Err(error) if gluster_block::is_gone(&error, &self.name) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// It is gone, also if it never was there.
    ///
    /// # Errors
    /// As [`BlockPlace::change`].
    pub(super) async fn remove(&self, nodes: &Nodes) -> Result<()> {
        match self.change(nodes, gluster_block::delete(&self.name)).await {
            Err(error) if gluster_block::is_gone(&error, &self.name) => Ok(()),
            other => other.map(drop),
        }
    }

    /// An answer without what it should tell.
    pub(super) fn odd(&self, cmd: &Cmd, missing: &str) -> NodeError {
        let host = self.pool.via.first().cloned();
        let why = format!("gluster-block does not tell {missing} of {}", self.name);
        match host {
            Some(host) => NodeError::Nonsense { host, command: cmd.brief(), why },
            None => NodeError::Refused(why),
        }
    }

    /// On the first node where gluster-block runs: where it does not, nothing was started.
    async fn run(&self, nodes: &Nodes, script: Script, cmd: Cmd) -> Result<Reply> {
        let script = script.then_try(cmd.clone());
        let mut last = NodeError::Refused("no hosts available (0 total)".into());
        for host in nodes.well_first(&self.pool.via) {
            let ran = match nodes.run(host, &script).await {
                // That gluster-block is missing elsewhere tells more.
                Err(error) if error.is_unreachable() => {
                    if !last.is_without_effect() {
                        last = error;
                    }
                    continue;
                }
                other => other?,
            };
            match Reply::read(host, &cmd, ran.first().unwrap_or(&Ran::default())) {
                Err(error) if error.is_without_effect() => last = error,
                other => return other,
            }
        }
        Err(last)
    }
}
