//! What a volume of gluster is in our words, if it lies on devices of ours: names, sizes and places
//! of its bricks are read from gluster's order, from LVM and from the names of logical volumes.
use crate::{
    domain::{
        BrickId, BrickSize, ClonedLv, ClusterId, DeviceId, Durability, Gib, Kib, NodeId, Part,
        SnapshotFactor, VolumeId, VolumeOption,
        durability::{Kind, Requested},
    },
    node::{
        gluster::{ID_OPTION, VolumeReport},
        lvm::report::Lv,
        names::{BrickLv, MOUNTS},
        stock::Stock,
    },
    store::{devices::Device, nodes::Node, snapshot::StoredBrick, volumes::Volume},
};
use std::collections::BTreeSet;

/// Where volumes are looked for.
pub(crate) struct Ground<'a> {
    /// Nodes with what they answered.
    pub(crate) nodes: Vec<(&'a Node, &'a Stock)>,
    /// Their devices.
    pub(crate) devices: &'a [Device],
}

/// A volume with its bricks, as rows.
#[derive(Clone, Debug)]
pub(crate) struct Recognised {
    pub(crate) volume: Volume,
    pub(crate) bricks: Vec<StoredBrick>,
}

/// A brick's place on a node.
struct Spot<'a> {
    node: NodeId,
    device: DeviceId,
    id: BrickId,
    lv: &'a Lv,
    /// The pool, if its space is accounted to this brick.
    pool: Option<&'a Lv>,
    /// Size of the pool, whoever has its space.
    room: Kib,
    cloned: Option<ClonedLv>,
    gid: i64,
}

/// Options that GlusterFS gives to new volumes by itself (seen on GlusterFS 10.3).
const GIVEN: [(&str, &str); 5] = [
    ("cluster.granular-entry-heal", "on"),
    ("nfs.disable", "on"),
    ("performance.client-io-threads", "off"),
    ("storage.fips-mode-rchecksum", "on"),
    ("transport.address-family", "inet"),
];

/// The volume in our words, or why it is none of ours. Its id is that of its option; one without
/// an option, or whose id another has (gluster copies the options to clones), gets a new one.
pub(crate) fn volume(
    report: &VolumeReport,
    cluster: ClusterId,
    ground: &Ground<'_>,
    taken: &BTreeSet<VolumeId>,
) -> Result<Recognised, String> {
    let id = report.options.get(ID_OPTION).and_then(|id| id.parse().ok());
    let id = id.filter(|id| !taken.contains(id)).unwrap_or_else(VolumeId::random);
    let name = report.name.parse().map_err(|_| "its name is none that is used here".to_owned())?;
    let sets = report.sets;
    let durability = sets.durability();
    let requested = requested(durability)?;
    let in_set = durability.bricks_in_set();
    if report.bricks.is_empty() || !report.bricks.len().is_multiple_of(in_set) {
        return Err(format!("{} bricks make no sets of {in_set}", report.bricks.len()));
    }
    let (mut bricks, mut gid, mut snapshot) = (vec![], 0, None);
    for (at, address) in report.bricks.iter().enumerate() {
        let spot = ground.spot(cluster, address)?;
        let arbiter = sets.arbiters > 0 && at % in_set == in_set - 1;
        gid = gid.max(spot.gid);
        if at == 0 {
            snapshot = factor(&spot);
        }
        bricks.push(StoredBrick {
            id: spot.id,
            volume: id,
            device: spot.device,
            node: spot.node,
            path: path_of(address).to_owned(),
            size: size(&spot),
            part: if arbiter { Part::Arbiter } else { Part::Data },
            cloned: spot.cloned,
            set_index: i64::try_from(at / in_set).unwrap_or(-1),
            position: i64::try_from(at % in_set).unwrap_or(-1),
            pending: None,
        });
    }
    let firsts = bricks.iter().filter(|brick| brick.position == 0);
    let payload: Kib = firsts.map(|brick| brick.size.brick).sum();
    let options = options(report)?;
    let volume = Volume {
        id,
        cluster,
        name,
        size: nearest(Kib(payload.0.saturating_mul(durability.data_bricks()))),
        durability: requested,
        gid,
        snapshot,
        block: false,
        options,
        clusters: vec![],
        pending: None,
    };
    Ok(Recognised { volume, bricks })
}

/// As it would have been asked for.
fn requested(durability: Durability) -> Result<Requested, String> {
    let none = Requested::default();
    let asked = match durability {
        Durability::None => none,
        Durability::Replicate { replica } => {
            Requested { kind: Kind::Replicate, replica: replica.into(), ..none }
        }
        Durability::Disperse { data, redundancy } => Requested {
            kind: Kind::Disperse,
            data: data.into(),
            redundancy: redundancy.into(),
            ..none
        },
    };
    asked.check().map_err(|e| e.to_string())?;
    Ok(asked)
}

