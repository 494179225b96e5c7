//! What operations on volumes share: candidates, bricks, steps.
use super::{
    Planning,
    journal::{Record, StepRecord},
    step::{BrickPlace, CreateBrick, DestroyBrick, FlushBrick, Output, Pool, Step},
};
use crate::{
    domain::{
        BrickId, ClusterId, Durability, Hostname, Kib, NodeId, OperationId, VolumeId,
        option::Steering,
    },
    error::{Error, Result},
    node::{gluster::BrickAddress, names::BrickLv},
    placement::{
        self, Placement,
        rule::{Rules, TagMatch},
    },
    store::{
        WriteTx,
        bricks::{self, Brick, NewBrick},
        clusters::{self, Cluster},
        debris,
        nodes::{self, NameKind},
        views,
        volumes::Volume,
    },
};
use sqlx::SqliteConnection;
use std::collections::BTreeSet;

impl Planning<'_> {
    /// The nodes to leave out, the better choice first: those that failed in an earlier attempt
    /// and those that are unwell; then only the former, since the latter may have recovered.
    ///
    /// # Errors
    /// The database fails.
    pub(super) async fn avoids(&self, tx: &mut WriteTx) -> Result<Vec<BTreeSet<NodeId>>> {
        let mut both = self.avoid.clone();
        for host in self.unwell {
            both.extend(nodes::by_name(tx, NameKind::Manage, host).await?);
        }
        let once = both == *self.avoid;
        Ok(if once { vec![both] } else { vec![both, self.avoid.clone()] })
    }
}

/// The clusters that a request names, in its order, or all of them.
///
/// # Errors
/// 400 when there are none, or one that is named does not exist (api.md 11.1, 12).
pub(super) async fn candidates(tx: &mut WriteTx, named: &[String]) -> Result<Vec<Cluster>> {
    let all = clusters::all(tx).await?;
    if all.is_empty() {
        return Err(Error::Invalid("No clusters configured".into()));
    }
    if named.is_empty() {
        return Ok(all);
    }
    let find = |id: &String| {
        let parsed = id.parse::<ClusterId>().ok();
        let found = all.iter().find(|c| Some(c.id) == parsed).copied();
        found.ok_or_else(|| Error::Invalid(format!("Cluster id {id} not found")))
    };
    named.iter().map(find).collect()
}

/// The request to the placement for so much of a volume.
///
/// # Errors
/// 500 for a tag matching rule that makes no sense, as Heketi answers it.
pub(super) fn placement_request(
    volume: &Volume,
    size: Kib,
    existing_bricks: usize,
    avoid: &BTreeSet<NodeId>,
    planning: &Planning<'_>,
) -> Result<placement::Request> {
    let steering = Steering::of(&volume.options);
    let settings = planning.settings;
    let tag_match = steering.device_tag_match.as_deref().map(str::parse::<TagMatch>).transpose();
    let strict_zones = match steering.zone_checking.as_deref() {
        Some("strict") => true,
        Some("none") => false,
        Some(other) => {
            tracing::warn!(volume = %volume.id, value = other, "unknown zone checking: none is done");
            false
        }
        None => settings.strict_zones,
    };
    let average = steering.average_file_size.unwrap_or(settings.average_file_size);
    let replica_3 = volume.effective() == Durability::Replicate { replica: 3 };
    Ok(placement::Request {
        size,
        durability: volume.effective(),
        snapshot_factor: volume.snapshot_factor(),
        arbiter: (steering.arbiter && replica_3).then_some(average),
        existing_bricks,
        limits: settings.limits,
        rules: Rules {
            strict_zones,
            tag_match: tag_match.map_err(|e| Error::Refused(e.to_string()))?,
        },
        avoid: avoid.clone(),
        seed: volume.id.as_u128(),
    })
}

/// Finds a place in the cluster.
///
/// # Errors
/// [`Error::Placement`], or the database fails.
pub(super) async fn place(
    tx: &mut WriteTx,
    cluster: ClusterId,
    request: &placement::Request,
) -> Result<Placement> {
    Ok(views::look(tx, cluster, |view| placement::place(request, view)).await??)
}

