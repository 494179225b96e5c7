//! What templates see of the topology: the members by the names that Heketi's Go library gave them.
//!
//! Members of embedded structs stand among those around them, as Go finds them: `.Zone` of a node,
//! not `.NodeAddRequest.Zone`.
use super::super::template::Value;
use crate::{
    api::{
        device::{BrickInfo, DeviceInfo, StorageSize},
        node::NodeInfo,
        topology::{ClusterTree, TopologyInfo},
        volume::{BlockInfo, DurabilityRequest, Mount, VolumeInfo},
    },
    domain::Kib,
};
use std::collections::BTreeMap;

/// The topology as the root of a template.
pub(super) fn of(topology: &TopologyInfo) -> Value {
    Value::object([("ClusterList", Value::list(topology.clusters.iter().map(cluster)))])
}

fn cluster(cluster: &ClusterTree) -> Value {
    Value::object([
        ("Volumes", Value::list(cluster.volumes.iter().map(volume))),
        ("BlockVolumes", cluster.blockvolumes.as_slice().into()),
        ("Nodes", Value::list(cluster.nodes.iter().map(node))),
        ("Id", cluster.id.to_string().into()),
        ("Block", cluster.block.into()),
        ("File", cluster.file.into()),
    ])
}

fn node(node: &NodeInfo) -> Value {
    let hostnames = Value::object([
        ("Manage", node.hostnames.manage.as_slice().into()),
        ("Storage", node.hostnames.storage.as_slice().into()),
    ]);
    Value::object([
        ("Zone", node.zone.into()),
        ("Hostnames", hostnames),
        ("ClusterId", node.cluster.to_string().into()),
        ("Tags", (&node.tags).into()),
        ("Id", node.id.to_string().into()),
        ("State", node.state.as_str().into()),
        ("DevicesInfo", Value::list(node.devices.iter().map(device))),
    ])
}

fn device(device: &DeviceInfo) -> Value {
    let StorageSize { total, free, used } = device.storage;
    let storage = Value::object([("Total", kib(total)), ("Free", kib(free)), ("Used", kib(used))]);
    Value::object([
        ("Name", device.name.as_str().into()),
        ("Tags", (&device.tags).into()),
        ("Storage", storage),
        ("Id", device.id.to_string().into()),
        ("Paths", device.paths.as_slice().into()),
        ("PvUUID", device.pv_uuid.as_str().into()),
        ("State", device.state.as_str().into()),
        ("Bricks", Value::list(device.bricks.iter().map(brick))),
    ])
}

fn brick(brick: &BrickInfo) -> Value {
    Value::object([
        ("Id", brick.id.to_string().into()),
        ("Path", brick.path.as_str().into()),
        ("DeviceId", brick.device.to_string().into()),
        ("NodeId", brick.node.to_string().into()),
        ("VolumeId", brick.volume.to_string().into()),
        ("Size", kib(brick.size)),
    ])
}

fn volume(volume: &VolumeInfo) -> Value {
    let snapshot = Value::object([
        ("Enable", volume.snapshot.enable.into()),
        ("Factor", volume.snapshot.factor.into()),
    ]);
    Value::object([
        ("Size", volume.size.into()),
        // Only ever filled in by who asks for a volume.
        ("Clusters", Value::list([])),
        ("Name", volume.name.as_str().into()),
        ("Durability", durability(&volume.durability)),
        ("Gid", volume.gid.into()),
        ("GlusterVolumeOptions", volume.glustervolumeoptions.as_slice().into()),
        ("Block", volume.block.into()),
        ("Snapshot", snapshot),
        ("Id", volume.id.to_string().into()),
        ("Cluster", volume.cluster.to_string().into()),
        ("Mount", mount(&volume.mount)),
        ("BlockInfo", block_info(&volume.blockinfo)),
        ("Bricks", Value::list(volume.bricks.iter().map(brick))),
    ])
}

fn durability(durability: &DurabilityRequest) -> Value {
    let disperse = Value::object([
        ("Data", durability.disperse.data.into()),
        ("Redundancy", durability.disperse.redundancy.into()),
    ]);
    Value::object([
        ("Type", durability.kind.as_str().into()),
        ("Replicate", Value::object([("Replica", durability.replicate.replica.into())])),
        ("Disperse", disperse),
    ])
}

fn mount(mount: &Mount) -> Value {
    let glusterfs = &mount.glusterfs;
    let servers = glusterfs.options.backup_volfile_servers.clone();
    let options = BTreeMap::from([("backup-volfile-servers".to_owned(), servers)]);
    let glusterfs = Value::object([
        ("Hosts", glusterfs.hosts.as_slice().into()),
        ("MountPoint", glusterfs.device.as_str().into()),
        ("Options", (&options).into()),
    ]);
    Value::object([("GlusterFS", glusterfs)])
}

fn block_info(info: &BlockInfo) -> Value {
    let shown = if info.restriction.is_empty() { "(none)" } else { &info.restriction };
    let restriction = Value::Named { value: info.restriction.as_str().into(), shown: shown.into() };
    Value::object([
        ("FreeSize", info.freesize.into()),
        ("ReservedSize", info.reservedsize.into()),
        ("BlockVolumes", ids(&info.blockvolume)),
        ("Restriction", restriction),
    ])
}

fn ids<T: ToString>(ids: &[T]) -> Value {
    Value::list(ids.iter().map(|id| id.to_string().as_str().into()))
}

fn kib(size: Kib) -> Value {
    i64::try_from(size.0).unwrap_or(i64::MAX).into()
}
