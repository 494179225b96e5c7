//! Entries of Heketi's database, from Go's structs to the members of Heketi's JSON (storage.md 6.5).
use super::{
    gob::{self, Value},
    members::{Members, Result},
};
use crate::api::{
    block_volume::BlockVolumeTarget,
    database::{
        AttributeEntry, BlockVolumeEntry, BlockVolumeRecord, BrickEntry, BrickRecord, ClusterEntry,
        ClusterRecord, DeviceEntry, DeviceRecord, Dump, NodeEntry, NodeRecord, Pending,
        PendingAction, PendingOperationEntry, VolumeEntry, VolumeRecord,
    },
    device::StorageSize,
    node::Hostnames,
    volume::{
        BlockInfo, Disperse, DurabilityRequest, GlusterfsMount, MountOptions, Replicate, Snapshot,
    },
};
use crate::domain::Kib;
use std::{cell::RefCell, collections::BTreeSet};

/// Members that nobody knows, of all entries that were read, by kind and name.
pub(super) type Strange = RefCell<BTreeSet<String>>;

type Reader = fn(&mut Dump, String, &[u8], &Strange) -> Result<()>;

/// The buckets, and what puts a value of each into the dump.
pub(super) const BUCKETS: [(&str, Reader); 8] = [
    ("CLUSTER", |dump, key, value, strange| {
        put(&mut dump.clusterentries, "cluster", key, value, strange, cluster)
    }),
    ("NODE", |dump, key, value, strange| {
        put(&mut dump.nodeentries, "node", key, value, strange, node)
    }),
    ("DEVICE", |dump, key, value, strange| {
        put(&mut dump.deviceentries, "device", key, value, strange, device)
    }),
    ("BRICK", |dump, key, value, strange| {
        put(&mut dump.brickentries, "brick", key, value, strange, brick)
    }),
    ("VOLUME", |dump, key, value, strange| {
        put(&mut dump.volumeentries, "volume", key, value, strange, volume)
    }),
    ("BLOCKVOLUME", |dump, key, value, strange| {
        put(&mut dump.blockvolumeentries, "block volume", key, value, strange, block_volume)
    }),
    ("DBATTRIBUTE", |dump, key, value, strange| {
        put(&mut dump.dbattributeentries, "attribute", key, value, strange, attribute)
    }),
    ("PENDING_OPERATIONS", |dump, key, value, strange| {
        put(&mut dump.pendingoperations, "operation", key, value, strange, operation)
    }),
];

/// Names by which Heketi finds out whether a node or a device is there already stand among the
/// entries; what they say stands in these as well.
pub(super) fn is_registry(bucket: &str, key: &[u8]) -> bool {
    match bucket {
        "NODE" => key.starts_with(b"MANAGE") || key.starts_with(b"STORAGE"),
        "DEVICE" => key.starts_with(b"DEVICE"),
        _ => false,
    }
}

