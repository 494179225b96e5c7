//! The nodes beside the database: what each has, and what does not agree.
//!
//! Nodes are asked side by side; one that does not answer is told in the report and keeps nobody
//! waiting longer than two minutes. Nothing is changed, neither there nor here.
mod compare;

use crate::{
    api::{
        examination::{BrickMount, ClusterData, Examination, GlusterVolume, NodeData},
        json,
    },
    database,
    domain::{ClusterId, Hostname, NodeId},
    error::{Error, Result},
    node::{
        Nodes,
        survey::{self, Survey},
    },
    operation::Operations,
    store::{Store, snapshot::Snapshot},
};
use compare::compare;
use futures_util::{StreamExt, stream};
use std::{collections::BTreeMap, time::Duration};

/// Nodes that are asked side by side.
const AT_ONCE: usize = 32;
/// How long one node may take for all its answers.
const PATIENCE: Duration = Duration::from_mins(2);

/// What a node answered, or why it did not.
pub(crate) type Answers = BTreeMap<NodeId, (Hostname, Result<Survey, String>)>;

/// The same for a server that runs.
///
/// # Errors
/// The database fails.
pub async fn on_demand(store: &Store, operations: &Operations) -> Result<String> {
    let running = operations.counts().await?.in_flight;
    let headline = format!("OnDemand Examiner invoked while {running} ops are in flight");
    examine(store, operations.nodes(), headline).await
}

/// Asks all nodes, and compares; the answer as text. `headline` is the first line of the report.
///
/// # Errors
/// The database fails.
pub async fn examine(store: &Store, nodes: &Nodes, headline: String) -> Result<String> {
    let before = database::read(store).await?;
    let answers = ask(&before, nodes).await;
    // What comes or goes meanwhile is no contradiction: it is not the same before and after.
    let after = database::read(store).await?;
    let made = tokio::task::spawn_blocking(move || {
        let mut report = vec![headline];
        report.extend(compare(&before, &after, &answers));
        let clusters = clusters(&after, &answers);
        let examination = Examination { heketidb: database::dump(&after), report, clusters };
        Ok(json::indented(&examination)?)
    });
    made.await.unwrap_or_else(|e| Err(Error::Refused(format!("internal error: {e}"))))
}

async fn ask(snapshot: &Snapshot, nodes: &Nodes) -> Answers {
    let script = &survey::script(nodes.tools());
    let settled = snapshot.nodes.iter().filter(|node| node.pending.is_none());
    let hosts = settled.filter_map(|node| Some((node.id, node.manage.first()?.clone())));
    let one = |(id, host): (NodeId, Hostname)| async move {
        let answer = match tokio::time::timeout(PATIENCE, nodes.run(&host, script)).await {
            Ok(Ok(ran)) => Ok(Survey::read(&ran)),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
        };
        (id, (host, answer))
    };
    let hosts: Vec<_> = hosts.collect();
    stream::iter(hosts).map(one).buffer_unordered(AT_ONCE).collect().await
}

fn clusters(snapshot: &Snapshot, answers: &Answers) -> Option<Vec<ClusterData>> {
    let of = |id: ClusterId| {
        let nodes = snapshot.nodes.iter().filter(move |node| node.cluster == id);
        let data: Vec<_> =
            nodes.filter_map(|n| Some(node_data(n.id, &answers.get(&n.id)?.1))).collect();
        ClusterData { cluster: id, nodes: (!data.is_empty()).then_some(data) }
    };
    let all: Vec<_> = snapshot.clusters.iter().map(|cluster| of(cluster.id)).collect();
    (!all.is_empty()).then_some(all)
}

fn node_data(node: NodeId, answer: &Result<Survey, String>) -> NodeData {
    let survey = answer.as_ref().ok();
    NodeData {
        node,
        volumes: survey.and_then(volumes),
        pvs: survey.and_then(|s| s.pvs.clone().ok()),
        vgs: survey.and_then(|s| s.vgs.clone().ok()),
        lvs: survey.and_then(|s| s.lvs.clone().ok()),
        mounts: survey.and_then(mounts),
        block_volumes: None,
    }
}

fn volumes(survey: &Survey) -> Option<Vec<GlusterVolume>> {
    let one = |volume: &crate::node::gluster::VolumeReport| GlusterVolume {
        name: volume.name.clone(),
        status: volume.status.clone(),
        bricks: volume.bricks.clone(),
        options: volume.options.clone(),
    };
    Some(survey.volumes.as_ref().ok()?.iter().map(one).collect())
}

fn mounts(survey: &Survey) -> Option<Vec<BrickMount>> {
    let (fstab, mounted) = (survey.fstab.as_ref().ok()?, survey.mounts.as_ref().ok()?);
    let one = |line: &survey::Mounted| BrickMount {
        device: line.device.clone(),
        point: line.point.clone(),
        mounted: mounted.iter().any(|m| m.device == line.device),
    };
    Some(fstab.iter().map(one).collect())
}
