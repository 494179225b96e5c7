//! A volume is placed, its bricks are made, gluster is told.
use super::{
    Operation, Plan, Planning, Settings,
    journal::Record,
    planning::{
        add_bricks, addresses, candidates, create_steps, drop_bricks, flush_steps, place,
        placement_request, pool,
    },
    step::{self, Step},
};
use crate::{
    api::volume::VolumeCreateRequest,
    domain::{
        ClusterId, Gib, Part, SnapshotFactor, VolumeId, VolumeName, VolumeOption,
        durability::{Kind, Requested, UnknownKind},
    },
    error::{Error, Result},
    node::gluster::NewVolume,
    placement::{Placement, Refusal},
    store::{
        WriteTx,
        bricks::{self, Brick},
        clusters::Cluster,
        volumes::{self, Volume},
    },
    validate::{self, Problems},
};
use serde::{Deserialize, Serialize};

/// `POST /volumes`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CreateVolume {
    volume: VolumeId,
    name: VolumeName,
    size: Gib,
    /// As given, in that order: whether there are such clusters is looked up later.
    clusters: Vec<String>,
    durability: Requested,
    gid: i64,
    options: Vec<VolumeOption>,
    block: bool,
    snapshot: Option<SnapshotFactor>,
}

/// What fits into one script for a node with room to spare: an argument has 128 KiB at the most.
const MOST_OPTIONS: usize = 32 * 1024;

impl TryFrom<VolumeCreateRequest> for CreateVolume {
    type Error = Error;

    /// The checks stand in Heketi's order: the first that fails is the answer (api.md 11.1).
    fn try_from(request: VolumeCreateRequest) -> Result<Self> {
        Problems::default()
            .field("size", validate::at_least_one(request.size))
            .field("name", validate::volume_name(&request.name))
            .check()?;
        let invalid = |text: String| Error::Invalid(text);
        if request.gid < 0 {
            return Err(invalid("Bad group id less than zero".into()));
        }
        if request.gid >= i64::from(i32::MAX) {
            // The limit is 2^31 - 1, whatever the text says (api.md 17.10).
            return Err(invalid("Bad group id equal or greater than 2**32".into()));
        }
        let kind = request.durability.kind.as_str();
        let durability = Requested {
            kind: if kind.is_empty() { "none" } else { kind }
                .parse()
                .map_err(|e: UnknownKind| invalid(e.to_string()))?,
            replica: request.durability.replicate.replica,
            data: request.durability.disperse.data,
            redundancy: request.durability.disperse.redundancy,
        };
        let factor = request.snapshot.factor;
        if request.snapshot.enable && !(1.0..=100.0).contains(&factor) {
            return Err(invalid("Invalid snapshot factor".into()));
        }
        durability.check().map_err(|e| invalid(e.to_string()))?;
        let options = request.glustervolumeoptions.into_iter().map(VolumeOption::try_from);
        let options: Vec<VolumeOption> =
            options.collect::<Result<_, _>>().map_err(|e| invalid(e.to_string()))?;
        if let Some(alone) = options.iter().find(|option| option.words().count() == 1) {
            return Err(invalid(format!("volume option {alone} has no value")));
        }
        if options.iter().map(|option| option.to_string().len()).sum::<usize>() > MOST_OPTIONS {
            return Err(invalid(format!("volume options are longer than {MOST_OPTIONS} bytes")));
        }
        let volume = VolumeId::random();
        let name = if request.name.is_empty() { format!("vol_{volume}") } else { request.name };
        Ok(Self {
            volume,
            name: name.parse().map_err(|_| invalid("name: must be in a valid format".into()))?,
            size: Gib(request.size.unsigned_abs()),
            clusters: request.clusters,
            durability,
            gid: request.gid,
            options,
            block: request.block,
            snapshot: request.snapshot.enable.then_some(SnapshotFactor(factor)),
        })
    }
}

