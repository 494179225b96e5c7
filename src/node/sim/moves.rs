//! What glusterd does when bricks move: `replace-brick`, healing, and peers that are away.
use super::{
    gluster::{answer, brick_host, find, ready},
    world::{Outcome, Volume, World},
};
use std::collections::BTreeSet;

pub(super) fn replace_brick(world: &mut World, name: &str, old: &str, new: &str) -> Outcome {
    let failed = |why: String| format!("volume replace-brick: failed: {why}");
    let Some(volume) = find(world, name).cloned() else {
        return Err(failed(format!("volume: {name} does not exist")));
    };
    if set_size(&volume) == 1 {
        return Err(failed(
            "replace-brick is not permitted on distribute only volumes. Please use add-brick and \
             remove-brick operations instead."
                .into(),
        ));
    }
    let Some(at) = volume.bricks.iter().position(|brick| brick == old) else {
        return Err(failed(format!("brick: {old} does not exist in volume: {name}")));
    };
    ready(world, &[new]).map_err(&failed)?;
    world.learn(&[new]);
    if world.is_away(brick_host(new)) {
        return Err(failed(format!("Host {} is not connected", brick_host(new))));
    }
    world.to_heal.remove(old);
    let first = at - at % set_size(&volume);
    for other in volume.bricks.iter().skip(first).take(set_size(&volume)) {
        if other != old && world.heal_backlog > 0 {
            world.to_heal.insert(other.clone(), world.heal_backlog);
        }
    }
    if let Some(volume) = find(world, name) {
        new.clone_into(&mut volume.bricks[at]);
    }
    Ok("volume replace-brick: success: replace-brick commit force operation successful".into())
}

/// Bricks that make one set, by the words of the create.
fn set_size(volume: &Volume) -> usize {
    let number = |word: &str| {
        let value = volume.kind.iter().skip_while(|w| *w != word).nth(1);
        value.and_then(|value| value.parse::<usize>().ok()).unwrap_or(0)
    };
    (number("replica") + number("disperse-data") + number("redundancy")).max(1)
}

/// What `heal info` says of one brick, which has one file less to heal afterwards.
fn heal_of(world: &mut World, brick: &str) -> String {
    if world.is_away(brick_host(brick)) {
        return "<brick hostUuid=\"-\"><name>information not available</name>\
             <status>Transport endpoint is not connected</status>\
             <numberOfEntries>-</numberOfEntries></brick>"
            .into();
    }
    let entries = world.to_heal.get(brick).copied().unwrap_or(0);
    let files = "<file gfid=\"x\">/file</file>".repeat(usize::from(entries > 0));
    match entries {
        _ if world.no_healing => None,
        0 | 1 => world.to_heal.remove(brick),
        more => world.to_heal.insert(brick.to_owned(), more - 1),
    };
    format!(
        "<brick hostUuid=\"u\"><name>{brick}</name>{files}<status>Connected</status>\
         <numberOfEntries>{entries}</numberOfEntries></brick>"
    )
}

/// Each look heals one file on every brick, as far as its node is there.
pub(super) fn heal_info(world: &mut World, name: &str) -> String {
    let Some(volume) = find(world, name).cloned() else {
        return answer(-1, &format!("Volume {name} does not exist"), "");
    };
    if !volume.started {
        return answer(-1, &format!("Volume {name} is not started (Start Force)"), "");
    }
    let bricks: String = volume.bricks.iter().map(|brick| heal_of(world, brick)).collect();
    answer(0, "", &format!("<healInfo><bricks>{bricks}</bricks></healInfo>"))
}

pub(super) fn pool_list(world: &mut World, host: &str) -> String {
    let own = |(_, manage): &(&String, &String)| *manage == host;
    let own: BTreeSet<_> =
        world.addresses.iter().filter(own).map(|(storage, _)| storage.clone()).collect();
    let mut peers: BTreeSet<_> = world.peers.get(host).into_iter().flatten().cloned().collect();
    for name in &own {
        peers.extend(pool_of(world, name));
    }
    let lines = peers.difference(&own).map(|peer| {
        let state = if world.notices(peer) { "Disconnected" } else { "Connected" };
        let uuid = world.addresses.get(peer).unwrap_or(peer);
        let name = world.aliases.get(peer).unwrap_or(peer);
        format!("uuid-{uuid}\t{name}\t{state} \n")
    });
    let lines: String = lines.collect();
    format!("UUID\tHostname\tState\n{lines}uuid-{host}\tlocalhost\tConnected \n")
}

pub(super) fn detach(world: &mut World, peer: &str, force: bool) -> Outcome {
    if world.volumes.iter().any(|v| v.bricks.iter().any(|b| brick_host(b) == peer)) {
        return Err(format!("peer detach: failed: Peer {peer} hosts one or more bricks."));
    }
    let was = world.peers.values_mut().filter(|peers| peers.contains(peer)).count();
    if was == 0 {
        return Err(format!("peer detach: failed: {peer} is not part of cluster"));
    }
    let others_away = pool_of(world, peer).into_iter().any(|h| h != peer && world.is_away(&h));
    if others_away && !force {
        return Err("peer detach: failed: One of the peers is probably down. Check with 'peer \
                    status'"
            .into());
    }
    for peers in world.peers.values_mut() {
        peers.remove(peer);
    }
    world.addresses.remove(peer);
    Ok("peer detach: success".into())
}

/// Whether glusterd of some node in the pool of this volume is away.
pub(super) fn peers_down(world: &World, volume: &Volume) -> bool {
    let hosts = volume.bricks.iter().map(|brick| brick_host(brick));
    hosts.flat_map(|host| pool_of(world, host)).any(|host| world.is_away(&host))
}

/// The storage names that are in one pool with this one, as far as they are known.
fn pool_of(world: &World, host: &str) -> BTreeSet<String> {
    let mut pool = BTreeSet::from([host.to_owned()]);
    loop {
        let before = pool.len();
        for (owner, peers) in &world.peers {
            let of_owner = world.addresses.iter().filter(|(_, manage)| *manage == owner);
            let mut all: BTreeSet<_> = of_owner.map(|(storage, _)| storage.clone()).collect();
            all.extend(peers.iter().cloned());
            if !all.is_disjoint(&pool) {
                pool.extend(all);
            }
        }
        if pool.len() == before {
            return pool;
        }
    }
}