fn put<T>(
    entries: &mut std::collections::BTreeMap<String, T>,
    kind: &str,
    key: String,
    value: &[u8],
    strange: &Strange,
    read: impl FnOnce(&mut Members<'_>) -> Result<T>,
) -> Result<()> {
    let entry = Members::read(gob::read(value)?, kind, strange, read)?;
    entries.insert(key, entry);
    Ok(())
}

fn cluster(entry: &mut Members<'_>) -> Result<ClusterEntry> {
    let info = entry.inside("Info", |info| {
        let (file, block) =
            info.inside("ClusterFlags", |flags| Ok((flags.flag("File")?, flags.flag("Block")?)))?;
        Ok(ClusterRecord {
            id: info.text("Id")?,
            nodes: info.list("Nodes")?,
            volumes: info.list("Volumes")?,
            block,
            file,
            blockvolumes: info.list("BlockVolumes")?,
        })
    })?;
    Ok(ClusterEntry { info })
}

/// What nodes and devices have in common.
fn state(entry: &mut Members<'_>) -> Result<String> {
    entry.inside("Entry", |entry| entry.text("State"))
}

fn node(entry: &mut Members<'_>) -> Result<NodeEntry> {
    let info = entry.inside("Info", |info| {
        let id = info.text("Id")?;
        info.inside("NodeAddRequest", |info| {
            let hostnames = info.inside("Hostnames", |names| {
                Ok(Hostnames { manage: names.list("Manage")?, storage: names.list("Storage")? })
            })?;
            Ok(NodeRecord {
                zone: info.int("Zone")?,
                hostnames,
                cluster: info.text("ClusterId")?,
                tags: info.map("Tags")?,
                id,
            })
        })
    })?;
    Ok(NodeEntry { state: state(entry)?, info, devices: entry.list("Devices")? })
}

fn device(entry: &mut Members<'_>) -> Result<DeviceEntry> {
    let info = entry.inside("Info", |info| {
        let (name, tags) =
            info.inside("Device", |device| Ok((device.text("Name")?, device.map("Tags")?)))?;
        let storage = info.inside("Storage", |size| {
            let mut of = |name| size.uint(name).map(Kib);
            Ok(StorageSize { total: of("Total")?, free: of("Free")?, used: of("Used")? })
        })?;
        Ok(DeviceRecord {
            name,
            tags,
            storage,
            id: info.text("Id")?,
            paths: info.list("Paths")?,
            pv_uuid: info.text("PvUUID")?,
        })
    })?;
    Ok(DeviceEntry {
        state: state(entry)?,
        info,
        bricks: entry.list("Bricks")?,
        node: entry.text("NodeId")?,
        extent_size: entry.uint("ExtentSize")?,
    })
}

fn pending(entry: &mut Members<'_>) -> Result<Pending> {
    entry.inside("Pending", |pending| Ok(Pending { id: pending.text("Id")? }))
}

fn brick(entry: &mut Members<'_>) -> Result<BrickEntry> {
    let info = entry.inside("Info", |info| {
        Ok(BrickRecord {
            id: info.text("Id")?,
            path: info.text("Path")?,
            device: info.text("DeviceId")?,
            node: info.text("NodeId")?,
            volume: info.text("VolumeId")?,
            size: info.uint("Size")?,
        })
    })?;
    Ok(BrickEntry {
        info,
        pool_size: entry.uint("TpSize")?,
        metadata_size: entry.uint("PoolMetadataSize")?,
        pending: pending(entry)?,
        thin_pool: entry.text("LvmThinPool")?,
        lv: entry.text("LvmLv")?,
        sub_type: entry.int("SubType")?,
    })
}

fn volume(entry: &mut Members<'_>) -> Result<VolumeEntry> {
    // The same as the durability of the request.
    entry.pass("Durability");
    Ok(VolumeEntry {
        info: entry.inside("Info", volume_record)?,
        bricks: entry.list("Bricks")?,
        options: entry.texts("GlusterVolumeOptions")?,
        pending: pending(entry)?,
    })
}

fn volume_record(info: &mut Members<'_>) -> Result<VolumeRecord> {
    let mut record = info.inside("VolumeCreateRequest", requested)?;
    record.id = info.text("Id")?;
    record.cluster = info.text("Cluster")?;
    record.mount.glusterfs =
        info.inside("Mount", |mount| mount.inside("GlusterFS", how_to_mount))?;
    record.blockinfo = info.inside("BlockInfo", hosted)?;
    Ok(record)
}

/// What the request of a volume said.
fn requested(request: &mut Members<'_>) -> Result<VolumeRecord> {
    let durability = request.inside("Durability", |durability| {
        let replicate = |r: &mut Members<'_>| Ok(Replicate { replica: r.int("Replica")? });
        let disperse = |d: &mut Members<'_>| {
            Ok(Disperse { data: d.int("Data")?, redundancy: d.int("Redundancy")? })
        };
        Ok(DurabilityRequest {
            kind: durability.text("Type")?,
            replicate: durability.inside("Replicate", replicate)?,
            disperse: durability.inside("Disperse", disperse)?,
        })
    })?;
    let snapshot = request.inside("Snapshot", |snapshot| {
        Ok(Snapshot { enable: snapshot.flag("Enable")?, factor: snapshot.float("Factor")? })
    })?;
    Ok(VolumeRecord {
        size: request.int("Size")?,
        clusters: request.list("Clusters")?,
        name: request.text("Name")?,
        durability,
        gid: request.int("Gid")?,
        glustervolumeoptions: request.list("GlusterVolumeOptions")?,
        block: request.flag("Block")?,
        snapshot,
        ..VolumeRecord::default()
    })
}

