//! The database, glusterd, LVM, mounts and fstab of every node, and volumes of Kubernetes: what does
//! not agree, and what can be done about it.
//!
//! ```text
//! ask -> Facts -> compare (pure) -> differences -> a person -> repair: an operation each
//! ```
//! Nothing is changed by looking. What operations are at work on is not judged, and what is not
//! known is called so. Before anything is repaired everything is looked at again: a finding that is
//! not the same any more is refused.
mod bricks;
mod devices;
mod peers;
mod persistent;
pub mod rebuild;
mod recognise;
mod repair;
mod strays;
mod view;
mod volumes;

pub use repair::repair;

use crate::{
    api::{
        json,
        reality::{CheckReport, Unknown},
    },
    database,
    domain::{Hostname, NodeId},
    error::{Error, Result},
    kube::persistent::PersistentVolumes,
    node::{
        Nodes,
        stock::{self, Stock},
    },
    store::{
        Store,
        debris::{self, Debris},
        snapshot::Snapshot,
    },
};
use futures_util::{StreamExt, stream};
use std::{collections::BTreeMap, time::Duration};
use view::View;

/// Nodes that are asked side by side.
const AT_ONCE: usize = 32;
/// How long one node may take for all its answers.
const PATIENCE: Duration = Duration::from_mins(2);

/// What a node answered, or why it did not.
pub(crate) type Answers = BTreeMap<NodeId, (Hostname, Result<Stock, String>)>;

/// Everything that is compared. What comes or goes while nodes are asked is no difference: it is
/// not the same before and after.
pub(crate) struct Facts {
    before: Snapshot,
    after: Snapshot,
    debris: Vec<Debris>,
    answers: Answers,
    /// None where Kubernetes is not compared.
    claimed: Option<persistent::Claimed>,
}

/// What does not agree, as text.
///
/// # Errors
/// The database fails.
pub async fn check_text(
    store: &Store,
    nodes: &Nodes,
    kubernetes: Option<&PersistentVolumes>,
) -> Result<String> {
    Ok(json::indented(&check(store, nodes, kubernetes).await?)?)
}

/// What does not agree; with the volumes of Kubernetes, if these are to be compared.
///
/// # Errors
/// The database fails.
pub async fn check(
    store: &Store,
    nodes: &Nodes,
    kubernetes: Option<&PersistentVolumes>,
) -> Result<CheckReport> {
    let facts = look(store, nodes, kubernetes).await?;
    let made = tokio::task::spawn_blocking(move || compare(&facts)).await;
    made.map_err(|e| Error::Refused(format!("internal error: {e}")))
}

/// Asks all nodes, and Kubernetes meanwhile.
async fn look(
    store: &Store,
    nodes: &Nodes,
    kubernetes: Option<&PersistentVolumes>,
) -> Result<Facts> {
    let before = database::read(store).await?;
    let settled = before.nodes.iter().filter(|node| node.pending.is_none());
    let hosts: Vec<_> = settled.filter_map(|n| Some((n.id, n.manage.first()?.clone()))).collect();
    let claimed = async {
        match kubernetes {
            Some(kubernetes) => Some(persistent::ask(kubernetes).await),
            None => None,
        }
    };
    let (answers, claimed) = tokio::join!(ask(nodes, hosts), claimed);
    let after = database::read(store).await?;
    let debris = debris::all(&mut *store.read().await?).await?;
    Ok(Facts { before, after, debris, answers, claimed })
}

/// Asks these nodes side by side; one that does not answer keeps nobody waiting for long.
pub(crate) async fn ask(nodes: &Nodes, hosts: Vec<(NodeId, Hostname)>) -> Answers {
    let script = &stock::script(nodes.tools());
    let one = |(id, host): (NodeId, Hostname)| async move {
        let answer = match tokio::time::timeout(PATIENCE, nodes.run(&host, script)).await {
            Ok(Ok(ran)) => Ok(Stock::read(&ran)),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
        };
        (id, (host, answer))
    };
    stream::iter(hosts).map(one).buffer_unordered(AT_ONCE).collect().await
}

/// What does not agree: pure.
fn compare(facts: &Facts) -> CheckReport {
    let view = View::of(facts);
    let mut unknown = silent(&facts.answers);
    let mut differences = vec![];
    peers::compare(&view, &mut differences);
    devices::compare(&view, &mut differences);
    bricks::compare(&view, &mut differences);
    strays::compare(&view, &mut unknown, &mut differences);
    volumes::compare(&view, &mut unknown, &mut differences);
    let persistent_volumes = persistent::compare(&view, &mut unknown, &mut differences);
    differences.sort();
    unknown.sort();
    let nodes = facts.answers.len();
    let under_way = view.under_way();
    CheckReport { nodes, under_way, unknown, differences, persistent_volumes }
}

/// Nodes, or parts of nodes, of which nothing is known.
fn silent(answers: &Answers) -> Vec<Unknown> {
    let mut unknown = vec![];
    for (host, answer) in answers.values() {
        let mut say = |what: &str, why: &String| {
            let (place, what, why) = (host.to_string(), what.to_owned(), why.clone());
            unknown.push(Unknown { place, what, why });
        };
        match answer {
            Err(why) => say("everything", why),
            Ok(stock) => stock.unknown().for_each(|(what, why)| say(what, why)),
        }
    }
    unknown
}
