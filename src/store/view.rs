//! The snapshot of a cluster that is handed to the placement.
use super::row;
use crate::{
    domain::{ClusterId, DeviceId, NodeId, State, Tags, tag},
    error::Result,
    placement::{DeviceView, View},
};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};
use std::{collections::HashMap, fmt::Display, hash::Hash, str::FromStr};

/// All nodes and devices of the cluster that are not being added or removed: what it costs grows
/// with the devices and with nothing else.
///
/// # Errors
/// The database fails.
pub async fn of_cluster(db: &mut SqliteConnection, cluster: ClusterId) -> Result<View> {
    let cluster = cluster.to_string();
    let online: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM nodes WHERE cluster = ? AND pending_op IS NULL AND state = ?",
    )
    .bind(&cluster)
    .bind(State::Online.as_str())
    .fetch_one(&mut *db)
    .await?;
    let of_nodes = "SELECT t.node AS owner, t.name, t.value FROM node_tags t \
         JOIN nodes n ON n.id = t.node WHERE n.cluster = ?";
    let of_nodes: HashMap<NodeId, Tags> = tags(&mut *db, of_nodes, &cluster).await?;
    let of_devices = "SELECT t.device AS owner, t.name, t.value FROM device_tags t \
         JOIN devices d ON d.id = t.device JOIN nodes n ON n.id = d.node WHERE n.cluster = ?";
    let of_devices: HashMap<DeviceId, Tags> = tags(&mut *db, of_devices, &cluster).await?;
    let rows = sqlx::query(
        "SELECT d.id, d.node, d.state, d.total_kib, d.used_kib, d.extent_kib, n.zone, \
         n.state AS node_state FROM nodes n JOIN devices d ON d.node = n.id \
         WHERE n.cluster = ? AND n.pending_op IS NULL AND d.pending_op IS NULL \
         ORDER BY n.id, d.id",
    )
    .bind(&cluster)
    .fetch_all(db)
    .await?;
    let read = |row: &SqliteRow| -> Result<DeviceView> {
        let (id, node) = (row::parsed(row, "id")?, row::parsed(row, "node")?);
        let (state, of_node): (State, State) =
            (row::parsed(row, "state")?, row::parsed(row, "node_state")?);
        let none = Tags::default();
        let (outer, inner) = (of_nodes.get(&node), of_devices.get(&id));
        Ok(DeviceView {
            id,
            node,
            zone: row.try_get("zone")?,
            node_online: of_node == State::Online,
            online: state == State::Online,
            free: row::kib(row, "total_kib")?.minus(row::kib(row, "used_kib")?),
            extent: row::kib(row, "extent_kib")?,
            tags: tag::merged(outer.unwrap_or(&none), inner.unwrap_or(&none)),
        })
    };
    let devices = rows.iter().map(read).collect::<Result<_>>()?;
    Ok(View { online_nodes: usize::try_from(online).unwrap_or(0), devices })
}

/// Tags by whose they are.
async fn tags<Id>(
    db: &mut SqliteConnection,
    question: &'static str,
    cluster: &str,
) -> Result<HashMap<Id, Tags>>
where
    Id: FromStr<Err: Display> + Eq + Hash,
{
    let mut all: HashMap<Id, Tags> = HashMap::new();
    for row in sqlx::query(question).bind(cluster).fetch_all(db).await? {
        let tags = all.entry(row::parsed(&row, "owner")?).or_default();
        tags.insert(row.try_get("name")?, row.try_get("value")?);
    }
    Ok(all)
}
