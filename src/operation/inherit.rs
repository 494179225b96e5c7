//! Operations that a Heketi began and did not finish (storage.md 4.2), put into the journal.
//!
//! Nobody knows how far they are on the nodes. What was to be made is taken back and what was to go
//! goes, as after a crash of our own: every step that may have been begun is in doubt. What was to
//! change in use is asked about first: gluster decides whether it is finished or taken back.
use super::{
    Any, CreateBlockVolume, CreateVolume, DeleteBlockVolume, DeleteVolume, Operation, Plan,
    SettleBlockExpansion, SettleEviction, SettleExpansion,
    journal::Record,
    planning::{destroy_steps, members, pool},
    runner,
    step::{FindBricks, Found, KnownBrick, Output, ProveUnused, Question, Step},
};
use crate::{
    domain::{BlockVolumeId, BrickId, DeviceId, Gib, OperationId, VolumeId},
    error::{Error, Result},
    store::{
        WriteTx, block_volumes,
        bricks::{self, Brick},
        claims,
        operations::{self, OpState, StepState},
        volumes::{self, Volume},
    },
};
use std::ops::Range;

/// One of them. The rows that it has marked are in the database already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inherited {
    /// Its identity, by which the rows are marked.
    pub id: OperationId,
    /// When it was accepted, seconds since 1970.
    pub created_at: i64,
    /// What it does.
    pub kind: InheritedKind,
}

/// What Heketi had begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InheritedKind {
    /// To make this volume.
    CreateVolume(VolumeId),
    /// To remove this volume.
    DeleteVolume(VolumeId),
    /// To give this volume the bricks that are marked.
    ExpandVolume {
        /// The volume.
        volume: VolumeId,
        /// What it was to be larger by.
        by: Gib,
    },
    /// To make this block volume.
    CreateBlockVolume {
        /// The block volume.
        block: BlockVolumeId,
        /// The volume that was made for it.
        hosting: Option<VolumeId>,
    },
    /// To remove this block volume.
    DeleteBlockVolume(BlockVolumeId),
    /// To make this block volume larger; it holds the new size.
    ExpandBlockVolume {
        /// The block volume.
        block: BlockVolumeId,
        /// The size it was to have.
        to: Gib,
    },
    /// To move this brick.
    EvictBrick {
        /// Of this volume.
        volume: VolumeId,
        /// The brick.
        old: BrickId,
        /// The one that was to take its place; before it had one, nothing was done on any node.
        new: Option<BrickId>,
    },
    /// To make a volume of another; of the new one Heketi has not even kept the name.
    CloneVolume {
        /// The other.
        source: VolumeId,
        /// The new one.
        clone: VolumeId,
    },
    /// To move all bricks of this device, one after another, each by an operation of its own.
    RemoveDevice(DeviceId),
}

impl InheritedKind {
    /// Whether nothing is done about it: the database is as if it had never been begun.
    #[must_use]
    pub fn is_forgotten(self) -> bool {
        matches!(
            self,
            Self::EvictBrick { new: None, .. } | Self::CloneVolume { .. } | Self::RemoveDevice(_)
        )
    }
}

/// Why an operation is taken back.
pub(super) const INTERRUPTED: &str = "Heketi was ended before this operation was done. What it \
                                      had done is taken back; please try again";

/// Writes the operation into the journal, with the claims that keep others away; one that is
/// forgotten is not written.
///
/// # Errors
/// What it has marked is not there, or the database fails.
pub async fn inherit(tx: &mut WriteTx, inherited: &Inherited) -> Result<()> {
    let Some((operation, plan, doubted)) = planned(tx, inherited).await? else { return Ok(()) };
    let Inherited { id, created_at, .. } = *inherited;
    let params = serde_json::to_string(&operation)?;
    operations::insert_at(tx, id, operation.kind(), &params, created_at).await?;
    for resource in operation.claims() {
        claims::take(tx, &resource, id).await?;
    }
    runner::write_plan(tx, id, &plan, false).await?;
    let stages = plan.iter().enumerate();
    let stages = stages.flat_map(|(stage, steps)| steps.iter().map(move |_| stage));
    for (seq, stage) in stages.enumerate() {
        if doubted.contains(&stage) {
            operations::set_step(tx, id, seq, StepState::Running, None).await?;
        }
    }
    if matches!(operation, Any::CreateVolume(_) | Any::CreateBlockVolume(_)) {
        operations::end_attempts(tx, id).await?;
        operations::set_state(tx, id, OpState::Unwinding, Some(INTERRUPTED)).await?;
    }
    Ok(())
}

