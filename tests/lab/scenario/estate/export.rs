//! What `heketi db export` would have written (storage.md 6.5 to 6.8).
use super::{Age, Brick, Device, Estate, Layout, Member, Volume, storage};
use serde_json::{Map, Value, json};

impl Estate {
    /// The database as JSON.
    pub fn export(&self) -> String {
        let nodes = self.nodes.iter().map(|member| (member.id.clone(), self.node(member)));
        let devices = || {
            self.nodes.iter().enumerate().flat_map(|(n, m)| {
                m.devices.iter().enumerate().map(move |(disk, device)| ((n, disk), device))
            })
        };
        let devices =
            devices().map(|(at, device)| (device.id.clone(), self.device_entry(at, device)));
        let volumes =
            self.volumes.iter().map(|volume| (volume.id.clone(), self.volume_entry(volume)));
        let bricks = self.volumes.iter().flat_map(|volume| {
            let entry = |brick: &Brick| (brick.id.clone(), self.brick_entry(volume, brick));
            volume.bricks.iter().map(entry)
        });
        let cluster = json!({"Info": {
            "id": self.cluster,
            "nodes": ids(self.nodes.iter().map(|member| &member.id)),
            "volumes": ids(self.volumes.iter().map(|volume| &volume.id)),
            "block": true,
            "file": true,
            "blockvolumes": [],
        }});
        let export = json!({
            "clusterentries": {&self.cluster: cluster},
            "volumeentries": sorted(volumes),
            "brickentries": sorted(bricks),
            "nodeentries": sorted(nodes),
            "deviceentries": sorted(devices),
            "blockvolumeentries": {},
            "dbattributeentries": attributes(),
            "pendingoperations": {},
        });
        format!("{export:#}")
    }

    fn node(&self, member: &Member) -> Value {
        json!({
            "State": "online",
            "Info": {
                "zone": member.node.0,
                "hostnames": {"manage": [member.node.manage()], "storage": [storage(member.node)]},
                "cluster": self.cluster,
                "id": member.id,
            },
            "Devices": ids(member.devices.iter().map(|device| &device.id)),
        })
    }

    /// What was added by an older Heketi has neither paths nor the UUID of its physical volume.
    fn device_entry(&self, at: (usize, usize), device: &Device) -> Value {
        let here = || {
            let bricks = self.volumes.iter().flat_map(|volume| &volume.bricks);
            bricks.filter(move |brick| brick.at == at)
        };
        // Clones lie in the pools of others, and take no space.
        let own = here().filter(|brick| brick.cloned.is_none());
        let used: u64 = own.map(|brick| brick.pool + brick.metadata).sum();
        let facts = &device.facts;
        let storage = json!({"total": facts.total, "free": facts.total - used, "used": used});
        let mut info = json!({"name": device.name, "storage": storage, "id": device.id});
        if at.1 == 0 {
            info["paths"] = json!(facts.paths);
            info["pv_uuid"] = json!(facts.pv_uuid);
        }
        json!({
            "State": "online",
            "Info": info,
            "Bricks": ids(here().map(|brick| &brick.id)),
            "NodeId": self.nodes[at.0].id,
            "ExtentSize": facts.extent,
        })
    }

    fn brick_entry(&self, volume: &Volume, brick: &Brick) -> Value {
        let usual = if volume.age == Age::Six { String::new() } else { format!("tp_{}", brick.id) };
        let cloned = brick.cloned.as_ref();
        let kind = match volume.age {
            Age::Six => 0,
            Age::Eight | Age::Ten => {
                if brick.is_arbiter {
                    2
                } else {
                    1
                }
            }
        };
        json!({
            "Info": {
                "id": brick.id,
                "path": self.path(brick),
                "device": self.device(brick.at).id,
                "node": self.nodes[brick.at.0].id,
                "volume": volume.id,
                "size": brick.size,
            },
            "TpSize": brick.pool,
            "PoolMetadataSize": brick.metadata,
            "Pending": {"Id": ""},
            "LvmThinPool": cloned.map_or(&usual, |cloned| &cloned.pool),
            "LvmLv": cloned.map_or("", |cloned| &cloned.lv),
            "SubType": kind,
        })
    }

    fn volume_entry(&self, volume: &Volume) -> Value {
        let Volume { id, name, size, gid, factor, .. } = volume;
        let mut members: Vec<_> = self.nodes.iter().collect();
        members.sort_by(|a, b| a.id.cmp(&b.id));
        let hosts: Vec<_> = members.iter().map(|member| storage(member.node)).collect();
        // A 32-bit float in as few digits as tell it.
        let wide: Value = serde_json::from_str(&factor.unwrap_or(1.0).to_string()).unwrap();
        let mut info = json!({
            "size": size,
            "name": name,
            "durability": durability(volume.layout),
            "snapshot": {"enable": factor.is_some(), "factor": wide},
            "id": id,
            "cluster": self.cluster,
            "mount": {"glusterfs": {
                "hosts": hosts,
                "device": format!("{}:{name}", hosts[0]),
                "options": {"backup-volfile-servers": hosts[1..].join(",")},
            }},
            "blockinfo": {},
        });
        if *gid != 0 {
            info["gid"] = json!(gid);
        }
        json!({
            "Info": info,
            "Bricks": ids(volume.bricks.iter().map(|brick| &brick.id)),
            "GlusterVolumeOptions": (volume.age != Age::Six).then(|| volume.options()),
            "Pending": {"Id": ""},
        })
    }
}

/// Also what does not count: Heketi's command line sends all of it.
fn durability(layout: Layout) -> Value {
    let (kind, replica) = match layout {
        Layout::Replica(replica) => ("replicate", replica),
        Layout::Arbiter => ("replicate", 3),
        Layout::Disperse => ("disperse", 3),
    };
    let (data, redundancy) = if layout == Layout::Disperse { (2, 1) } else { (4, 2) };
    json!({
        "type": kind,
        "replicate": {"replica": replica},
        "disperse": {"data": data, "redundancy": redundancy},
    })
}

fn attributes() -> Value {
    let known = [
        ("DB_BRICK_HAS_SUBTYPE_FIELD", "yes"),
        ("DB_CLUSTER_HAS_FILE_BLOCK_FLAG", "yes"),
        ("DB_DEVICE_HAS_ID_META", "yes"),
        ("DB_GENERATION_ID", "a54d507c250f25be7740e87e911bc519"),
        ("DB_HAS_PENDING_OPS_BUCKET", "yes"),
    ];
    sorted(known.map(|(key, value)| (key.to_owned(), json!({"Key": key, "Value": value}))))
}

/// Lists of ids are kept sorted, whatever their order means.
fn ids<'a>(all: impl Iterator<Item = &'a String>) -> Vec<&'a String> {
    let mut all: Vec<_> = all.collect();
    all.sort();
    all
}

fn sorted(entries: impl IntoIterator<Item = (String, Value)>) -> Value {
    let mut entries: Vec<_> = entries.into_iter().collect();
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    entries.into_iter().collect::<Map<_, _>>().into()
}
