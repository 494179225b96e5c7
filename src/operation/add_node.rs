//! A node joins a cluster: its glusterd is asked for, then it becomes a peer.
use super::{
    Operation, Plan, Planning,
    journal::Record,
    step::{Pool, Probe, Step},
};
use crate::{
    api::node::NodeAddRequest,
    domain::{ClusterId, Hostname, NodeId, State, Tags},
    error::{Error, Result},
    node::{NodeError, Nodes, Script, gluster},
    store::{
        Store, WriteTx, clusters,
        nodes::{self, NameKind, Node},
    },
    validate::{self, Problems},
};
use serde::{Deserialize, Serialize};

/// `POST /nodes`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddNode {
    node: NodeId,
    /// As given: whether there is such a cluster is looked up later.
    cluster: String,
    zone: i64,
    manage: Vec<Hostname>,
    storage: Vec<Hostname>,
    tags: Tags,
    /// What the look found: nodes to probe from, and whether it is a peer already.
    via: Vec<Hostname>,
    known: bool,
}

impl TryFrom<NodeAddRequest> for AddNode {
    type Error = Error;
    fn try_from(request: NodeAddRequest) -> Result<Self> {
        let NodeAddRequest { zone, hostnames, cluster, tags } = request;
        let mut names = Problems::default();
        names
            .field("manage", validate::hostnames(&hostnames.manage, "manage"))
            .field("storage", validate::hostnames(&hostnames.storage, "storage"));
        Problems::default()
            .field("zone", validate::at_least_one(zone))
            .object("hostnames", &names)
            .field("cluster", validate::id(&cluster))
            .field("tags", validate::tags(&tags))
            .check()?;
        let parsed = |names: &[String]| names.iter().filter_map(|n| n.parse().ok()).collect();
        Ok(Self {
            node: NodeId::random(),
            cluster,
            zone,
            manage: parsed(&hostnames.manage),
            storage: parsed(&hostnames.storage),
            tags,
            via: vec![],
            known: false,
        })
    }
}

impl AddNode {
    fn cluster(&self) -> Result<ClusterId> {
        self.cluster.parse().map_err(|_| unknown_cluster())
    }
    fn names(&self) -> impl Iterator<Item = (NameKind, &Hostname)> {
        let manage = self.manage.iter().map(|name| (NameKind::Manage, name));
        manage.chain(self.storage.iter().map(|name| (NameKind::Storage, name)))
    }
    /// Whether it is a peer under a name that nobody here knows it by: then it has that peer's UUID.
    /// It is asked only if there is such a peer; one that does not answer is taken for new.
    async fn is_listed_otherwise(&self, nodes: &Nodes, listing: &str, others: &[Node]) -> bool {
        let names: Vec<_> = others.iter().flat_map(Node::names).cloned().collect();
        let strangers = gluster::strangers(listing, &names);
        let Some(host) = self.manage.first().filter(|_| !strangers.is_empty()) else {
            return false;
        };
        let script = Script::reading().then(gluster::pool_list(nodes.tools()));
        let Ok(ran) = nodes.run(host, &script).await else { return false };
        let own = ran.first().and_then(|ran| gluster::own_uuid(&ran.stdout));
        own.is_some_and(|own| strangers.iter().any(|peer| peer.uuid == own))
    }
    async fn check_names(&self, tx: &mut sqlx::SqliteConnection) -> Result<()> {
        for (kind, name) in self.names() {
            if let Some(id) = nodes::by_name(tx, kind, name).await? {
                // The text ends in a line break of its own (api.md 2).
                let text = format!("Hostname {name} already used by node with id {id}\n");
                return Err(Error::Conflict(text));
            }
        }
        Ok(())
    }
}

fn unknown_cluster() -> Error {
    Error::NotFound("Cluster id does not exist".into())
}

/// What went wrong on a node, in one line.
fn line(error: &NodeError) -> String {
    error.to_string().trim().replace('\n', " ")
}

