//! A block volume is made on a hosting volume with room for it, or on one that is made for it.
use super::{
    Operation, Plan, Planning, Settings,
    create_volume::CreateVolume,
    journal::Record,
    planning::{candidates, pool},
    step::{BlockHost, BlockPlace, CreateBlock, InspectBlock, Output, Step},
};
use crate::{
    api::block_volume::BlockVolumeCreateRequest,
    domain::{
        BlockTarget, BlockVolumeId, BlockVolumeName, ClusterId, Gib, NodeId, Password, State,
        VolumeId, block::kept_back,
    },
    error::{Error, Result},
    node::gluster_block::Name,
    store::{
        WriteTx, block_hosting,
        block_volumes::{self, BlockVolume},
        bricks::Brick,
        clusters::Cluster,
        nodes,
        volumes::{self, Volume},
    },
    validate::{self, Problems},
};
use serde::{Deserialize, Serialize};

/// `POST /blockvolumes`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateBlockVolume {
    block: BlockVolumeId,
    name: BlockVolumeName,
    size: Gib,
    /// As given, in that order: whether there are such clusters is looked up later.
    clusters: Vec<String>,
    /// Number of hosts that export it; all of the cluster when none.
    ha: Option<usize>,
    auth: bool,
    /// The hosting volume that is made if none has room.
    hosting: VolumeId,
}

impl TryFrom<BlockVolumeCreateRequest> for CreateBlockVolume {
    type Error = Error;

    fn try_from(request: BlockVolumeCreateRequest) -> Result<Self> {
        let hacount = (request.hacount < 0).then(|| "must be no less than 1".to_owned());
        Problems::default()
            .field("size", validate::at_least_one(request.size))
            .field("name", validate::volume_name(&request.name))
            .field("hacount", hacount)
            .check()?;
        let block = BlockVolumeId::random();
        let name = if request.name.is_empty() { format!("blockvol_{block}") } else { request.name };
        let format = |_| Error::Invalid("name: must be in a valid format".into());
        Ok(Self {
            block,
            name: name.parse().map_err(format)?,
            size: Gib(request.size.unsigned_abs()),
            clusters: request.clusters,
            ha: usize::try_from(request.hacount).ok().filter(|hosts| *hosts > 0),
            auth: request.auth,
            hosting: VolumeId::random(),
        })
    }
}

impl CreateBlockVolume {
    /// As it must have been asked for, by a block volume that is not done, and the volume that was
    /// made for it.
    pub(super) fn of(block: &BlockVolume, hosting: Option<VolumeId>) -> Self {
        Self {
            block: block.id,
            name: block.name.clone(),
            size: block.size,
            clusters: block.clusters.iter().map(ToString::to_string).collect(),
            ha: usize::try_from(block.ha_count).ok().filter(|hosts| *hosts > 0),
            auth: block.auth,
            hosting: hosting.unwrap_or_else(VolumeId::random),
        }
    }

    /// What somebody else may have done to make it, only to be taken back: with its hosting volume
    /// and the bricks of that, if they were made for it.
    ///
    /// # Errors
    /// The hosting volume is not there, or the database fails.
    pub(super) async fn inherited_steps(
        tx: &mut WriteTx,
        block: &BlockVolume,
        new: Option<(Volume, Vec<Brick>)>,
    ) -> Result<Plan> {
        let hosting = volumes::get(tx, block.hosting).await?.ok_or_else(Error::id_not_found)?;
        let mut plan = match &new {
            Some((volume, bricks)) => CreateVolume::steps(tx, volume, bricks).await?,
            None => vec![],
        };
        let create = CreateBlock {
            place: BlockPlace {
                pool: pool(tx, hosting.cluster, &[]).await?,
                id: block.id,
                name: Name { hosting: hosting.name, block: block.name.clone() },
            },
            size: block.size,
            auth: block.auth,
            hosts: vec![],
            wanted: usize::try_from(block.ha_count).ok().filter(|hosts| *hosts > 0),
            hosting_is_new: new.is_some(),
            unproven: true,
        };
        plan.push(vec![Step::CreateBlock(create)]);
        Ok(plan)
    }
}

/// Where the block volume is to lie.
struct Hosting {
    id: VolumeId,
    is_new: bool,
    /// What is to be done before.
    plan: Plan,
}

impl CreateBlockVolume {
    /// The hosting volume with just enough room, or a new one (storage.md 3.8).
    async fn find_hosting(
        &self,
        tx: &mut WriteTx,
        clusters: &[Cluster],
        planning: &Planning<'_>,
    ) -> Result<Hosting> {
        let eligible: Vec<_> = clusters.iter().filter(|cluster| cluster.block).collect();
        let mut found = vec![];
        for cluster in &eligible {
            found.extend(block_hosting::with_room(tx, cluster.id, self.size, &self.name).await?);
        }
        if let Some((id, _)) = found.into_iter().min_by_key(|(_, free)| *free) {
            return Ok(Hosting { id, is_new: false, plan: vec![] });
        }
        let Settings { create_block_hosting, block_hosting_size, .. } = planning.settings;
        let available = block_hosting_size.0 - kept_back(*block_hosting_size).0;
        if self.size.0 > available {
            return Err(Error::Refused(format!(
                "The size configured for automatic creation of block hosting volumes ({}) is too \
                 small to host the requested block volume of size {}. The available size on this \
                 block hosting volume, minus overhead, is {available}. Please create a \
                 sufficiently large block hosting volume manually.",
                block_hosting_size.0, self.size.0
            )));
        }
        // The one that is being made may have the room: whoever comes back will see.
        for cluster in eligible {
            if block_hosting::any_in_creation(tx, cluster.id).await? {
                return Err(Error::Busy);
            }
        }
        if !create_block_hosting {
            let text = "Block Hosting Volume Creation is disabled. Create a Block hosting volume \
                        and try again.";
            return Err(Error::Refused(text.into()));
        }
        let plan = self.new_hosting(*block_hosting_size)?.reserve(tx, planning).await?;
        Ok(Hosting { id: self.hosting, is_new: true, plan })
    }

