//! What there is, counted: for metrics, which are asked for often. Three statements however much
//! there is, and a row only for what is a series of its own, never for a volume or a brick.
use super::row;
use crate::{
    domain::{ClusterId, DeviceId, DeviceName, Hostname, Kib, NodeId},
    error::Result,
};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};
use std::collections::BTreeMap;

/// All clusters and all nodes, each list by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// What each cluster has.
    pub clusters: Vec<ClusterTotals>,
    /// What each node has.
    pub nodes: Vec<NodeTotals>,
}

/// What a cluster has, as `GET /clusters/{id}` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClusterTotals {
    /// Which one.
    pub id: ClusterId,
    /// Nodes that are neither being added nor removed.
    pub nodes: u64,
    /// Volumes that are neither being created nor deleted.
    pub volumes: u64,
    /// Block volumes that are neither being created nor deleted.
    pub block_volumes: u64,
}

/// What a node has, as `GET /nodes/{id}` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeTotals {
    /// Which one.
    pub id: NodeId,
    /// The cluster it belongs to.
    pub cluster: ClusterId,
    /// Where it takes commands.
    pub manage: Hostname,
    /// How gluster calls it.
    pub storage: Hostname,
    /// Its devices by id, without those being added or removed.
    pub devices: Vec<DeviceTotals>,
}

/// What a device has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceTotals {
    /// Which one.
    pub id: DeviceId,
    /// The path it was added by.
    pub name: DeviceName,
    /// LVM's name of the physical volume; empty when unknown.
    pub pv_uuid: String,
    /// All of the volume group.
    pub total: Kib,
    /// Taken by bricks.
    pub used: Kib,
    /// Bricks on it, also of volumes that are being created or deleted.
    pub bricks: u64,
}

/// Counts everything.
///
/// # Errors
/// The database fails.
pub async fn all(db: &mut SqliteConnection) -> Result<Totals> {
    let clusters = sqlx::query(
        "SELECT c.id, \
         (SELECT count(*) FROM nodes WHERE cluster = c.id AND pending_op IS NULL) AS nodes, \
         (SELECT count(*) FROM volumes WHERE cluster = c.id AND pending_op IS NULL) AS volumes, \
         (SELECT count(*) FROM block_volumes b JOIN volumes v ON v.id = b.hosting \
             WHERE v.cluster = c.id AND b.pending_op IS NULL) AS block_volumes \
         FROM clusters c ORDER BY c.id",
    )
    .fetch_all(&mut *db)
    .await?;
    let clusters = clusters.iter().map(cluster).collect::<Result<_>>()?;
    let mut devices = devices(db).await?;
    let nodes = sqlx::query(
        "SELECT n.id, n.cluster, m.name AS manage, s.name AS storage FROM nodes n \
         JOIN node_hostnames m ON m.node = n.id AND m.kind = 'manage' AND m.position = 0 \
         JOIN node_hostnames s ON s.node = n.id AND s.kind = 'storage' AND s.position = 0 \
         WHERE n.pending_op IS NULL ORDER BY n.id",
    )
    .fetch_all(db)
    .await?;
    let node = |row: &SqliteRow| {
        let id = row::parsed(row, "id")?;
        Ok(NodeTotals {
            id,
            cluster: row::parsed(row, "cluster")?,
            manage: row::parsed(row, "manage")?,
            storage: row::parsed(row, "storage")?,
            devices: devices.remove(&id).unwrap_or_default(),
        })
    };
    Ok(Totals { clusters, nodes: nodes.iter().map(node).collect::<Result<_>>()? })
}

async fn devices(db: &mut SqliteConnection) -> Result<BTreeMap<NodeId, Vec<DeviceTotals>>> {
    let rows = sqlx::query(
        "SELECT node, id, name, pv_uuid, total_kib, used_kib, \
         (SELECT count(*) FROM bricks WHERE device = d.id) AS bricks \
         FROM devices d WHERE pending_op IS NULL ORDER BY id",
    )
    .fetch_all(db)
    .await?;
    let mut all: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for row in &rows {
        let device = DeviceTotals {
            id: row::parsed(row, "id")?,
            name: row::parsed(row, "name")?,
            pv_uuid: row.try_get("pv_uuid")?,
            total: row::kib(row, "total_kib")?,
            used: row::kib(row, "used_kib")?,
            bricks: row.try_get("bricks")?,
        };
        all.entry(row::parsed(row, "node")?).or_default().push(device);
    }
    Ok(all)
}

fn cluster(row: &SqliteRow) -> Result<ClusterTotals> {
    Ok(ClusterTotals {
        id: row::parsed(row, "id")?,
        nodes: row.try_get("nodes")?,
        volumes: row.try_get("volumes")?,
        block_volumes: row.try_get("block_volumes")?,
    })
}
