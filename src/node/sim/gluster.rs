//! glusterd on simulated nodes: as much of it as `node::gluster` uses, with its words.
use super::{
    moves, snapshot,
    world::{Node, Outcome, Volume, World},
};
use std::collections::BTreeMap;

pub(super) fn execute(world: &mut World, host: &str, argv: &[&str], stdin: &[String]) -> Outcome {
    if world.no_glusterd.contains(host) {
        return Err("Connection failed. Please check if gluster daemon is operational.".into());
    }
    let rest: Vec<&str> = argv.iter().copied().filter(|word| !word.starts_with("--")).collect();
    if !rest.is_empty() {
        return command(world, host, &rest, argv.contains(&"--xml"));
    }
    let mut printed = String::new();
    for line in stdin {
        if line.len() > 1023 {
            return Err(
                "simulated: a real session takes the rest of this line for a command".into()
            );
        }
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        printed += &command(world, host, &words, false)?;
        printed.push('\n');
    }
    Ok(printed)
}

fn command(world: &mut World, host: &str, argv: &[&str], xml: bool) -> Outcome {
    let changes = matches!(argv, ["peer", "detach", ..] | ["volume", "replace-brick", ..]);
    if changes && world.unnoticed.values().any(|looks| *looks > 0) {
        return Err("Error : Request timed out".into());
    }
    match argv {
        ["volume", "create", name, rest @ ..] => create(world, name, rest),
        ["volume", "add-brick", name, bricks @ ..] => add_brick(world, name, bricks),
        ["volume", "set", name, rest @ ..] => set(world, name, rest),
        ["volume", "start", name] => start(world, name),
        // Starts what does not run, and is never in vain.
        ["volume", "start", name, "force"] => match find(world, name) {
            Some(volume) if volume.started => Ok(format!("volume start: {name}: success")),
            _ => start(world, name),
        },
        ["volume", "stop", name, "force"] => stop(world, name),
        ["volume", "delete", name] => delete(world, name),
        ["volume", "status", name] => match find(world, name) {
            Some(volume) if volume.started => Ok(format!("Status of volume: {name}")),
            Some(_) => Err(format!("Volume {name} is not started")),
            None => Err(format!("Volume {name} does not exist")),
        },
        ["volume", "replace-brick", name, old, new, "commit", "force"] => {
            moves::replace_brick(world, name, old, new)
        }
        ["volume", "heal", name] => match find(world, name) {
            Some(volume) if volume.started => Ok("Launching heal operation".into()),
            Some(_) => Err(format!("Volume {name} is not started.")),
            None => Err(format!("Volume {name} does not exist")),
        },
        ["volume", "heal", name, "info"] if xml => Ok(moves::heal_info(world, name)),
        ["volume", "rebalance", name, "start"] => match find(world, name) {
            Some(_) => Ok("volume rebalance: success".into()),
            None => Err(format!("volume rebalance: {name}: failed: Volume {name} does not exist")),
        },
        ["volume", "info", name] if xml => Ok(info(world, name)),
        // Pools are not modelled: a node sees the volumes of all.
        ["volume", "info"] if xml => Ok(volumes(&world.volumes)),
        ["snapshot", "create" | "activate" | "clone" | "info" | "delete", ..] => {
            snapshot::command(world, &argv[1..])
        }
        ["snapshot", "list", name] if xml => Ok(snapshots(world, name)),
        ["snapshot", "config", ..] => Ok("snapshot config: success".into()),
        ["pool", "list"] => Ok(moves::pool_list(world, host)),
        ["peer", "probe", peer] => {
            world.peers.entry(host.to_owned()).or_default().insert((*peer).to_owned());
            Ok("peer probe: success".into())
        }
        ["peer", "detach", peer] => moves::detach(world, peer, false),
        ["peer", "detach", peer, "force"] => moves::detach(world, peer, true),
        other => Err(format!("unrecognized command: {}", other.join(" "))),
    }
}

pub(super) fn find<'a>(world: &'a mut World, name: &str) -> Option<&'a mut Volume> {
    world.volumes.iter_mut().find(|volume| volume.name == name)
}

pub(super) fn brick_host(brick: &str) -> &str {
    brick.split_once(":/").map_or(brick, |(host, _)| host)
}

