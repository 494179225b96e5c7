//! Rows of nodes, with their names and tags.
use super::{WriteTx, row};
use crate::{
    domain::{ClusterId, Hostname, NodeId, OperationId, State, Tags},
    error::{Error, Result},
};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};
use std::collections::BTreeSet;

/// A node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its identity.
    pub id: NodeId,
    /// The cluster it belongs to.
    pub cluster: ClusterId,
    /// Failure zone.
    pub zone: i64,
    /// Names to command it by; never empty.
    pub manage: Vec<Hostname>,
    /// Names that gluster uses; never empty.
    pub storage: Vec<Hostname>,
    /// Free key-value pairs.
    pub tags: Tags,
    /// Whether new bricks may go to it.
    pub state: State,
    /// The operation that adds or removes it.
    pub pending: Option<OperationId>,
}

impl Node {
    /// Where to send commands.
    ///
    /// # Errors
    /// The record has no name, which only a damaged database can bring about.
    pub fn host(&self) -> Result<&Hostname> {
        self.manage.first().ok_or_else(|| Error::Record(format!("node {} has no name", self.id)))
    }
    /// How gluster calls it.
    ///
    /// # Errors
    /// As [`Node::host`].
    pub fn peer(&self) -> Result<&Hostname> {
        self.storage.first().ok_or_else(|| Error::Record(format!("node {} has no name", self.id)))
    }
    /// All its names: gluster may list it by any of them.
    pub fn names(&self) -> impl Iterator<Item = &Hostname> {
        self.manage.iter().chain(&self.storage)
    }
}

/// Which of the two lists a name stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameKind {
    /// For commands.
    Manage,
    /// For gluster.
    Storage,
}
impl NameKind {
    /// The word in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Manage => "manage",
            Self::Storage => "storage",
        }
    }
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT n.id, n.cluster, n.zone, n.state, n.pending_op, \
             (SELECT json_group_array(name ORDER BY position) FROM node_hostnames \
               WHERE node = n.id AND kind = 'manage') AS manage, \
             (SELECT json_group_array(name ORDER BY position) FROM node_hostnames \
               WHERE node = n.id AND kind = 'storage') AS storage, \
             (SELECT json_group_object(name, value) FROM node_tags WHERE node = n.id) AS tags \
             FROM nodes n ",
            $rest
        )
    };
}

fn read(row: &SqliteRow) -> Result<Node> {
    Ok(Node {
        id: row::parsed(row, "id")?,
        cluster: row::parsed(row, "cluster")?,
        zone: row.try_get("zone")?,
        manage: row::json(row, "manage")?,
        storage: row::json(row, "storage")?,
        tags: row::json(row, "tags")?,
        state: row::parsed(row, "state")?,
        pending: row::parsed_opt(row, "pending_op")?,
    })
}

/// Adds a node with its names and tags.
///
/// # Errors
/// The database fails.
pub async fn insert(tx: &mut WriteTx, node: &Node) -> Result<()> {
    sqlx::query("INSERT INTO nodes (id, cluster, zone, state, pending_op) VALUES (?, ?, ?, ?, ?)")
        .bind(node.id.to_string())
        .bind(node.cluster.to_string())
        .bind(node.zone)
        .bind(node.state.as_str())
        .bind(node.pending.map(|op| op.to_string()))
        .execute(&mut **tx)
        .await?;
    for (kind, names) in [(NameKind::Manage, &node.manage), (NameKind::Storage, &node.storage)] {
        for (position, name) in (0_i64..).zip(names) {
            sqlx::query(
                "INSERT INTO node_hostnames (node, kind, position, name) VALUES (?, ?, ?, ?)",
            )
            .bind(node.id.to_string())
            .bind(kind.as_str())
            .bind(position)
            .bind(name.as_str())
            .execute(&mut **tx)
            .await?;
        }
    }
    set_tags(tx, node.id, &node.tags).await
}

/// The node of this id, pending or not.
///
/// # Errors
/// The database fails.
pub async fn get(db: &mut SqliteConnection, id: NodeId) -> Result<Option<Node>> {
    let found =
        sqlx::query(select!("WHERE n.id = ?")).bind(id.to_string()).fetch_optional(db).await?;
    found.as_ref().map(read).transpose()
}

/// The node of this id, unless it is being added or removed.
///
/// # Errors
/// 404 when there is none; the database fails.
pub async fn get_settled(db: &mut SqliteConnection, id: NodeId) -> Result<Node> {
    get(db, id).await?.filter(|n| n.pending.is_none()).ok_or_else(Error::id_not_found)
}

/// All nodes of a cluster by id, without those being added or removed.
///
/// # Errors
/// The database fails.
pub async fn of_cluster(db: &mut SqliteConnection, cluster: ClusterId) -> Result<Vec<Node>> {
    let rows = sqlx::query(select!("WHERE n.cluster = ? AND n.pending_op IS NULL ORDER BY n.id"))
        .bind(cluster.to_string())
        .fetch_all(db)
        .await?;
    rows.iter().map(read).collect()
}

/// The nodes of all clusters by id, those being added or removed included.
///
/// # Errors
/// The database fails.
pub async fn all(db: &mut SqliteConnection) -> Result<Vec<Node>> {
    let rows = sqlx::query(select!("ORDER BY n.id")).fetch_all(db).await?;
    rows.iter().map(read).collect()
}

