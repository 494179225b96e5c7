//! Rows of devices, with their tags. Free space is what is not used.
use super::{WriteTx, row};
use crate::{
    domain::{DeviceFacts, DeviceId, DeviceName, Kib, NodeId, OperationId, State, Tags},
    error::{Error, Result},
};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

/// A device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its identity.
    pub id: DeviceId,
    /// The node that has it.
    pub node: NodeId,
    /// The path it was added by.
    pub name: DeviceName,
    /// Whether new bricks may go to it.
    pub state: State,
    /// All of the volume group.
    pub total: Kib,
    /// Taken by bricks.
    pub used: Kib,
    /// LVM's extent size.
    pub extent: Kib,
    /// LVM's name of the physical volume; empty when unknown.
    pub pv_uuid: String,
    /// All paths it is known by.
    pub paths: Vec<String>,
    /// Free key-value pairs.
    pub tags: Tags,
    /// The operation that adds or removes it.
    pub pending: Option<OperationId>,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT d.id, d.node, d.name, d.state, d.total_kib, d.used_kib, d.extent_kib, \
             d.pv_uuid, d.paths, d.pending_op, \
             (SELECT json_group_object(name, value) FROM device_tags WHERE device = d.id) AS tags \
             FROM devices d ",
            $rest
        )
    };
}

fn read(row: &SqliteRow) -> Result<Device> {
    Ok(Device {
        id: row::parsed(row, "id")?,
        node: row::parsed(row, "node")?,
        name: row::parsed(row, "name")?,
        state: row::parsed(row, "state")?,
        total: row::kib(row, "total_kib")?,
        used: row::kib(row, "used_kib")?,
        extent: row::kib(row, "extent_kib")?,
        pv_uuid: row.try_get("pv_uuid")?,
        paths: row::json(row, "paths")?,
        tags: row::json(row, "tags")?,
        pending: row::parsed_opt(row, "pending_op")?,
    })
}

/// Adds a device with its tags.
///
/// # Errors
/// The database fails.
pub async fn insert(tx: &mut WriteTx, device: &Device) -> Result<()> {
    sqlx::query(
        "INSERT INTO devices (id, node, name, state, total_kib, used_kib, extent_kib, pv_uuid, \
         paths, pending_op) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(device.id.to_string())
    .bind(device.node.to_string())
    .bind(device.name.as_str())
    .bind(device.state.as_str())
    .bind(row::integer(device.total.0))
    .bind(row::integer(device.used.0))
    .bind(row::integer(device.extent.0))
    .bind(&device.pv_uuid)
    .bind(row::to_json(&device.paths)?)
    .bind(device.pending.map(|op| op.to_string()))
    .execute(&mut **tx)
    .await?;
    set_tags(tx, device.id, &device.tags).await
}

/// The device of this id, pending or not.
///
/// # Errors
/// The database fails.
pub async fn get(db: &mut SqliteConnection, id: DeviceId) -> Result<Option<Device>> {
    let found =
        sqlx::query(select!("WHERE d.id = ?")).bind(id.to_string()).fetch_optional(db).await?;
    found.as_ref().map(read).transpose()
}

/// The device of this id, unless it is being added or removed.
///
/// # Errors
/// 404 when there is none; the database fails.
pub async fn get_settled(db: &mut SqliteConnection, id: DeviceId) -> Result<Device> {
    get(db, id).await?.filter(|d| d.pending.is_none()).ok_or_else(Error::id_not_found)
}

/// All devices of a node by id, without those being added or removed.
///
/// # Errors
/// The database fails.
pub async fn of_node(db: &mut SqliteConnection, node: NodeId) -> Result<Vec<Device>> {
    let rows = sqlx::query(select!("WHERE d.node = ? AND d.pending_op IS NULL ORDER BY d.id"))
        .bind(node.to_string())
        .fetch_all(db)
        .await?;
    rows.iter().map(read).collect()
}

/// Devices of a node that are being added or deleted, and by whom.
///
/// # Errors
/// The database fails.
pub async fn pending_of_node(
    db: &mut SqliteConnection,
    node: NodeId,
) -> Result<Vec<(DeviceId, OperationId)>> {
    let rows = sqlx::query(
        "SELECT id, pending_op FROM devices WHERE node = ? AND pending_op IS NOT NULL ORDER BY id",
    )
    .bind(node.to_string())
    .fetch_all(db)
    .await?;
    rows.iter().map(|r| Ok((row::parsed(r, "id")?, row::parsed(r, "pending_op")?))).collect()
}

/// The devices of all nodes by id, those being added or removed included.
///
/// # Errors
/// The database fails.
pub async fn all(db: &mut SqliteConnection) -> Result<Vec<Device>> {
    let rows = sqlx::query(select!("ORDER BY d.id")).fetch_all(db).await?;
    rows.iter().map(read).collect()
}

/// The device that a node has under this path already, pending or not.
///
/// # Errors
/// The database fails.
pub async fn by_name(
    db: &mut SqliteConnection,
    node: NodeId,
    name: &DeviceName,
) -> Result<Option<Device>> {
    let found = sqlx::query(select!("WHERE d.node = ? AND d.name = ?"))
        .bind(node.to_string())
        .bind(name.as_str())
        .fetch_optional(db)
        .await?;
    found.as_ref().map(read).transpose()
}

/// Whether the node has any device, pending ones included.
///
/// # Errors
/// The database fails.
pub async fn any_on(db: &mut SqliteConnection, node: NodeId) -> Result<bool> {
    Ok(sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM devices WHERE node = ?)")
        .bind(node.to_string())
        .fetch_one(db)
        .await?)
}