/// Writes the bricks of a placement as pending rows, taking their space.
///
/// # Errors
/// The database fails.
pub(super) async fn add_bricks(
    tx: &mut WriteTx,
    volume: VolumeId,
    placement: &Placement,
    pending: OperationId,
) -> Result<Vec<Brick>> {
    let first_set = bricks::sets(tx, volume).await?;
    for (set_index, set) in (first_set..).zip(&placement.sets) {
        for (position, placed) in (0_i64..).zip(set) {
            let lv = BrickLv::new(BrickId::random(), placed.device);
            let brick = NewBrick {
                id: lv.id,
                volume,
                device: placed.device,
                path: lv.directory(),
                size: placed.size,
                part: placed.part,
                set_index,
                position,
                cloned: None,
                pending: Some(pending),
                replaces: None,
            };
            bricks::insert(tx, &brick).await?;
        }
    }
    bricks::of_operation(tx, pending).await
}

/// Steps that make these bricks, side by side.
pub(super) fn create_steps(bricks: &[Brick], gid: i64) -> Vec<Step> {
    bricks
        .iter()
        .map(|b| {
            Step::CreateBrick(CreateBrick { place: place_of(b), size: b.size, part: b.part, gid })
        })
        .collect()
}

/// Steps that put on disk what gluster has made of these bricks, side by side.
pub(super) fn flush_steps(bricks: &[Brick], pool: &Pool, volume: &Volume) -> Vec<Step> {
    let flush = |brick| FlushBrick {
        place: place_of(brick),
        pool: pool.clone(),
        id: volume.id,
        name: volume.name.clone(),
    };
    bricks.iter().map(|brick| Step::FlushBrick(flush(brick))).collect()
}

/// Steps that remove these bricks, side by side.
pub(super) fn destroy_steps(bricks: &[Brick]) -> Vec<Step> {
    bricks.iter().map(|b| Step::DestroyBrick(DestroyBrick { place: place_of(b) })).collect()
}

/// Where the brick is to be found on its node.
pub(super) fn place_of(brick: &Brick) -> BrickPlace {
    let lv = BrickLv { id: brick.id, device: brick.device, cloned: brick.cloned.clone() };
    BrickPlace { node: brick.node, host: brick.host.clone(), lv }
}

/// The bricks as gluster names them.
pub(super) fn addresses(bricks: &[Brick]) -> Vec<BrickAddress> {
    bricks.iter().map(address).collect()
}

/// The brick as gluster names it.
pub(super) fn address(brick: &Brick) -> BrickAddress {
    BrickAddress { host: brick.peer.clone(), path: brick.path.clone() }
}

/// As many ways into a pool are enough, and all of them are asked before a volume is called gone.
const MOST_VIA: usize = 12;

/// The cluster's gluster pool, reached through these nodes first, then through any other that is
/// online, then through the rest: being offline only keeps new bricks away.
///
/// # Errors
/// The database fails.
pub(super) async fn pool(
    db: &mut SqliteConnection,
    cluster: ClusterId,
    first: &[Brick],
) -> Result<Pool> {
    // Those that come first may be among them.
    let more = nodes::ways_into(db, cluster, MOST_VIA + first.len()).await?;
    let mut via: Vec<Hostname> = vec![];
    for host in first.iter().map(|brick| &brick.host).chain(&more) {
        if !via.contains(host) {
            via.push(host.clone());
        }
        if via.len() == MOST_VIA {
            break;
        }
    }
    Ok(Pool { cluster, via })
}

/// Management names of all nodes of the cluster.
///
/// # Errors
/// The database fails.
pub(super) async fn members(
    db: &mut SqliteConnection,
    cluster: ClusterId,
) -> Result<Vec<Hostname>> {
    nodes::hosts_of_cluster(db, cluster).await
}

/// What became of a brick on its node, as far as a step has said so.
pub(super) fn outcome(record: &Record, brick: BrickId) -> Option<&Output> {
    let said = |s: &&StepRecord| s.step.brick() == Some(brick) && s.output != Output::Nothing;
    record.steps.iter().rfind(said).map(|s| &s.output)
}

/// Removes the row of a brick; its space is free again unless a node said that it is not.
pub(super) async fn drop_brick(tx: &mut WriteTx, record: &Record, brick: &Brick) -> Result<()> {
    let said = outcome(record, brick.id);
    let kept = matches!(said, Some(Output::Reclaimed(false) | Output::Left(_)));
    let space = bricks::delete(tx, brick, !kept).await?;
    if let Some(Output::Left(why)) = said {
        debris::insert(tx, brick, space, why).await?;
    }
    Ok(())
}

/// Removes the rows of all bricks of the operation.
pub(super) async fn drop_bricks(tx: &mut WriteTx, record: &Record) -> Result<()> {
    for brick in bricks::of_operation(tx, record.id).await? {
        drop_brick(tx, record, &brick).await?;
    }
    Ok(())
}