/// The operation with its steps, and those of its stages that may have been begun.
async fn planned(
    tx: &mut WriteTx,
    inherited: &Inherited,
) -> Result<Option<(Any, Plan, Range<usize>)>> {
    let id = inherited.id;
    Ok(Some(match inherited.kind {
        InheritedKind::CreateVolume(volume) => {
            let (volume, bricks) = volume_of(tx, volume, id).await?;
            let plan = CreateVolume::steps(tx, &volume, &bricks).await?;
            // All of it, but what puts the finished volume on disk.
            (CreateVolume::of(&volume).into(), plan, 0..2)
        }
        InheritedKind::DeleteVolume(volume) => {
            let (volume, bricks) = volume_of(tx, volume, id).await?;
            let plan = DeleteVolume::steps(tx, &volume, &bricks).await?;
            // Its first stage asks whether anything forbids it, which is asked once more.
            (DeleteVolume::new(volume.id).into(), plan, 1..2)
        }
        InheritedKind::ExpandVolume { volume, by } => {
            let (volume, bricks) = volume_of(tx, volume, id).await?;
            let bricks = bricks.iter().map(|brick| brick.id).collect();
            let operation = SettleExpansion::new(volume.id, by, bricks);
            let plan = operation.steps(tx).await?;
            (operation.into(), plan, 0..0)
        }
        InheritedKind::CreateBlockVolume { block, hosting } => {
            let block = block_volumes::get(tx, block).await?.ok_or_else(Error::id_not_found)?;
            let new = match hosting {
                Some(hosting) => Some(volume_of(tx, hosting, id).await?),
                None => None,
            };
            let plan = CreateBlockVolume::inherited_steps(tx, &block, new).await?;
            let all = 0..plan.len();
            (CreateBlockVolume::of(&block, hosting).into(), plan, all)
        }
        InheritedKind::DeleteBlockVolume(block) => {
            let operation = DeleteBlockVolume::new(block);
            let plan = operation.steps(tx).await?;
            (operation.into(), plan, 0..1)
        }
        InheritedKind::ExpandBlockVolume { block, to } => {
            let operation = SettleBlockExpansion::new(block, to);
            let plan = operation.steps(tx).await?;
            (operation.into(), plan, 0..0)
        }
        InheritedKind::EvictBrick { volume, old, new: Some(new) } => {
            let place = bricks::get(tx, old).await?.ok_or_else(Error::id_not_found)?;
            bricks::set_place(tx, new, (place.set_index, place.position)).await?;
            bricks::set_replaces(tx, new, old).await?;
            let operation = SettleEviction::new(volume, old, new);
            let plan = operation.steps(tx).await?;
            (operation.into(), plan, 0..0)
        }
        InheritedKind::EvictBrick { new: None, .. }
        | InheritedKind::CloneVolume { .. }
        | InheritedKind::RemoveDevice(_) => return Ok(None),
    }))
}

/// A volume, and the bricks that the operation has marked.
async fn volume_of(
    tx: &mut WriteTx,
    volume: VolumeId,
    by: OperationId,
) -> Result<(Volume, Vec<Brick>)> {
    let volume = volumes::get(tx, volume).await?.ok_or_else(Error::id_not_found)?;
    Ok((volume, bricks::of_operation(tx, by).await?))
}

/// What asks gluster about bricks of this volume.
///
/// # Errors
/// The database fails.
pub(super) async fn finds(
    tx: &mut WriteTx,
    volume: &Volume,
    question: Question,
) -> Result<FindBricks> {
    // In any order, and those of a move as well.
    let bricks = bricks::in_order(tx, volume.id).await?;
    Ok(FindBricks {
        pool: pool(tx, volume.cluster, &bricks).await?,
        id: volume.id,
        name: volume.name.clone(),
        members: members(tx, volume.cluster).await?,
        bricks: bricks.into_iter().map(|b| KnownBrick { id: b.id, path: b.path }).collect(),
        question,
    })
}

/// What gluster has said; none when that has been acted upon.
pub(super) fn found(record: &Record) -> Option<&Found> {
    record.steps.iter().find_map(|step| match &step.output {
        Output::Found(found) => Some(found),
        _ => None,
    })
}

/// What removes bricks that gluster has not taken, and then asks once more.
pub(super) fn takes_back(new: &[Brick], find: FindBricks) -> Plan {
    vec![destroy_steps(new), vec![Step::ProveUnused(ProveUnused { find })]]
}