fn how_to_mount(mount: &mut Members<'_>) -> Result<GlusterfsMount> {
    let mut options = mount.map("Options")?;
    let backup = options.remove("backup-volfile-servers").unwrap_or_default();
    for name in options.keys() {
        mount.strange(&format!("Options {}", name.escape_debug()));
    }
    Ok(GlusterfsMount {
        hosts: mount.list("Hosts")?,
        device: mount.text("MountPoint")?,
        options: MountOptions { backup_volfile_servers: backup },
    })
}

fn hosted(info: &mut Members<'_>) -> Result<BlockInfo> {
    let ids = info.list("BlockVolumes")?;
    let id = |text: String| {
        text.parse().map_err(|e| format!("BlockInfo.BlockVolumes: {}: {e}", text.escape_debug()))
    };
    Ok(BlockInfo {
        freesize: info.int("FreeSize")?,
        reservedsize: info.int("ReservedSize")?,
        blockvolume: ids.into_iter().map(id).collect::<Result<_>>()?,
        restriction: info.text("Restriction")?,
    })
}

fn block_volume(entry: &mut Members<'_>) -> Result<BlockVolumeEntry> {
    let info = entry.inside("Info", |info| {
        let mut record = info.inside("BlockVolumeCreateRequest", |request| {
            Ok(BlockVolumeRecord {
                size: request.int("Size")?,
                clusters: request.list("Clusters")?,
                name: request.text("Name")?,
                hacount: request.int("Hacount")?,
                auth: request.flag("Auth")?,
                ..BlockVolumeRecord::default()
            })
        })?;
        record.blockvolume = info.inside("BlockVolume", |target| {
            Ok(BlockVolumeTarget {
                hosts: target.list("Hosts")?,
                iqn: target.text("Iqn")?,
                lun: target.int("Lun")?,
                username: target.text("Username")?,
                password: target.text("Password")?.into(),
            })
        })?;
        record.id = info.text("Id")?;
        record.cluster = info.text("Cluster")?;
        record.blockhostingvolume = info.text("BlockHostingVolume")?;
        record.usablesize = info.int("UsableSize")?;
        Ok(record)
    })?;
    Ok(BlockVolumeEntry { info, pending: pending(entry)? })
}

fn attribute(entry: &mut Members<'_>) -> Result<AttributeEntry> {
    Ok(AttributeEntry { key: entry.text("Key")?, value: entry.text("Value")? })
}

fn operation(entry: &mut Members<'_>) -> Result<PendingOperationEntry> {
    let mut operation = entry.inside("PendingOperation", |operation| {
        let action = |action: &mut Members<'_>| {
            Ok(PendingAction {
                change: action.int("Change")?,
                id: action.text("Id")?,
                delta: delta(action.any("Delta")?.as_ref())?,
            })
        };
        Ok(PendingOperationEntry {
            id: operation.inside("PendingItem", |item| item.text("Id"))?,
            timestamp: operation.int("Timestamp")?,
            kind: operation.int("Type")?,
            actions: operation.each("Actions", action)?,
            status: String::new(),
        })
    })?;
    operation.status = entry.text("Status")?;
    Ok(operation)
}

/// A whole number, which an import of JSON by Heketi turns into one with a fraction of none.
fn delta(value: Option<&Value>) -> Result<Option<i64>> {
    /// Up to here such numbers are exact.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value {
        None => Ok(None),
        Some(Value::Int(number)) => Ok(Some(*number)),
        Some(Value::Float(number)) if number.fract() == 0.0 && number.abs() <= EXACT =>
        {
            #[expect(clippy::cast_possible_truncation, reason = "it is whole and small enough")]
            Ok(Some(*number as i64))
        }
        Some(_) => Err("Delta is no whole number".to_owned()),
    }
}
