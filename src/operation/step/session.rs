//! Changing a gluster pool: one at a time, through any node that answers.
use super::{Result, after_start};
use crate::{
    domain::{ClusterId, Hostname},
    node::{Lane, NodeError, Nodes, Ran, Script, gluster},
};
use serde::{Deserialize, Serialize};

/// A gluster pool and the nodes to reach it through, the preferred one first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pool {
    /// Whose queue to stand in.
    pub(crate) cluster: ClusterId,
    /// Management names of its nodes.
    pub(crate) via: Vec<Hostname>,
}

impl Pool {
    /// Runs changing commands when it is this pool's turn.
    ///
    /// # Errors
    /// As `Remote::run`; [`NodeError::InDoubt`] when gluster itself does not know.
    pub(super) async fn change(&self, nodes: &Nodes, script: &Script) -> Result<()> {
        let pace = nodes.pace();
        let script = script.clone().lane(Lane::Pool);
        // Nobody holds the turn while a node is dialled that does not answer.
        nodes.reach_any(&self.via).await?;
        let _turn = nodes.turn(self.cluster).await;
        let mut tries = 0;
        loop {
            let Err(error) = nodes.run_on_any(&self.via, &script).await else { return Ok(()) };
            if gluster::UNSURE.iter().any(|words| error.says(words))
                && let NodeError::Failed { host, command, stderr, .. } = error
            {
                return Err(NodeError::InDoubt { host, command, why: stderr });
            }
            if tries >= pace.busy_tries || !gluster::BUSY.iter().any(|words| error.says(words)) {
                // The first command of a session may be done when the second finds gluster busy.
                return Err(if tries > 0 { after_start(error) } else { error });
            }
            tries += 1;
            if !nodes.pause(pace.busy_pause).await {
                return Err(error);
            }
        }
    }

    /// Waits until no script of this lock is at work any more on any node that answers: one that
    /// an earlier server began, or one whose answer was lost.
    ///
    /// A node that does not answer is not waited for: see `Effect::certify`.
    ///
    /// # Errors
    /// A script is still at work after a very long time.
    pub(super) async fn quiet(&self, nodes: &Nodes, lock: &str) -> Result<()> {
        // Not in the lane of the pool: whoever has its turn must not wait for this.
        let script = Script::changing(lock);
        let asked = self.via.iter().map(|host| nodes.run(host, &script));
        for answer in futures_util::future::join_all(asked).await {
            match answer {
                Err(error @ NodeError::StillAtWork { .. }) => return Err(error),
                Err(error) => tracing::info!(%error, "not asked whether it is quiet"),
                Ok(_) => {}
            }
        }
        Ok(())
    }

    /// Runs a script that only reads; which node answered, and what.
    ///
    /// # Errors
    /// As `Remote::run`.
    pub(super) async fn ask(&self, nodes: &Nodes, script: &Script) -> Result<(Hostname, Vec<Ran>)> {
        nodes.run_on_any(&self.via, &script.clone().lane(Lane::Pool)).await
    }
}

/// gluster answered, but with a failure or with something we do not understand.
pub(super) fn bad_answer(host: &Hostname, question: &str, why: &gluster::BadAnswer) -> NodeError {
    NodeError::Nonsense { host: host.clone(), command: question.to_owned(), why: why.to_string() }
}