impl CreateVolume {
    /// A volume that is to host block volumes, as it is made when none has room for one: three
    /// copies, and nothing that anybody asked for but its clusters (storage.md 3.8).
    ///
    /// # Errors
    /// None: the name is made of the id.
    pub(super) fn hosting(volume: VolumeId, size: Gib, clusters: Vec<String>) -> Result<Self> {
        let name = format!("vol_{volume}").parse();
        Ok(Self {
            volume,
            name: name.map_err(|_| Error::Invalid("name: must be in a valid format".into()))?,
            size,
            clusters,
            durability: Requested { kind: Kind::Replicate, replica: 3, data: 0, redundancy: 0 },
            gid: 0,
            options: vec![],
            block: true,
            snapshot: None,
        })
    }

    /// As it must have been asked for, by a volume that is not done.
    pub(super) fn of(volume: &Volume) -> Self {
        Self {
            volume: volume.id,
            name: volume.name.clone(),
            size: volume.size,
            clusters: volume.clusters.iter().map(ToString::to_string).collect(),
            durability: volume.durability,
            gid: volume.gid,
            options: volume.options.clone(),
            block: volume.block,
            snapshot: volume.snapshot,
        }
    }

    /// What makes the volume of these bricks.
    ///
    /// # Errors
    /// The database fails.
    pub(super) async fn steps(tx: &mut WriteTx, volume: &Volume, bricks: &[Brick]) -> Result<Plan> {
        let arbiter = bricks.iter().any(|b| b.part == Part::Arbiter);
        let pool = pool(tx, volume.cluster, bricks).await?;
        let flush = flush_steps(bricks, &pool, volume);
        let gluster = step::CreateVolume {
            pool,
            volume: NewVolume {
                id: volume.id,
                name: volume.name.clone(),
                durability: volume.effective(),
                arbiter,
                bricks: addresses(bricks),
                options: volume.options.clone(),
            },
            nodes: bricks.iter().map(|b| (b.peer.clone(), b.node)).collect(),
        };
        Ok(vec![create_steps(bricks, volume.gid), vec![Step::CreateVolume(gluster)], flush])
    }

    fn check_size(&self, settings: &Settings) -> Result<()> {
        let smallest = settings.limits.smallest_volume(self.durability.effective());
        if self.size.to_kib() >= smallest {
            return Ok(());
        }
        // The number in the second bracket is in KiB, although the sentence speaks of GB.
        Err(Error::Invalid(format!(
            "Requested volume size ({} GB) is smaller than the minimum supported volume size ({})",
            self.size.0, smallest.0
        )))
    }

    /// Why the cluster cannot take the volume, before space is even looked at.
    async fn ineligible(
        &self,
        tx: &mut WriteTx,
        cluster: &Cluster,
        settings: &Settings,
    ) -> Result<Option<Error>> {
        let refused = |text: String| Some(Error::Refused(text));
        if !cluster.file && !cluster.block {
            return Ok(refused("Cluster has disabled all volume types".into()));
        }
        if !(if self.block { cluster.block } else { cluster.file }) {
            return Ok(refused("Cluster does not support requested volume type".into()));
        }
        if volumes::name_exists(tx, cluster.id, &self.name).await? {
            return Ok(Some(volumes::name_in_use(&self.name)));
        }
        let Some(limit) = settings.max_volumes_per_cluster else { return Ok(None) };
        let count = volumes::count(tx, cluster.id).await?;
        let full = || refused(format!("Cluster has {count} volumes and limit is {limit}"));
        Ok(if count >= limit { full() } else { None })
    }