pub(super) fn ready(world: &World, bricks: &[&str]) -> Result<(), String> {
    for brick in bricks {
        let path = brick.split_once(":/").map(|(_, path)| format!("/{path}")).unwrap_or_default();
        if !world.brick_exists(&path) {
            return Err(format!(
                "Failed to find brick directory {path} for volume. Reason : No such file or directory"
            ));
        }
        if world.marked.contains(&path) {
            return Err(format!("{path} is already part of a volume"));
        }
        if world.volumes.iter().any(|volume| volume.bricks.iter().any(|b| b == brick)) {
            return Err(format!(
                "Brick: {brick} not available. Brick may be containing or be contained by an existing brick."
            ));
        }
    }
    Ok(())
}

fn create(world: &mut World, name: &str, rest: &[&str]) -> Outcome {
    let first = rest.iter().position(|word| word.contains(":/")).unwrap_or(rest.len());
    let (kind, bricks) = rest.split_at(first);
    // Pools are not modelled: a volume of the same name on other hosts belongs to another pool.
    let same_pool = |volume: &Volume| {
        let hosts: Vec<_> = bricks.iter().map(|b| brick_host(b)).collect();
        volume.bricks.iter().any(|b| hosts.contains(&brick_host(b)))
    };
    if world.volumes.iter().any(|volume| volume.name == name && same_pool(volume)) {
        return Err(format!("volume create: {name}: failed: Volume {name} already exists"));
    }
    ready(world, bricks).map_err(|why| format!("volume create: {name}: failed: {why}"))?;
    world.learn(bricks);
    world.volumes.push(Volume {
        name: name.to_owned(),
        kind: kind.iter().map(|word| (*word).to_owned()).collect(),
        bricks: bricks.iter().map(|brick| (*brick).to_owned()).collect(),
        started: false,
        options: BTreeMap::new(),
        snapshots: 0,
        uuid: uuid::Uuid::new_v4().to_string(),
    });
    Ok(format!("volume create: {name}: success: please start the volume to access data"))
}

fn add_brick(world: &mut World, name: &str, bricks: &[&str]) -> Outcome {
    let failed = |why: &str| format!("volume add-brick: failed: {why}");
    ready(world, bricks).map_err(|why| failed(&why))?;
    world.learn(bricks);
    let Some(volume) = find(world, name) else {
        return Err(failed(&format!("Unable to get volinfo for volume name {name}")));
    };
    volume.bricks.extend(bricks.iter().map(|brick| (*brick).to_owned()));
    Ok("volume add-brick: success".into())
}

fn set(world: &mut World, name: &str, words: &[&str]) -> Outcome {
    let Some(volume) = find(world, name) else {
        return Err(format!("volume set: failed: Volume {name} does not exist"));
    };
    if volume.bricks.iter().any(|brick| brick.contains("/snaps/")) && !volume.started {
        return Err("volume set: failed: Commit failed on localhost.".into());
    }
    let [key, value @ ..] = words else {
        return Err("Usage: volume set <VOLNAME> <KEY> <VALUE>".into());
    };
    if value.is_empty() {
        return Err("Usage: volume set <VOLNAME> <KEY> <VALUE>".into());
    }
    if !known(key) {
        return Err(format!("volume set: failed: option : {key} does not exist"));
    }
    volume.options.insert((*key).to_owned(), value.join(" "));
    Ok("volume set: success".into())
}

/// Names that glusterd knows begin with one of these words; whatever is in `user` is free.
fn known(key: &str) -> bool {
    const FIRST: [&str; 20] = [
        "auth",
        "client",
        "cluster",
        "config",
        "ctime",
        "debug",
        "delay-gen",
        "diagnostics",
        "disperse",
        "features",
        "geo-replication",
        "locks",
        "network",
        "nfs",
        "performance",
        "server",
        "ssl",
        "storage",
        "transport",
        "user",
    ];
    *key == *"group" || key.split_once('.').is_some_and(|(first, _)| FIRST.contains(&first))
}

fn start(world: &mut World, name: &str) -> Outcome {
    match find(world, name) {
        None => Err(format!("volume start: {name}: failed: Volume {name} does not exist")),
        Some(volume) if volume.started => {
            Err(format!("volume start: {name}: failed: Volume {name} already started"))
        }
        Some(volume) => {
            volume.started = true;
            Ok(format!("volume start: {name}: success"))
        }
    }
}

