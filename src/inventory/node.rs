//! Nodes.
use super::{changed, check, device};
use crate::{
    api::node::{Hostnames, NodeInfo, TagsChangeRequest},
    domain::{NodeId, Tags},
    error::Result,
    store::{Store, devices, nodes},
};

/// One node with its devices and their bricks.
///
/// # Errors
/// 404, or the database fails.
pub async fn info(store: &Store, id: NodeId) -> Result<NodeInfo> {
    let mut tx = store.read().await?;
    let node = nodes::get_settled(&mut tx, id).await?;
    let mut all = vec![];
    for device in devices::of_node(&mut tx, id).await? {
        all.push(device::info_of(&mut tx, device).await?);
    }
    let text = |names: &[crate::domain::Hostname]| names.iter().map(ToString::to_string).collect();
    Ok(NodeInfo {
        zone: node.zone,
        hostnames: Hostnames { manage: text(&node.manage), storage: text(&node.storage) },
        cluster: node.cluster,
        tags: node.tags,
        id: node.id,
        state: node.state,
        devices: all,
    })
}

/// Changes the tags; all of them after the change.
///
/// # Errors
/// 400, 404, or the database fails.
///
/// # Cancel safety
/// What was begun is done.
pub async fn change_tags(store: &Store, id: NodeId, change: TagsChangeRequest) -> Result<Tags> {
    check(&change)?;
    let this = store.clone();
    let work = async move {
        let mut tx = this.write().await?;
        let tags = changed(nodes::get_settled(&mut tx, id).await?.tags, change);
        nodes::set_tags(&mut tx, id, &tags).await?;
        tx.commit().await?;
        Ok(tags)
    };
    store.whole(work).await
}