impl Operation for AddNode {
    fn claims(&self) -> Vec<String> {
        self.names().map(|(kind, name)| format!("{}-name/{name}", kind.as_str())).collect()
    }
    fn subject(&self) -> Option<(&'static str, String)> {
        Some(("Add node", self.node.to_string()))
    }
    fn location(&self) -> Option<String> {
        Some(format!("/nodes/{}", self.node))
    }
    fn looks(&self) -> bool {
        true
    }

    /// A node that joins others is introduced by one whose glusterd runs; the first one's own is
    /// asked (storage.md 1.2).
    async fn look(&mut self, store: &Store, nodes: &Nodes) -> Result<()> {
        let mut tx = store.read().await?;
        let cluster = self.cluster()?;
        clusters::get(&mut tx, cluster).await?.ok_or_else(unknown_cluster)?;
        self.check_names(&mut tx).await?;
        let others = nodes::of_cluster(&mut tx, cluster).await?;
        drop(tx);

        let script = Script::reading().then(gluster::pool_list(nodes.tools()));
        if others.is_empty() {
            let host = self.manage.first().ok_or_else(unknown_cluster)?;
            if let Err(error) = nodes.run(host, &script).await {
                let text = format!("New Node doesn't have glusterd running: {}", line(&error));
                return Err(Error::Invalid(text));
            }
            return Ok(());
        }
        let mut why = vec![];
        for node in others.iter().filter(|node| node.state == State::Online) {
            let host = node.host()?;
            match nodes.run(host, &script).await {
                Ok(ran) => {
                    let listing = ran.first().map(|r| r.stdout.as_str()).unwrap_or_default();
                    let peer = self.storage.first().ok_or_else(unknown_cluster)?;
                    self.known = gluster::lists_peer(listing, peer)
                        || self.is_listed_otherwise(nodes, listing, &others).await;
                    self.via = vec![host.clone()];
                    return Ok(());
                }
                Err(error) => why.push(line(&error)),
            }
        }
        if why.is_empty() {
            why.push("none is online".into());
        }
        let none = "None of the nodes in cluster has glusterd running";
        Err(Error::Invalid(format!("{none}: {}", why.join("; "))))
    }

    async fn reserve(&self, tx: &mut WriteTx, planning: &Planning<'_>) -> Result<Plan> {
        let cluster = self.cluster()?;
        clusters::get(tx, cluster).await?.ok_or_else(unknown_cluster)?;
        self.check_names(tx).await?;
        // Nobody was there to introduce it a moment ago, but somebody is now: two first nodes
        // would never hear of each other.
        if self.via.is_empty() && clusters::holds_anything(tx, cluster).await? {
            return Err(Error::InUse);
        }
        // Who was to introduce it may have left meanwhile.
        let others = nodes::of_cluster(tx, cluster).await?;
        let still_there = |host| others.iter().any(|node| node.manage.first() == Some(host));
        if !self.via.iter().all(still_there) {
            return Err(Error::InUse);
        }
        let node = Node {
            id: self.node,
            cluster,
            zone: self.zone,
            manage: self.manage.clone(),
            storage: self.storage.clone(),
            tags: self.tags.clone(),
            state: State::Online,
            pending: Some(planning.id),
        };
        nodes::insert(tx, &node).await?;
        if self.via.is_empty() {
            return Ok(vec![]);
        }
        let peer = node.peer()?.clone();
        let pool = Pool { cluster, via: self.via.clone() };
        Ok(vec![vec![Step::Probe(Probe { pool, peer, known: self.known })]])
    }
    async fn commit(&self, tx: &mut WriteTx, _: &Record) -> Result<()> {
        nodes::set_pending(tx, self.node, None).await
    }
    async fn release(&self, tx: &mut WriteTx, _: &Record) -> Result<()> {
        nodes::delete(tx, self.node).await
    }
}