fn stop(world: &mut World, name: &str) -> Outcome {
    match find(world, name) {
        None => Err(format!("volume stop: {name}: failed: Volume {name} does not exist")),
        Some(volume) if !volume.started => {
            Err(format!("volume stop: {name}: failed: Volume {name} is not in the started state"))
        }
        Some(volume) => {
            volume.started = false;
            Ok(format!("volume stop: {name}: success"))
        }
    }
}

fn delete(world: &mut World, name: &str) -> Outcome {
    let failed = |why: String| Err(format!("volume delete: {name}: failed: {why}"));
    let away = find(world, name).cloned().is_some_and(|volume| moves::peers_down(world, &volume));
    match find(world, name) {
        None => failed(format!("Volume {name} does not exist")),
        Some(_) if away => failed("Some of the peers are down".into()),
        Some(volume) if volume.started => failed(format!("Volume {name} has been started.")),
        Some(volume) if volume.snapshots > 0 => failed(format!(
            "Cannot delete Volume {name} ,as it has {} snapshots.",
            volume.snapshots
        )),
        Some(_) => {
            if let Some(at) = world.volumes.iter().position(|volume| volume.name == name) {
                let volume = world.volumes.remove(at);
                let mounted = |brick: &String| {
                    let path = brick.split_once(":/").map_or("", |(_, path)| path);
                    let holds = |node: &Node| node.in_brick(&format!("/{path}")).is_some();
                    world.nodes.iter().find(|(_, node)| holds(node)).map(|(host, _)| host.clone())
                };
                let on_disk = volume.bricks.iter().filter_map(mounted).collect();
                world.gone.push((volume, on_disk));
            }
            Ok(format!("volume delete: {name}: success"))
        }
    }
}

pub(super) fn answer(ret: i64, error: &str, body: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n<cliOutput><opRet>{ret}</opRet>\
         <opErrno>0</opErrno><opErrstr>{error}</opErrstr>{body}</cliOutput>\n"
    )
}

fn info(world: &mut World, name: &str) -> String {
    match find(world, name) {
        None => answer(-1, &format!("Volume {name} does not exist"), ""),
        Some(volume) => volumes(std::slice::from_ref(volume)),
    }
}

fn volumes(all: &[Volume]) -> String {
    let described: String = all.iter().map(describe).collect();
    let count = all.len();
    let body = format!("<volInfo><volumes>{described}<count>{count}</count></volumes></volInfo>");
    answer(0, "", &body)
}

fn describe(volume: &Volume) -> String {
    let name = &volume.name;
    let status = if volume.started { "Started" } else { "Created" };
    let brick = |b: &String| format!("<brick uuid=\"u\">{b}<name>{b}</name></brick>");
    let bricks = volume.bricks.iter().map(brick).collect::<Vec<_>>().concat();
    let option = |(k, v)| format!("<option><name>{k}</name><value>{v}</value></option>");
    let options = volume.options.iter().map(option).collect::<Vec<_>>().concat();
    let uuid = &volume.uuid;
    let number = |word: &str| {
        let value = volume.kind.iter().skip_while(|w| *w != word).nth(1);
        value.and_then(|value| value.parse::<u8>().ok()).unwrap_or(0)
    };
    let (replica, arbiters) = (number("replica").max(1), number("arbiter"));
    let redundancy = number("redundancy");
    let disperse = number("disperse-data") + redundancy;
    format!(
        "<volume><name>{name}</name><id>{uuid}</id><statusStr>{status}</statusStr>\
         <replicaCount>{replica}</replicaCount><arbiterCount>{arbiters}</arbiterCount>\
         <disperseCount>{disperse}</disperseCount><redundancyCount>{redundancy}</redundancyCount>\
         <bricks>{bricks}</bricks><options>{options}</options></volume>"
    )
}

fn snapshots(world: &mut World, name: &str) -> String {
    match find(world, name) {
        None => answer(-1, &format!("Volume ({name}) does not exist"), ""),
        Some(volume) => {
            answer(0, "", &format!("<snapList><count>{}</count></snapList>", volume.snapshots))
        }
    }
}
