//! Clusters.
use crate::{
    api::cluster::{ClusterFlags, ClusterInfo, ClusterList},
    domain::ClusterId,
    error::{Error, Result},
    store::{
        Store, block_volumes,
        clusters::{self, Cluster},
        nodes, volumes,
    },
};
use sqlx::SqliteConnection;

/// Makes an empty cluster.
///
/// # Errors
/// The database fails.
///
/// # Cancel safety
/// What was begun is done.
pub async fn create(store: &Store, flags: ClusterFlags) -> Result<ClusterInfo> {
    let cluster = Cluster { id: ClusterId::random(), file: flags.file, block: flags.block };
    let this = store.clone();
    let work = async move {
        let mut tx = this.write().await?;
        clusters::insert(&mut tx, cluster).await?;
        let info = info_of(&mut tx, cluster).await?;
        tx.commit().await?;
        Ok(info)
    };
    store.whole(work).await
}

/// Ids of all clusters.
///
/// # Errors
/// The database fails.
pub async fn list(store: &Store) -> Result<ClusterList> {
    let all = clusters::all(&mut *store.read().await?).await?;
    Ok(ClusterList { clusters: all.iter().map(|cluster| cluster.id).collect() })
}

/// One cluster.
///
/// # Errors
/// 404, or the database fails.
pub async fn info(store: &Store, id: ClusterId) -> Result<ClusterInfo> {
    let mut tx = store.read().await?;
    let cluster = clusters::get(&mut tx, id).await?.ok_or_else(Error::id_not_found)?;
    info_of(&mut tx, cluster).await
}

async fn info_of(db: &mut SqliteConnection, cluster: Cluster) -> Result<ClusterInfo> {
    Ok(ClusterInfo {
        id: cluster.id,
        nodes: nodes::ids_of_cluster(db, cluster.id).await?,
        volumes: volumes::ids_of_cluster(db, cluster.id).await?,
        block: cluster.block,
        file: cluster.file,
        blockvolumes: block_volumes::ids_of_cluster(db, cluster.id).await?,
    })
}

/// Sets both flags.
///
/// # Errors
/// 404, or the database fails.
///
/// # Cancel safety
/// What was begun is done.
pub async fn set_flags(store: &Store, id: ClusterId, flags: ClusterFlags) -> Result<()> {
    let cluster = Cluster { id, file: flags.file, block: flags.block };
    let this = store.clone();
    let work = async move {
        let mut tx = this.write().await?;
        if !clusters::set_flags(&mut tx, cluster).await? {
            return Err(Error::id_not_found());
        }
        tx.commit().await
    };
    store.whole(work).await
}

/// Removes an empty cluster.
///
/// # Errors
/// 404; 409 when it holds anything; the database fails.
///
/// # Cancel safety
/// What was begun is done.
pub async fn delete(store: &Store, id: ClusterId) -> Result<()> {
    let this = store.clone();
    let work = async move {
        let mut tx = this.write().await?;
        clusters::get(&mut tx, id).await?.ok_or_else(Error::id_not_found)?;
        if clusters::holds_anything(&mut tx, id).await? {
            return Err(Error::Conflict(format!(
                "Unable to delete cluster [{id}] because it contains volumes and/or nodes"
            )));
        }
        clusters::delete(&mut tx, id).await?;
        tx.commit().await
    };
    store.whole(work).await
}
