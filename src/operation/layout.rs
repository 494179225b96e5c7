//! Which bricks of a volume belong together, where only gluster knows.
//!
//! Heketi keeps no order of bricks: what it exported of a volume with several sets does not tell
//! which of them hold the same data (storage.md 5.3). gluster lists them set by set.
use super::{
    planning::{address, pool},
    step,
};
use crate::{
    domain::{BrickId, VolumeId},
    error::{Error, Result},
    node::{Nodes, gluster::VolumeState},
    store::{
        Store, WriteTx,
        bricks::{self, Brick},
        volumes::{self, Volume},
    },
};
use std::collections::BTreeSet;

/// The bricks in gluster's order, if the database does not know it.
///
/// # Errors
/// No node answers; gluster has other bricks than the database.
pub(super) async fn look(
    store: &Store,
    nodes: &Nodes,
    volume: VolumeId,
) -> Result<Option<Vec<BrickId>>> {
    let (volume, bricks, pool) = {
        let mut tx = store.read().await?;
        let bricks = bricks::of_volume(&mut tx, volume).await?;
        let Some(volume) = volumes::get(&mut tx, volume).await? else { return Ok(None) };
        if bricks.iter().all(is_placed) {
            return Ok(None);
        }
        let pool = pool(&mut tx, volume.cluster, &bricks).await?;
        (volume, bricks, pool)
    };
    let found = step::volume_state(nodes, &pool, &volume.name).await?.unwrap_or_default();
    order(&found, &bricks).map(Some).ok_or_else(|| {
        let (name, there, known) = (&volume.name, found.bricks.len(), bricks.len());
        Error::Refused(format!(
            "which bricks of volume {name} belong together cannot be told: gluster has {there} \
             bricks of it, the database {known}, and they are not the same; compare them with \
             `heketi-cli server state examine gluster`"
        ))
    })
}

/// Whether its set, and its place there, are known.
fn is_placed(brick: &Brick) -> bool {
    brick.set_index >= 0 && brick.position >= 0
}

fn order(found: &VolumeState, bricks: &[Brick]) -> Option<Vec<BrickId>> {
    let brick = |text: &String| {
        let named = |b: &&Brick| address(b).to_string() == *text;
        bricks.iter().find(named).map(|b| b.id)
    };
    let order: Vec<_> = found.bricks.iter().map(brick).collect::<Option<_>>()?;
    let different: BTreeSet<_> = order.iter().collect();
    (different.len() == bricks.len() && order.len() == bricks.len()).then_some(order)
}

/// Takes over what the look has found, unless the bricks have changed since.
///
/// # Errors
/// They have; the database fails.
pub(super) async fn learn(
    tx: &mut WriteTx,
    volume: &Volume,
    order: Option<&[BrickId]>,
) -> Result<()> {
    let Some(order) = order else { return Ok(()) };
    let known = bricks::of_volume(tx, volume.id).await?;
    let same = known.len() == order.len() && known.iter().all(|brick| order.contains(&brick.id));
    if same { arrange(tx, volume, order).await } else { Err(Error::InUse) }
}

/// Puts these bricks of a volume into their places: all that gluster has of it, in its order.
///
/// # Errors
/// The database fails.
pub(super) async fn arrange(tx: &mut WriteTx, volume: &Volume, order: &[BrickId]) -> Result<()> {
    let in_set = volume.effective().bricks_in_set();
    let places =
        (0_i64..).flat_map(|set| (0_i64..).take(in_set).map(move |position| (set, position)));
    for (id, place) in order.iter().zip(places) {
        bricks::set_place(tx, *id, place).await?;
    }
    Ok(())
}

/// Why something cannot be done with a volume whose order is not known.
pub(super) fn unknown(volume: VolumeId) -> Error {
    Error::Refused(format!(
        "Volume {volume} was imported, and which of its bricks belong together is not known"
    ))
}
