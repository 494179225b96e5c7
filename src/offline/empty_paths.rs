//! `db delete-bricks-with-empty-path`
use super::{Database, note};
use crate::{
    domain::{ClusterId, DeviceId, NodeId},
    store::{
        Store,
        bricks::{self, Brick},
        nodes,
    },
};
use anyhow::{Result, bail};
use clap::Args;

/// What `db delete-bricks-with-empty-path` takes.
#[derive(Debug, Args)]
pub struct DeleteBricksWithEmptyPath {
    #[command(flatten)]
    pub(super) database: Database,
    /// Of all clusters
    #[arg(long)]
    all: bool,
    /// Of these clusters
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    clusters: Vec<ClusterId>,
    /// Of these nodes
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    nodes: Vec<NodeId>,
    /// Of these devices
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    devices: Vec<DeviceId>,
}

impl DeleteBricksWithEmptyPath {
    pub(super) async fn run(self) -> Result<()> {
        let none = self.clusters.is_empty() && self.nodes.is_empty() && self.devices.is_empty();
        if !self.all && none {
            bail!("say which: --all, or some of --clusters, --nodes and --devices");
        }
        let store = self.database.open().await?;
        let gone = self.delete(&store).await?;
        store.close().await;
        for brick in &gone {
            note(&format!(
                "brick {} of volume {} on device {} is gone, which had {}",
                brick.id,
                brick.volume,
                brick.device,
                brick.size.total()
            ));
        }
        note(&format!("{} brick(s) without a path removed", gone.len()));
        Ok(())
    }

    /// Those of an operation stay: it has its own way to an end.
    async fn delete(&self, store: &Store) -> Result<Vec<Brick>> {
        let mut tx = store.write().await?;
        let mut gone = vec![];
        for brick in bricks::without_path(&mut tx).await? {
            if self.names(&brick, nodes::get(&mut tx, brick.node).await?.map(|n| n.cluster)) {
                // Others in its pool still need the space.
                let alone = bricks::pool_mates(&mut tx, &brick).await?.is_empty();
                bricks::delete(&mut tx, &brick, alone).await?;
                gone.push(brick);
            }
        }
        tx.commit().await?;
        Ok(gone)
    }

    fn names(&self, brick: &Brick, cluster: Option<ClusterId>) -> bool {
        self.all
            || self.devices.contains(&brick.device)
            || self.nodes.contains(&brick.node)
            || cluster.is_some_and(|cluster| self.clusters.contains(&cluster))
    }
}
