//! Looks after the nodes beside all work: whether each answers and its glusterd runs.
//!
//! What it finds keeps new bricks away from a node that is unwell, and wakes up what waits for one
//! that is well again (storage.md 5.6). Nothing ever waits for a look.
use crate::{
    api::node::{NodeHealth, NodeWithHealth},
    domain::{Hostname, NodeId},
    error::Result,
    inventory,
    node::{
        Lane, NodeError, Nodes, Script, gluster,
        health::{Condition, Part},
    },
    store::{Store, nodes},
};
use futures_util::{StreamExt, stream};
use std::{collections::BTreeSet, time::Duration};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Nodes that are looked at side by side.
const AT_ONCE: usize = 32;
/// Those that are unwell are looked at again after this time.
const SOON: Duration = Duration::from_secs(10);
/// A node that takes longer than this to list its peers is unwell.
const LONGEST: Duration = Duration::from_secs(20);

/// Looks after all nodes: the first time after `first`, then in the rhythm of `then`, and more
/// often at those that are unwell. Returns when `ending` is cancelled.
pub async fn run(
    store: Store,
    nodes: Nodes,
    (first, then): (Duration, Duration),
    ending: CancellationToken,
) {
    let mut next_round = Instant::now() + first;
    loop {
        let soon = Instant::now() + SOON;
        let sick = !nodes.health().unwell().is_empty();
        tokio::select! {
            () = ending.cancelled() => return,
            () = tokio::time::sleep_until(if sick { next_round.min(soon) } else { next_round }) => {}
            // Whether what has just failed was more than a moment is soon known.
            () = nodes.health().fell_ill.notified() => continue,
        }
        let everybody = Instant::now() >= next_round;
        if everybody {
            next_round = Instant::now() + then;
        }
        let look = look(&store, &nodes, everybody);
        tokio::select! {
            () = ending.cancelled() => return,
            looked = look => if let Err(error) = looked {
                tracing::warn!(%error, "the nodes could not be looked at");
            },
        }
    }
}

/// One node with its devices, and how it is.
///
/// # Errors
/// 404, or the database fails.
pub async fn node(store: &Store, nodes: &Nodes, id: NodeId) -> Result<NodeWithHealth> {
    let node = inventory::node::info(store, id).await?;
    let host = node.hostnames.manage.first().and_then(|name| name.parse().ok());
    let condition = host.and_then(|host: Hostname| nodes.health().of(&host));
    Ok(NodeWithHealth { node, health: Some(health(condition)) })
}

fn health(condition: Option<Condition>) -> NodeHealth {
    let Some(Condition { complaint, since, seen }) = condition else {
        return NodeHealth { state: "unknown".into(), ..NodeHealth::default() };
    };
    NodeHealth {
        state: if complaint.is_some() { "unwell" } else { "well" }.into(),
        since: Some(since),
        seen: Some(seen),
        why: complaint.unwrap_or_default(),
    }
}

/// # Errors
/// The database fails.
async fn look(store: &Store, nodes: &Nodes, everybody: bool) -> Result<()> {
    // Also those that are offline or given up: when one answers again, what bricks left on it can go.
    let known: BTreeSet<Hostname> = {
        let all = nodes::all(&mut *store.read().await?).await?;
        all.into_iter().filter_map(|node| node.manage.into_iter().next()).collect()
    };
    nodes.health().retain(&known);
    let wanted = if everybody { known } else { nodes.health().unwell() };
    stream::iter(&wanted).for_each_concurrent(AT_ONCE, |host| look_at(nodes, host)).await;
    Ok(())
}

async fn look_at(nodes: &Nodes, host: &Hostname) {
    let question = gluster::pool_list(nodes.tools()).within(LONGEST);
    let script = Script::reading().lane(Lane::Health).then(question);
    // Whether the node answers has been learnt on the way; a glusterd that does not is as bad.
    match nodes.run(host, &script).await {
        Ok(_) => nodes.health().well(host, Part::Glusterd),
        Err(error @ (NodeError::Failed { .. } | NodeError::InDoubt { .. })) => {
            nodes.health().ill(host, Part::Glusterd, &error.to_string());
        }
        Err(_) => {}
    }
}
