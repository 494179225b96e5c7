//! Operations that a Heketi began and did not finish (storage.md 4.2), put into the journal.
//!
//! Nobody knows how far they are on the nodes, so every step that may have been begun is in doubt:
//! as after a crash of our own, a start takes back what was to be made, and goes on with what was to
//! go.
use super::{Any, CreateVolume, DeleteBlockVolume, DeleteVolume, Operation, runner};
use crate::{
    domain::{BlockVolumeId, OperationId, VolumeId},
    error::{Error, Result},
    store::{
        WriteTx, bricks, claims,
        operations::{self, OpState, StepState},
        volumes,
    },
};

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
    /// To remove this block volume.
    DeleteBlockVolume(BlockVolumeId),
}

/// Why an operation is taken back.
const INTERRUPTED: &str = "Heketi was ended before this operation was done. What it had done is \
                           taken back; please try again";

/// Writes the operation into the journal, with the claims that keep others away.
///
/// # Errors
/// What it has marked is not there, or the database fails.
pub async fn inherit(tx: &mut WriteTx, inherited: &Inherited) -> Result<()> {
    let Inherited { id, created_at, kind } = *inherited;
    let (operation, plan, first, doubted): (Any, _, _, _) = match kind {
        InheritedKind::CreateVolume(volume) => {
            let volume = volumes::get(tx, volume).await?.ok_or_else(Error::id_not_found)?;
            let bricks = bricks::of_operation(tx, id).await?;
            let plan = CreateVolume::steps(tx, &volume, &bricks).await?;
            // All of it, but what puts the finished volume on disk.
            (CreateVolume::of(&volume).into(), plan, 0, 2)
        }
        InheritedKind::DeleteVolume(volume) => {
            let volume = volumes::get(tx, volume).await?.ok_or_else(Error::id_not_found)?;
            let bricks = bricks::of_operation(tx, id).await?;
            let plan = DeleteVolume::steps(tx, &volume, &bricks).await?;
            // Its first stage asks whether anything forbids it, which is asked once more.
            (DeleteVolume::new(volume.id).into(), plan, 1, 2)
        }
        InheritedKind::DeleteBlockVolume(block) => {
            let operation = DeleteBlockVolume::new(block);
            let plan = operation.steps(tx).await?;
            (operation.into(), plan, 0, 1)
        }
    };
    let params = serde_json::to_string(&operation)?;
    operations::insert_at(tx, id, operation.kind(), &params, created_at).await?;
    for resource in operation.claims() {
        claims::take(tx, &resource, id).await?;
    }
    runner::write_plan(tx, id, &plan, false).await?;
    let stages = plan.iter().enumerate();
    let stages = stages.flat_map(|(stage, steps)| steps.iter().map(move |_| stage));
    for (seq, stage) in stages.enumerate() {
        if (first..doubted).contains(&stage) {
            operations::set_step(tx, id, seq, StepState::Running, None).await?;
        }
    }
    if matches!(kind, InheritedKind::CreateVolume(_)) {
        operations::end_attempts(tx, id).await?;
        operations::set_state(tx, id, OpState::Unwinding, Some(INTERRUPTED)).await?;
    }
    Ok(())
}
