//! The snapshot of a cluster that is handed to the placement.
use super::{devices, nodes};
use crate::{
    domain::{ClusterId, State, tag},
    error::Result,
    placement::{DeviceView, View},
};
use sqlx::SqliteConnection;

/// All nodes and devices of the cluster that are not being added or removed.
///
/// # Errors
/// The database fails.
pub async fn of_cluster(db: &mut SqliteConnection, cluster: ClusterId) -> Result<View> {
    let mut view = View::default();
    for node in nodes::of_cluster(db, cluster).await? {
        let node_online = node.state == State::Online;
        view.online_nodes += usize::from(node_online);
        for device in devices::of_node(db, node.id).await? {
            view.devices.push(DeviceView {
                id: device.id,
                node: node.id,
                zone: node.zone,
                node_online,
                online: device.state == State::Online,
                free: device.total.minus(device.used),
                extent: device.extent,
                tags: tag::merged(&node.tags, &device.tags),
            });
        }
    }
    Ok(view)
}
