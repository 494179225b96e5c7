//! From what a person has confirmed to the operation that does it.
use super::{Facts, compare, look, recognise, view::View, volumes::ground};
use crate::{
    api::{
        brick::BrickEvictRequest,
        reality::{Repair, RepairRequest},
    },
    domain::{BrickId, BrickSize, ClusterId, DeviceId, OperationId},
    error::{Error, Result},
    node::names::{BrickLv, group},
    operation::{
        AdoptBrick, AdoptVolume, Any, DeleteVolume, EvictBrick, Operations, RejoinPeer,
        RemoveStray, RestoreBrick, RestoreVolume, ResyncDevice,
    },
    store::Store,
};

/// Looks at everything again, and begins what was confirmed if all is as it was found.
///
/// # Errors
/// 409 when it is not found like that any more; all that refuses the operation.
pub async fn repair(
    store: &Store,
    operations: &Operations,
    request: &RepairRequest,
) -> Result<OperationId> {
    // Nothing is repaired there.
    let facts = look(store, operations.nodes(), None).await?;
    let wanted = request.clone();
    let decided = tokio::task::spawn_blocking(move || decide(&facts, &wanted)).await;
    let operation = decided.unwrap_or_else(|e| Err(Error::Refused(format!("internal error: {e}"))));
    operations.start(operation?).await
}

fn decide(facts: &Facts, request: &RepairRequest) -> Result<Any> {
    let report = compare(facts);
    let Some(found) = report.differences.iter().find(|found| found.id == request.id) else {
        return Err(Error::Conflict(format!(
            "{} is not found any more, or cannot be told now: check again",
            request.id
        )));
    };
    if found.repair.as_ref() != Some(&request.repair) {
        return Err(Error::Conflict(format!(
            "{} has changed since the plan was made: check again",
            request.id
        )));
    }
    operation(facts, &request.repair)
}

fn operation(facts: &Facts, repair: &Repair) -> Result<Any> {
    Ok(match repair {
        Repair::ProbePeer { node } => RejoinPeer::new(*node).into(),
        Repair::ResyncDevice { device } => ResyncDevice::new(*device).into(),
        Repair::RestoreBrick { brick } => RestoreBrick::new(*brick).into(),
        Repair::MoveBrick { brick } => {
            EvictBrick::new(*brick, &BrickEvictRequest::default())?.into()
        }
        Repair::RemoveStray { device, brick } => RemoveStray::new(*device, *brick).into(),
        Repair::DeleteVolume { volume } => DeleteVolume::new(*volume).into(),
        Repair::StartVolume { volume } => RestoreVolume::start(*volume).into(),
        Repair::SetOption { volume, key, value } => {
            RestoreVolume::option(*volume, key, value)?.into()
        }
        Repair::AdoptVolume { name, cluster } => adopt_volume(facts, name, *cluster)?.into(),
        Repair::AdoptBrick { old, new, device } => adopt_brick(facts, *old, *new, *device)?.into(),
    })
}

fn adopt_volume(facts: &Facts, name: &str, cluster: ClusterId) -> Result<AdoptVolume> {
    let view = View::of(facts);
    let (found, _) = view.in_gluster(cluster);
    let report = found.get(name).ok_or_else(Error::id_not_found)?;
    let (_, ids) = view.known_volumes();
    let recognised = recognise::volume(report, cluster, &ground(&view), &ids);
    let found = recognised.map_err(Error::Refused)?;
    Ok(AdoptVolume::new(&found.volume, &found.bricks))
}

/// With the sizes that LVM has.
fn adopt_brick(facts: &Facts, old: BrickId, new: BrickId, device: DeviceId) -> Result<AdoptBrick> {
    let view = View::of(facts);
    let node = facts.after.devices.iter().find(|d| d.id == device).map(|d| d.node);
    let lvs = node.and_then(|node| view.stock(node)).and_then(|stock| stock.lvs.as_ref().ok());
    let lv = BrickLv::new(new, device);
    let find = |name: String| lvs?.iter().find(|l| l.group == group(device) && l.name == name);
    let (Some(volume), Some(pool)) = (find(lv.name()), find(lv.pool())) else {
        return Err(Error::id_not_found());
    };
    let size = BrickSize { brick: volume.size, pool: pool.size, metadata: pool.metadata };
    Ok(AdoptBrick::new(old, &lv, size))
}
