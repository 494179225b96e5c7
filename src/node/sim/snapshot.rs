//! Snapshots and clones of simulated gluster volumes.
use super::{
    gluster::find,
    world::{Node, Outcome, Volume, World},
};

pub(super) fn command(world: &mut World, argv: &[&str]) -> Outcome {
    match argv {
        ["create", name, volume, "no-timestamp"] => create(world, name, volume),
        ["activate", name] => known(world, name, "activate")
            .map(|_| format!("Snapshot activate: {name}: Snap activated successfully")),
        ["clone", clone, name] => make_clone(world, clone, name),
        ["info", name] => known(world, name, "info").map(|_| format!("Snapshot : {name}")),
        ["delete", name] => delete(world, name),
        other => Err(format!("unrecognized command: snapshot {}", other.join(" "))),
    }
}

fn known(world: &World, name: &str, what: &str) -> Outcome {
    let missing = || format!("Snapshot {what} failed: Snapshot ({name}) does not exist");
    world.snapshots.get(name).cloned().ok_or_else(missing)
}

fn create(world: &mut World, name: &str, of: &str) -> Outcome {
    let failed = |why: String| format!("snapshot create: failed: {why}");
    if world.snapshots.contains_key(name) {
        return Err(failed(format!("Snapshot {name} already exists")));
    }
    let Some(volume) = find(world, of) else {
        return Err(failed(format!("Volume ({of}) does not exist")));
    };
    if !volume.started {
        return Err(failed(format!("volume {of} is not running")));
    }
    volume.snapshots += 1;
    world.snapshots.insert(name.to_owned(), of.to_owned());
    Ok(format!("snapshot create: success: Snap {name} created successfully"))
}

fn delete(world: &mut World, name: &str) -> Outcome {
    let of = known(world, name, "delete")?;
    world.snapshots.remove(name);
    if let Some(volume) = find(world, &of) {
        volume.snapshots -= 1;
    }
    Ok(format!("snapshot delete: {name}: snap removed successfully"))
}

/// gluster copies the options, also the id of the source; the clone is not started.
fn make_clone(world: &mut World, clone: &str, snapshot: &str) -> Outcome {
    let of = known(world, snapshot, "clone")?;
    if find(world, clone).is_some() {
        return Err(format!("snapshot clone: failed: Volume with name:{clone} already exists"));
    }
    let Some(source) = find(world, &of).cloned() else {
        return Err(format!("snapshot clone: failed: Volume ({of}) does not exist"));
    };
    let uuid = uuid::Uuid::new_v4().to_string();
    let plain = uuid.replace('-', "");
    let mut bricks = vec![];
    for (n, brick) in (1..).zip(&source.bricks) {
        let (host, path) = brick.split_once(':').unwrap_or_default();
        let holds = |node: &Node| node.in_brick(path).is_some();
        let Some(node) = world.nodes.values_mut().find(|node| holds(node)) else {
            return Err(format!(
                "snapshot clone: failed: One or more bricks are not running: {brick}"
            ));
        };
        let folder = format!("/run/gluster/snaps/{plain}/brick{n}");
        if node.clone_brick(path, &plain, &folder).is_none() {
            return Err(format!("snapshot clone: failed: {brick} is on no thin volume"));
        }
        bricks.push(format!("{host}:{folder}/brick"));
    }
    let name = clone.to_owned();
    world.volumes.push(Volume { name, bricks, started: false, snapshots: 0, uuid, ..source });
    Ok(format!("snapshot clone: success: Clone {clone} created successfully"))
}

impl Node {
    /// A thin volume in the pool of the brick that is mounted there, with the same content. gluster
    /// counts those of a volume on each node.
    fn clone_brick(&mut self, path: &str, uuid: &str, folder: &str) -> Option<()> {
        let (device, _) = self.in_brick(path)?;
        let content = self.file_systems.get(&device)?.clone();
        let (group, lv) = device.strip_prefix("/dev/mapper/")?.split_once('-')?;
        let begin = format!("{uuid}_");
        let of_clone = |lv: &&String| lv.starts_with(&begin);
        let count = self.groups.values().flat_map(|g| g.volumes.keys()).filter(of_clone).count();
        let group_of = self.groups.get_mut(group)?;
        let (name, pool) = (format!("{uuid}_{count}"), group_of.volumes.get(lv)?.clone());
        let size = group_of.sizes.get(lv).copied().unwrap_or_default();
        group_of.volumes.insert(name.clone(), pool);
        group_of.sizes.insert(name.clone(), size);
        let device = format!("/dev/mapper/{group}-{name}");
        self.file_systems.insert(device.clone(), content);
        self.mounts.insert(folder.to_owned(), device);
        Some(())
    }
}