    fn new_hosting(&self, size: Gib) -> Result<CreateVolume> {
        CreateVolume::hosting(self.hosting, size, self.clusters.clone())
    }

    /// The hosts that may export it: all nodes of the cluster. When only some are wanted, in an order
    /// that differs between block volumes, those last that are offline or failed a moment ago.
    async fn hosts(
        &self,
        tx: &mut WriteTx,
        cluster: ClusterId,
        planning: &Planning<'_>,
    ) -> Result<Vec<BlockHost>> {
        let mut all = nodes::of_cluster(tx, cluster).await?;
        if self.ha.is_some() {
            all.sort_by_key(|node| {
                let poor = node.state != State::Online || planning.avoid.contains(&node.id);
                (poor, shuffled(self.block, node.id))
            });
        }
        let host = |node: &nodes::Node| {
            let (host, peer) = (node.host()?.clone(), node.peer()?.clone());
            Ok(BlockHost { node: node.id, host, peer })
        };
        all.iter().map(host).collect()
    }

    async fn insert(
        &self,
        tx: &mut WriteTx,
        block: &CreateBlock,
        hosting: VolumeId,
        planning: &Planning<'_>,
    ) -> Result<()> {
        let hosts = block.wanted.unwrap_or(block.hosts.len());
        let block = BlockVolume {
            id: self.block,
            hosting,
            name: self.name.clone(),
            size: self.size,
            usable: self.size,
            held: self.size,
            ha_count: u64::try_from(hosts).unwrap_or(u64::MAX),
            auth: self.auth,
            clusters: self.clusters.iter().filter_map(|id| id.parse().ok()).collect(),
            target: BlockTarget {
                hosts: vec![],
                iqn: String::new(),
                username: String::new(),
                password: Password::default(),
            },
            lun: 0,
            pending: Some(planning.id),
        };
        block_volumes::insert(tx, &block).await
    }
}

/// A number that orders the same nodes differently for each block volume.
fn shuffled(block: BlockVolumeId, node: NodeId) -> u128 {
    // One round of multiply-and-fold, as for the placement of bricks.
    const ODD: u128 = 0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835;
    let mixed = (block.as_u128() ^ node.as_u128()).wrapping_mul(ODD);
    (mixed ^ (mixed >> 64)).wrapping_mul(ODD)
}

impl Operation for CreateBlockVolume {
    fn claims(&self) -> Vec<String> {
        vec![format!("blockvolume/{}", self.block), format!("volume/{}", self.hosting)]
    }
    fn subject(&self) -> Option<(&'static str, String)> {
        Some(("Add block volume", self.block.to_string()))
    }
    fn attempt(&self) -> &'static str {
        "Failed to allocate new block volume"
    }
    fn throttled(&self) -> bool {
        true
    }
    fn location(&self) -> Option<String> {
        Some(format!("/blockvolumes/{}", self.block))
    }
    /// Where a node was at fault, a new hosting volume, or the target, may go elsewhere.
    fn retries(&self, settings: &Settings) -> i64 {
        settings.create_retries
    }

    async fn reserve(&self, tx: &mut WriteTx, planning: &Planning<'_>) -> Result<Plan> {
        let clusters = candidates(tx, &self.clusters).await?;
        let Hosting { id, is_new, mut plan } = self.find_hosting(tx, &clusters, planning).await?;
        let volume = volumes::get(tx, id).await?.ok_or_else(Error::id_not_found)?;
        let hosts = self.hosts(tx, volume.cluster, planning).await?;
        let place = BlockPlace {
            pool: pool(tx, volume.cluster, &[]).await?,
            id: self.block,
            name: Name { hosting: volume.name, block: self.name.clone() },
        };
        let create = CreateBlock {
            place: place.clone(),
            size: self.size,
            auth: self.auth,
            wanted: self.ha.filter(|wanted| *wanted <= hosts.len()),
            hosts,
            hosting_is_new: is_new,
            unproven: false,
        };
        self.insert(tx, &create, id, planning).await?;
        if !is_new {
            plan.push(vec![Step::InspectBlock(InspectBlock { place })]);
        }
        plan.push(vec![Step::CreateBlock(create)]);
        Ok(plan)
    }
    async fn commit(&self, tx: &mut WriteTx, record: &Record) -> Result<()> {
        let target = record.steps.iter().find_map(|step| match &step.output {
            Output::Target(target) => Some(target),
            _ => None,
        });
        let lost = || Error::Record(format!("operation {}: the target is not known", record.id));
        block_volumes::made(tx, self.block, target.ok_or_else(lost)?).await?;
        self.new_hosting(Gib(0))?.commit(tx, record).await
    }
    async fn release(&self, tx: &mut WriteTx, record: &Record) -> Result<()> {
        block_volumes::delete(tx, self.block).await?;
        self.new_hosting(Gib(0))?.release(tx, record).await
    }
}