/// The management names of nodes that are given up: removed, or being removed. What cannot be done
/// on such a node because it does not answer need not be done.
///
/// # Errors
/// The database fails.
pub async fn given_up(db: &mut SqliteConnection) -> Result<BTreeSet<Hostname>> {
    let rows = sqlx::query(
        "SELECT m.name FROM nodes n JOIN node_hostnames m \
         ON m.node = n.id AND m.kind = 'manage' AND m.position = 0 WHERE n.state = 'failed' \
         UNION SELECT m.name FROM operations o JOIN claims c ON c.operation = o.id \
         JOIN node_hostnames m ON m.node = substr(c.resource, 6) \
         AND m.kind = 'manage' AND m.position = 0 \
         WHERE c.resource LIKE 'node/%' AND o.kind = 'remove-node' AND o.finished_at IS NULL",
    )
    .fetch_all(db)
    .await?;
    rows.iter().map(|r| row::parsed(r, "name")).collect()
}

/// Ids of the nodes of a cluster, sorted, without those being added or removed.
///
/// # Errors
/// The database fails.
pub async fn ids_of_cluster(db: &mut SqliteConnection, cluster: ClusterId) -> Result<Vec<NodeId>> {
    let ids = sqlx::query(
        "SELECT json_group_array(id ORDER BY id) AS ids FROM nodes \
         WHERE cluster = ? AND pending_op IS NULL",
    )
    .bind(cluster.to_string())
    .fetch_one(db)
    .await?;
    row::json(&ids, "ids")
}

/// Management names of all nodes of the cluster by id, without those being added or removed.
///
/// # Errors
/// The database fails.
pub async fn hosts_of_cluster(
    db: &mut SqliteConnection,
    cluster: ClusterId,
) -> Result<Vec<Hostname>> {
    let rows = sqlx::query(
        "SELECT m.name FROM nodes n JOIN node_hostnames m \
         ON m.node = n.id AND m.kind = 'manage' AND m.position = 0 \
         WHERE n.cluster = ? AND n.pending_op IS NULL ORDER BY n.id",
    )
    .bind(cluster.to_string())
    .fetch_all(db)
    .await?;
    rows.iter().map(|r| row::parsed(r, "name")).collect()
}

/// Management names of the first nodes of the cluster, so many at the most: those that are online by
/// id, then the others. What it costs does not grow with the cluster, unless few are online.
///
/// # Errors
/// The database fails.
pub async fn ways_into(
    db: &mut SqliteConnection,
    cluster: ClusterId,
    most: usize,
) -> Result<Vec<Hostname>> {
    let mut hosts: Vec<Hostname> = vec![];
    for which in [
        "SELECT m.name FROM nodes n INDEXED BY nodes_by_state CROSS JOIN node_hostnames m \
         ON m.node = n.id AND m.kind = 'manage' AND m.position = 0 WHERE n.cluster = ? \
         AND n.state = 'online' AND n.pending_op IS NULL ORDER BY n.id LIMIT ?",
        "SELECT m.name FROM nodes n CROSS JOIN node_hostnames m \
         ON m.node = n.id AND m.kind = 'manage' AND m.position = 0 WHERE n.cluster = ? \
         AND n.state <> 'online' AND n.pending_op IS NULL ORDER BY n.id LIMIT ?",
    ] {
        let left = most.saturating_sub(hosts.len());
        if left == 0 {
            break;
        }
        let rows = sqlx::query(which)
            .bind(cluster.to_string())
            .bind(i64::try_from(left).unwrap_or(i64::MAX))
            .fetch_all(&mut *db)
            .await?;
        for row in &rows {
            hosts.push(row::parsed(row, "name")?);
        }
    }
    Ok(hosts)
}

/// The node that has this name already.
///
/// # Errors
/// The database fails.
pub async fn by_name(
    db: &mut SqliteConnection,
    kind: NameKind,
    name: &Hostname,
) -> Result<Option<NodeId>> {
    let found = sqlx::query("SELECT node FROM node_hostnames WHERE kind = ? AND name = ? LIMIT 1")
        .bind(kind.as_str())
        .bind(name.as_str())
        .fetch_optional(db)
        .await?;
    found.as_ref().map(|row| row::parsed(row, "node")).transpose()
}

/// Sets the state.
///
/// # Errors
/// The database fails.
pub async fn set_state(tx: &mut WriteTx, id: NodeId, state: State) -> Result<()> {
    sqlx::query("UPDATE nodes SET state = ? WHERE id = ?")
        .bind(state.as_str())
        .bind(id.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Replaces all tags.
///
/// # Errors
/// The database fails.
pub async fn set_tags(tx: &mut WriteTx, id: NodeId, tags: &Tags) -> Result<()> {
    sqlx::query("DELETE FROM node_tags WHERE node = ?")
        .bind(id.to_string())
        .execute(&mut **tx)
        .await?;
    sqlx::query("INSERT INTO node_tags (node, name, value) SELECT ?, key, value FROM json_each(?)")
        .bind(id.to_string())
        .bind(row::to_json(tags)?)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Marks the node as belonging to an operation, or to none.
///
/// # Errors
/// The database fails.
pub async fn set_pending(tx: &mut WriteTx, id: NodeId, by: Option<OperationId>) -> Result<()> {
    sqlx::query("UPDATE nodes SET pending_op = ? WHERE id = ?")
        .bind(by.map(|op| op.to_string()))
        .bind(id.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Removes the node with its names and tags.
///
/// # Errors
/// It still has devices, or the database fails.
pub async fn delete(tx: &mut WriteTx, id: NodeId) -> Result<()> {
    sqlx::query("DELETE FROM nodes WHERE id = ?").bind(id.to_string()).execute(&mut **tx).await?;
    Ok(())
}
