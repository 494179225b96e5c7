//! The members of a pool as its listing shows them, and by which names.
use crate::domain::Hostname;

/// A member of the pool that a listing shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer<'a> {
    /// What its glusterd calls itself.
    pub uuid: &'a str,
    /// A name of its host: not always the one under which it was taken in. Whoever takes in others
    /// is known to them by what name service calls it.
    pub name: &'a str,
    /// It was not yet noticed to be away.
    pub connected: bool,
}

/// The members of the pool, by a listing of [`pool_list`](super::pool_list).
fn members(listing: &str) -> impl Iterator<Item = Peer<'_>> {
    listing.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let (uuid, name) = (words.next()?, words.next()?);
        let connected = match words.next()? {
            "Connected" => true,
            "Disconnected" => false,
            _ => return None,
        };
        Some(Peer { uuid, name, connected })
    })
}

/// The UUID of the node that was asked, by its listing of [`pool_list`](super::pool_list).
#[must_use]
pub fn own_uuid(listing: &str) -> Option<&str> {
    members(listing).find(|peer| peer.name == "localhost").map(|peer| peer.uuid)
}

/// The members, besides the one that was asked, that are listed by none of these names.
#[must_use]
pub fn strangers<'a>(listing: &'a str, names: &[Hostname]) -> Vec<Peer<'a>> {
    let known = |name| name == "localhost" || names.iter().any(|known| known.as_str() == name);
    members(listing).filter(|peer| !known(peer.name)).collect()
}

/// Whether gluster, by a listing of [`pool_list`](super::pool_list), sends nothing to this host any more: it calls it
/// away, or does not have it. A host that is not listed by its name is any that is connected and
/// bears none of the names of `others`.
#[must_use]
pub fn is_noticed(listing: &str, host: &Hostname, others: &[Hostname]) -> bool {
    match members(listing).find(|peer| peer.name == host.as_str()) {
        Some(peer) => !peer.connected,
        None => !strangers(listing, others).iter().any(|peer| peer.connected),
    }
}
