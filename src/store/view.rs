//! The snapshot of a cluster that is handed to the placement.
use super::row;
use crate::{
    domain::{ClusterId, DeviceId, Kib, NodeId, State, Tags, tag},
    error::Result,
    placement::{DeviceView, View},
};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};
use std::{
    collections::{BTreeSet, HashMap},
    fmt::Display,
    hash::Hash,
    str::FromStr,
};

/// A view with what is needed to bring it up to date.
pub(super) struct Kept {
    pub(super) view: View,
    /// Where a device stands in it, by its row.
    places: HashMap<i64, usize>,
    /// Rows of devices that have changed since.
    pub(super) changed: BTreeSet<i64>,
}

/// All nodes and devices of the cluster that are not being added or removed: what it costs grows
/// with the devices and with nothing else.
///
/// # Errors
/// The database fails.
pub(super) async fn whole(db: &mut SqliteConnection, cluster: ClusterId) -> Result<Kept> {
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
        "SELECT d.rowid AS place, d.id, d.node, d.state, d.total_kib, d.used_kib, d.extent_kib, \
         n.zone, n.state AS node_state FROM nodes n JOIN devices d ON d.node = n.id \
         WHERE n.cluster = ? AND n.pending_op IS NULL AND d.pending_op IS NULL \
         ORDER BY n.id, d.id",
    )
    .bind(&cluster)
    .fetch_all(db)
    .await?;
    let (mut devices, mut places) = (vec![], HashMap::new());
    for row in &rows {
        let (id, node) = (row::parsed(row, "id")?, row::parsed(row, "node")?);
        let of_node: State = row::parsed(row, "node_state")?;
        let none = Tags::default();
        let (outer, inner) = (of_nodes.get(&node), of_devices.get(&id));
        let Space { online, free, extent } = space(row)?;
        places.insert(row.try_get("place")?, devices.len());
        devices.push(DeviceView {
            id,
            node,
            zone: row.try_get("zone")?,
            node_online: of_node == State::Online,
            online,
            free,
            extent,
            tags: tag::merged(outer.unwrap_or(&none), inner.unwrap_or(&none)),
        });
    }
    let view = View { online_nodes: usize::try_from(online).unwrap_or(0), devices };
    Ok(Kept { view, places, changed: BTreeSet::new() })
}

/// What of a device changes as it is used.
struct Space {
    online: bool,
    free: Kib,
    extent: Kib,
}

fn space(row: &SqliteRow) -> Result<Space> {
    let state: State = row::parsed(row, "state")?;
    Ok(Space {
        online: state == State::Online,
        free: row::kib(row, "total_kib")?.minus(row::kib(row, "used_kib")?),
        extent: row::kib(row, "extent_kib")?,
    })
}

/// Reads the rows of devices anew that have changed; false when that is not enough, since a device
/// has come or gone.
///
/// # Errors
/// The database fails.
pub(super) async fn refresh(
    db: &mut SqliteConnection,
    cluster: ClusterId,
    kept: &mut Kept,
) -> Result<bool> {
    if kept.changed.is_empty() {
        return Ok(true);
    }
    let rows = sqlx::query(
        "SELECT d.rowid AS place, d.state, d.total_kib, d.used_kib, d.extent_kib \
         FROM devices d JOIN nodes n ON n.id = d.node \
         WHERE d.rowid IN (SELECT value FROM json_each(?)) AND n.cluster = ? \
         AND n.pending_op IS NULL AND d.pending_op IS NULL",
    )
    .bind(row::to_json(&kept.changed)?)
    .bind(cluster.to_string())
    .fetch_all(db)
    .await?;
    let known = kept.changed.iter().filter(|row| kept.places.contains_key(row)).count();
    if known != rows.len() {
        return Ok(false);
    }
    for row in &rows {
        let place = kept.places.get(&row.try_get("place")?);
        let Some(device) = place.and_then(|at| kept.view.devices.get_mut(*at)) else {
            return Ok(false);
        };
        let Space { online, free, extent } = space(row)?;
        (device.online, device.free, device.extent) = (online, free, extent);
    }
    kept.changed.clear();
    Ok(true)
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
