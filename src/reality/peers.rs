//! Whether all nodes of a cluster are in one pool of gluster.
use super::view::{View, difference};
use crate::{
    api::reality::{Difference, Kind, Repair},
    domain::NodeId,
    node::stock::{Peer, Peers},
    store::nodes::Node,
};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn compare(view: &View<'_>, differences: &mut Vec<Difference>) {
    for cluster in &view.facts.after.clusters {
        let members: Vec<&Node> = view.members(cluster.id).collect();
        let lists: BTreeMap<NodeId, &Peers> = members
            .iter()
            .filter_map(|node| Some((node.id, view.stock(node.id)?.peers.as_ref().ok()?)))
            .collect();
        for node in outside(&members, &lists) {
            let host = view.host(node.id);
            let text = format!(
                "node {host} ({}) is not in the gluster pool of cluster {}",
                node.id, cluster.id
            );
            let repair = Some(Repair::ProbePeer { node: node.id });
            differences.push(difference(Kind::PeerMissing, &node.id.to_string(), text, repair));
        }
    }
}

/// Nodes that have told of their peers and are in no pool with most of the others.
///
/// A node that was put out while it was away still lists the others, which do not talk with it.
fn outside<'a>(members: &[&'a Node], lists: &BTreeMap<NodeId, &Peers>) -> Vec<&'a Node> {
    let listed = |from: &Node, to: &Node| {
        let list = lists.get(&from.id)?;
        let own = lists.get(&to.id).map(|own| own.own.as_str());
        let is_it = |peer: &&Peer| {
            own == Some(&peer.uuid) || to.storage.iter().any(|name| name.as_str() == peer.name)
        };
        Some(list.others.iter().find(is_it))
    };
    let joined = |a: &Node, b: &Node| {
        let Some(Some(peer)) = listed(a, b) else { return false };
        peer.connected || listed(b, a) != Some(None)
    };
    let mut pools: Vec<Vec<&'a Node>> = vec![];
    let mut placed = BTreeSet::new();
    for node in members {
        if !placed.insert(node.id) {
            continue;
        }
        let (mut pool, mut next) = (vec![], vec![*node]);
        while let Some(one) = next.pop() {
            pool.push(one);
            for other in members.iter().filter(|o| joined(one, o) || joined(o, one)) {
                if placed.insert(other.id) {
                    next.push(other);
                }
            }
        }
        pools.push(pool);
    }
    // The first of the largest: members are in the order of their ids.
    let largest = pools.iter().map(Vec::len).max().unwrap_or(0);
    let main = pools.iter().position(|pool| pool.len() == largest);
    let others = pools.into_iter().enumerate().filter(|(at, _)| Some(*at) != main);
    others.flat_map(|(_, pool)| pool).filter(|node| lists.contains_key(&node.id)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ClusterId, State};

    fn node(n: u8) -> Node {
        Node {
            id: format!("{n:032x}").parse().unwrap(),
            cluster: ClusterId::random(),
            zone: 1,
            manage: vec![format!("n{n}").parse().unwrap()],
            storage: vec![format!("s{n}").parse().unwrap()],
            tags: BTreeMap::default(),
            state: State::Online,
            pending: None,
        }
    }
    /// Names of peers, `-` before those that are not connected.
    fn found(lists: [Option<&[&str]>; 3]) -> Vec<String> {
        let nodes = [node(1), node(2), node(3)];
        let peer = |shown: &&str| {
            let name = shown.trim_start_matches('-').to_owned();
            let uuid = format!("u{}", name.trim_start_matches(|c: char| !c.is_ascii_digit()));
            Peer { uuid, name, connected: !shown.starts_with('-') }
        };
        let list = |(n, list): (usize, Option<&[&str]>)| {
            let others = list?.iter().map(peer).collect();
            Some(Peers { own: format!("u{}", n + 1), others })
        };
        let lists: Vec<_> = lists.into_iter().enumerate().map(list).collect();
        let lists =
            nodes.iter().zip(&lists).filter_map(|(n, l)| Some((n.id, l.as_ref()?))).collect();
        let members: Vec<_> = nodes.iter().collect();
        outside(&members, &lists).into_iter().map(|n| n.manage[0].to_string()).collect()
    }

    #[test]
    fn who_is_outside() {
        let whole = [Some(&["s2", "s3"][..]), Some(&["s1", "s3"]), Some(&["s1", "s2"])];
        assert!(found(whole).is_empty());
        assert_eq!(found([Some(&["s2"]), Some(&["s1"]), Some(&[])]), ["n3"]);
        // It was put out while it was away, and does not know.
        assert_eq!(found([Some(&["s2"]), Some(&["s1"]), Some(&["-s1", "-s2"])]), ["n3"]);
    }
    /// Whoever took another in is called there as the name service calls its address.
    #[test]
    fn a_peer_by_another_name() {
        let whole = [Some(&["-s2", "s3"][..]), Some(&["-host1", "s3"]), Some(&["s2", "host1"])];
        assert!(found(whole).is_empty());
        assert!(found([Some(&["-s2"][..]), Some(&["-host1"]), None]).is_empty());
        assert_eq!(found([Some(&["-s2"][..]), Some(&["-host1"]), Some(&[])]), ["n3"]);
    }
    #[test]
    fn a_node_that_is_away_is_not_outside() {
        assert!(found([Some(&["s2", "-s3"]), Some(&["s1", "-s3"]), None]).is_empty());
        assert!(found([Some(&["s2"]), Some(&["s1"]), None]).is_empty());
        // They cannot talk with each other, and all know of it.
        let apart = [Some(&["s2", "-s3"][..]), Some(&["s1", "-s3"]), Some(&["-s1", "-s2"])];
        assert!(found(apart).is_empty());
    }
}