/// The UUIDs of all physical volumes we use, also of those just being set up on this node; an
/// empty one where it is unknown.
///
/// # Errors
/// The database fails.
pub async fn known_uuids(
    db: &mut SqliteConnection,
    node: NodeId,
) -> Result<Vec<(DeviceId, String)>> {
    let rows = sqlx::query(
        "SELECT id, pv_uuid FROM devices WHERE pending_op IS NULL OR node = ? ORDER BY id",
    )
    .bind(node.to_string())
    .fetch_all(db)
    .await?;
    rows.iter().map(|r| Ok((row::parsed(r, "id")?, r.try_get("pv_uuid")?))).collect()
}

/// Sets the state.
///
/// # Errors
/// The database fails.
pub async fn set_state(tx: &mut WriteTx, id: DeviceId, state: State) -> Result<()> {
    sqlx::query("UPDATE devices SET state = ? WHERE id = ?")
        .bind(state.as_str())
        .bind(id.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Sets what LVM says of a device that was just set up.
///
/// # Errors
/// The database fails.
pub async fn set_facts(tx: &mut WriteTx, id: DeviceId, facts: &DeviceFacts) -> Result<()> {
    sqlx::query("UPDATE devices SET extent_kib = ?, pv_uuid = ?, paths = ? WHERE id = ?")
        .bind(row::integer(facts.extent.0))
        .bind(&facts.pv_uuid)
        .bind(row::to_json(&facts.paths)?)
        .bind(id.to_string())
        .execute(&mut **tx)
        .await?;
    set_space(tx, id, facts.total, facts.used).await
}

/// Sets total and used space, as LVM sees them.
///
/// # Errors
/// The database fails.
pub async fn set_space(tx: &mut WriteTx, id: DeviceId, total: Kib, used: Kib) -> Result<()> {
    sqlx::query("UPDATE devices SET total_kib = ?, used_kib = ? WHERE id = ?")
        .bind(row::integer(total.0))
        .bind(row::integer(used.0))
        .bind(id.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Replaces all tags.
///
/// # Errors
/// The database fails.
pub async fn set_tags(tx: &mut WriteTx, id: DeviceId, tags: &Tags) -> Result<()> {
    sqlx::query("DELETE FROM device_tags WHERE device = ?")
        .bind(id.to_string())
        .execute(&mut **tx)
        .await?;
    sqlx::query(
        "INSERT INTO device_tags (device, name, value) SELECT ?, key, value FROM json_each(?)",
    )
    .bind(id.to_string())
    .bind(row::to_json(tags)?)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Marks the device as belonging to an operation, or to none.
///
/// # Errors
/// The database fails.
pub async fn set_pending(tx: &mut WriteTx, id: DeviceId, by: Option<OperationId>) -> Result<()> {
    sqlx::query("UPDATE devices SET pending_op = ? WHERE id = ?")
        .bind(by.map(|op| op.to_string()))
        .bind(id.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Removes the device with its tags.
///
/// # Errors
/// Bricks lie on it, or the database fails.
pub async fn delete(tx: &mut WriteTx, id: DeviceId) -> Result<()> {
    sqlx::query("DELETE FROM devices WHERE id = ?").bind(id.to_string()).execute(&mut **tx).await?;
    Ok(())
}