/// Bricks are cut to whole KiB, and LVM rounds them up to extents.
fn nearest(size: Kib) -> Gib {
    let half = Gib(1).to_kib().0 / 2;
    Kib(size.0.saturating_add(half)).whole_gib().max(Gib(1))
}

fn size(spot: &Spot<'_>) -> BrickSize {
    let none = (Kib::ZERO, Kib::ZERO);
    let (pool, metadata) = spot.pool.map_or(none, |pool| (pool.size, pool.metadata));
    BrickSize { brick: spot.lv.size, pool, metadata }
}

/// How much larger than its brick a pool is, to two digits; none when it is no larger.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "a ratio of two sizes far below 2^53 KiB, kept as the 32-bit float that it was"
)]
fn factor(spot: &Spot<'_>) -> Option<SnapshotFactor> {
    let ratio = spot.room.0 as f64 / spot.lv.size.0.max(1) as f64;
    let ratio = (ratio * 100.0).round() / 100.0;
    (ratio > 1.0).then_some(SnapshotFactor(ratio as f32))
}

fn options(report: &VolumeReport) -> Result<Vec<VolumeOption>, String> {
    let ours = report.options.iter().filter(|(key, value)| {
        *key != ID_OPTION && !GIVEN.contains(&(key.as_str(), value.as_str()))
    });
    let option = |(key, value): (&String, &String)| {
        VolumeOption::try_from(format!("{key} {value}")).map_err(|e| e.to_string())
    };
    ours.map(option).collect()
}

fn path_of(address: &str) -> &str {
    address.split_once(":/").map_or("", |(host, _)| &address[host.len() + 1..])
}

impl<'a> Ground<'a> {
    /// Finds a brick by gluster's name for it.
    fn spot(&self, cluster: ClusterId, address: &str) -> Result<Spot<'a>, String> {
        let path = path_of(address);
        let host = &address[..address.len().saturating_sub(path.len() + 1)];
        let here = |(node, _): &&(&Node, &Stock)| {
            node.cluster == cluster && node.storage.iter().any(|name| name.as_str() == host)
        };
        let Some((node, stock)) = self.nodes.iter().find(here) else {
            return Err(format!("no node of the cluster that answered is called {host}"));
        };
        let lvs = stock.lvs.as_ref().map_err(|why| format!("{host}: logical volumes: {why}"))?;
        let (group, name) = Self::lv_of(stock, path)
            .ok_or_else(|| format!("its brick {address} is no logical volume of ours"))?;
        let device = group.strip_prefix("vg_").and_then(|id| id.parse::<DeviceId>().ok());
        let owned = |d: &&Device| Some(d.id) == device && d.node == node.id;
        let device = self.devices.iter().find(owned).map(|device| device.id);
        let device =
            device.ok_or_else(|| format!("its brick {address} is on no device of this node"))?;
        let find = |name: &str| lvs.iter().find(|lv| lv.group == group && lv.name == name);
        let lv = find(&name)
            .ok_or_else(|| format!("its brick {address} has no logical volume {group}/{name}"))?;
        let id = name.strip_prefix("brick_").and_then(|id| id.parse().ok());
        let id = id.unwrap_or_else(BrickId::random);
        let usual = BrickLv::new(id, device);
        let is_usual = name == usual.name() && lv.pool == usual.pool();
        let cloned = (!is_usual).then(|| ClonedLv {
            lv: name.clone(),
            pool: lv.pool.clone(),
            directory: path.to_owned(),
        });
        // The space of a shared pool is accounted to the brick that it is called after.
        let pool = find(&lv.pool);
        let room = pool.map_or(Kib::ZERO, |pool| pool.size);
        let pool = pool.filter(|_| is_usual);
        let gid = stock.directories.iter().find(|d| d.path == real(path)).map_or(0, |d| d.gid);
        Ok(Spot { node: node.id, device, id, lv, pool, room, cloned, gid })
    }

    /// Group and name of the logical volume that holds this directory: by the name of the
    /// directory, or by what is mounted there.
    fn lv_of(stock: &Stock, path: &str) -> Option<(String, String)> {
        let point = path.strip_suffix("/brick")?;
        if let Some(rest) = point.strip_prefix(MOUNTS) {
            let (group, name) = rest.strip_prefix('/')?.split_once('/')?;
            return Some((group.to_owned(), name.to_owned()));
        }
        let mounts = stock.mounts.as_ref().ok()?;
        let mount = mounts.iter().rev().find(|mount| mount.point == real(point))?;
        // A dash within a name would be two.
        let (group, name) = mount.device.strip_prefix("/dev/mapper/")?.split_once('-')?;
        (!name.contains('-')).then(|| (group.to_owned(), name.to_owned()))
    }
}

/// The kernel knows mounts by their real paths, and /var/run is a link.
fn real(path: &str) -> &str {
    path.strip_prefix("/var").filter(|rest| rest.starts_with("/run/")).unwrap_or(path)
}