    fn in_cluster(&self, cluster: ClusterId, planning: &Planning<'_>) -> Volume {
        let Settings { pre_request_options, post_request_options, block_hosting_options, .. } =
            planning.settings;
        let hosting = if self.block { block_hosting_options.as_slice() } else { &[] };
        let all = [pre_request_options, hosting, &self.options, post_request_options];
        Volume {
            id: self.volume,
            cluster,
            name: self.name.clone(),
            size: self.size,
            durability: self.durability,
            gid: self.gid,
            snapshot: self.snapshot,
            block: self.block,
            options: all.into_iter().flatten().cloned().collect(),
            clusters: self.clusters.iter().filter_map(|id| id.parse().ok()).collect(),
            pending: Some(planning.id),
        }
    }

    /// The first cluster that has room, and where (storage.md 3.7).
    async fn choose(
        &self,
        tx: &mut WriteTx,
        candidates: Vec<Cluster>,
        planning: &Planning<'_>,
    ) -> Result<(Volume, Placement)> {
        let (mut eligible, mut errors) = (vec![], vec![]);
        for cluster in candidates {
            match self.ineligible(tx, &cluster, planning.settings).await? {
                None => eligible.push(cluster.id),
                Some(error) => errors.push((cluster.id, error)),
            }
        }
        if eligible.is_empty() {
            return Err(combined("No eligible cluster for volume", errors));
        }
        // Nodes that are unwell are used only when there is no other way in any cluster.
        let mut errors = vec![];
        for avoid in planning.avoids(tx).await? {
            errors.clear();
            for &cluster in &eligible {
                let volume = self.in_cluster(cluster, planning);
                let request = placement_request(&volume, self.size.to_kib(), 0, &avoid, planning)?;
                match place(tx, cluster, &request).await {
                    Ok(placement) => return Ok((volume, placement)),
                    Err(Error::Placement(refusal)) => errors.push((cluster, no_space(refusal))),
                    Err(error) => return Err(error),
                }
            }
        }
        Err(combined("Unable to create volume on any cluster:", errors))
    }
}

/// Which limit ended the search does not matter to whom asks for a new volume.
fn no_space(refusal: Refusal) -> Error {
    if let Some(report) = refusal.report() {
        tracing::warn!("no place for the bricks: {report}");
        return Error::Refused("No space".into());
    }
    refusal.into()
}

fn combined(headline: &str, mut errors: Vec<(ClusterId, Error)>) -> Error {
    if errors.len() == 1
        && let Some((_, only)) = errors.pop()
    {
        return only;
    }
    let lines: Vec<_> = errors.iter().map(|(id, why)| format!("Cluster {id}: {why}")).collect();
    Error::Refused(format!("{headline}\n{}", lines.join("\n")))
}

impl Operation for CreateVolume {
    fn claims(&self) -> Vec<String> {
        vec![format!("volume/{}", self.volume)]
    }
    fn subject(&self) -> Option<(&'static str, String)> {
        Some(("Add volume", self.volume.to_string()))
    }
    fn attempt(&self) -> &'static str {
        "Failed to allocate new volume"
    }
    fn throttled(&self) -> bool {
        true
    }
    fn location(&self) -> Option<String> {
        Some(format!("/volumes/{}", self.volume))
    }
    fn retries(&self, settings: &Settings) -> i64 {
        settings.create_retries
    }

    async fn reserve(&self, tx: &mut WriteTx, planning: &Planning<'_>) -> Result<Plan> {
        let candidates = candidates(tx, &self.clusters).await?;
        self.check_size(planning.settings)?;
        let (volume, placement) = self.choose(tx, candidates, planning).await?;
        volumes::insert(tx, &volume).await?;
        let bricks = add_bricks(tx, volume.id, &placement, planning.id).await?;
        Self::steps(tx, &volume, &bricks).await
    }
    async fn commit(&self, tx: &mut WriteTx, record: &Record) -> Result<()> {
        bricks::settle(tx, record.id).await?;
        volumes::set_pending(tx, self.volume, None).await
    }
    async fn release(&self, tx: &mut WriteTx, record: &Record) -> Result<()> {
        drop_bricks(tx, record).await?;
        volumes::delete(tx, self.volume).await
    }
}
