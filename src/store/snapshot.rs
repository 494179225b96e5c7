//! The whole database at one moment, as values: for dumps and checks, and to fill an empty one.
use super::{
    ReadTx, WriteTx,
    block_hosting::{self, Hosting},
    block_volumes::{self, BlockVolume},
    bricks::{self, NewBrick},
    clusters::{self, Cluster},
    debris,
    devices::{self, Device},
    nodes::{self, Node},
    operations::{self, OperationRow},
    row,
    volumes::{self, Volume},
};
use crate::{
    domain::{
        BrickId, BrickSize, ClonedLv, DeviceId, Kib, NodeId, OperationId, Part, VolumeId, brick,
    },
    error::Result,
};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};
use std::collections::BTreeMap;

/// Everything that is known; every list is sorted by id, but operations by their age.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Clusters.
    pub clusters: Vec<Cluster>,
    /// Nodes, those being added or removed included.
    pub nodes: Vec<Node>,
    /// Devices, those being added or removed included.
    pub devices: Vec<Device>,
    /// Volumes, pending ones included.
    pub volumes: Vec<Volume>,
    /// Bricks, pending ones included.
    pub bricks: Vec<StoredBrick>,
    /// What hosting volumes have to give.
    pub hosting: BTreeMap<VolumeId, Hosting>,
    /// Block volumes, pending ones included.
    pub block_volumes: Vec<BlockVolume>,
    /// Space that is taken by what is left of bricks, by device.
    pub debris: BTreeMap<DeviceId, Kib>,
    /// Operations that are not at rest.
    pub operations: Vec<OperationRow>,
    /// Facts about the database itself, as Heketi has them.
    pub attributes: BTreeMap<String, String>,
}

/// A brick's row as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBrick {
    /// Its identity.
    pub id: BrickId,
    /// The volume it belongs to.
    pub volume: VolumeId,
    /// The device it lies on.
    pub device: DeviceId,
    /// The node of that device.
    pub node: NodeId,
    /// The directory that gluster is given; empty for what Heketi's defects left behind.
    pub path: String,
    /// Its sizes. Those of the pool are 0 when another brick in the pool has them.
    pub size: BrickSize,
    /// What it holds.
    pub part: Part,
    /// Its names, if they do not follow from its id.
    pub cloned: Option<ClonedLv>,
    /// Which set of the volume, from 0; below when only gluster knows.
    pub set_index: i64,
    /// Which brick of the set, from 0; below when only gluster knows.
    pub position: i64,
    /// The operation that makes or removes it.
    pub pending: Option<OperationId>,
}

impl StoredBrick {
    /// The thin pool that it lies in.
    #[must_use]
    pub fn pool(&self) -> String {
        brick::pool_of(self.id, self.cloned.as_ref())
    }
}

fn read(row: &SqliteRow) -> Result<StoredBrick> {
    Ok(StoredBrick {
        id: row::parsed(row, "id")?,
        volume: row::parsed(row, "volume")?,
        device: row::parsed(row, "device")?,
        node: row::parsed(row, "node")?,
        size: bricks::size(row)?,
        part: bricks::part(row)?,
        cloned: bricks::names(row)?,
        path: row.try_get("path")?,
        set_index: row.try_get("set_index")?,
        position: row.try_get("position")?,
        pending: row::parsed_opt(row, "pending_op")?,
    })
}

/// Reads everything. The transaction ends with it, so that on file systems without WAL a writer
/// waits no longer than for the reading itself.
///
/// # Errors
/// The database fails.
pub async fn take(mut tx: ReadTx) -> Result<Snapshot> {
    let mut operations = vec![];
    for id in operations::unfinished(&mut tx).await? {
        operations.extend(operations::load(&mut tx, id).await?);
    }
    Ok(Snapshot {
        clusters: clusters::all(&mut tx).await?,
        nodes: nodes::all(&mut tx).await?,
        devices: devices::all(&mut tx).await?,
        volumes: volumes::all(&mut tx).await?,
        bricks: stored(&mut tx).await?,
        hosting: block_hosting::all(&mut tx).await?,
        block_volumes: block_volumes::all(&mut tx).await?,
        debris: debris::space(&mut tx).await?,
        operations,
        attributes: attributes(&mut tx).await?,
    })
}

async fn stored(db: &mut SqliteConnection) -> Result<Vec<StoredBrick>> {
    let rows = sqlx::query(
        "SELECT b.*, d.node FROM bricks b JOIN devices d ON d.id = b.device ORDER BY b.id",
    )
    .fetch_all(db)
    .await?;
    rows.iter().map(read).collect()
}

async fn attributes(db: &mut SqliteConnection) -> Result<BTreeMap<String, String>> {
    let rows = sqlx::query("SELECT key, value FROM attributes").fetch_all(db).await?;
    let mut all = BTreeMap::new();
    for row in rows {
        let (key, value): (String, String) = (row.try_get("key")?, row.try_get("value")?);
        if !key.starts_with(super::mode::OURS) {
            all.insert(key, value);
        }
    }
    Ok(all)
}

/// Fills an empty database. What marks objects as belonging to an operation is kept: whoever has
/// such marks writes these operations as well. Neither these nor what is left of bricks are taken
/// over; the attributes stay those of the new database.
///
/// # Errors
/// The database fails, or is not empty.
pub async fn put(tx: &mut WriteTx, snapshot: &Snapshot) -> Result<()> {
    for cluster in &snapshot.clusters {
        clusters::insert(tx, *cluster).await?;
    }
    for node in &snapshot.nodes {
        nodes::insert(tx, node).await?;
    }
    for device in &snapshot.devices {
        devices::insert(tx, device).await?;
    }
    for volume in &snapshot.volumes {
        volumes::insert(tx, volume).await?;
    }
    for (id, hosting) in &snapshot.hosting {
        block_hosting::set(tx, *id, hosting.reserved, hosting.restriction).await?;
    }
    for block in &snapshot.block_volumes {
        block_volumes::insert(tx, block).await?;
    }
    for brick in &snapshot.bricks {
        bricks::insert_row(tx, &brick.row()).await?;
    }
    Ok(())
}

impl StoredBrick {
    /// Its row in another database.
    fn row(&self) -> NewBrick {
        NewBrick {
            id: self.id,
            volume: self.volume,
            device: self.device,
            path: self.path.clone(),
            size: self.size,
            part: self.part,
            set_index: self.set_index,
            position: self.position,
            cloned: self.cloned.clone(),
            pending: self.pending,
            replaces: None,
        }
    }
}
