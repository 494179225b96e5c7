//! What a node has, in typed values and in one script that changes nothing: what `check` compares
//! with the database, and what `rebuild` makes one of.
use super::{
    Cmd, Lane, Ran, Script, Tools, fstab,
    gluster::{self, VolumeReport},
    lvm::{
        self,
        report::{Group, Lv, Pv},
    },
    mount,
    names::MOUNTS,
    survey::{LONGEST, Mounted, table},
};

/// What a node has; each part as far as the node could tell, or why it could not. A part that is
/// not known is never taken for one that is empty.
#[derive(Clone, Debug)]
pub struct Stock {
    /// The volumes of its gluster pool.
    pub volumes: Result<Vec<VolumeReport>, String>,
    /// The other members of its pool.
    pub peers: Result<Peers, String>,
    /// Physical volumes.
    pub pvs: Result<Vec<Pv>, String>,
    /// Volume groups.
    pub groups: Result<Vec<Group>, String>,
    /// Logical volumes, hidden ones included.
    pub lvs: Result<Vec<Lv>, String>,
    /// What is mounted.
    pub mounts: Result<Vec<Mounted>, String>,
    /// What is to be mounted at boot.
    pub fstab: Result<Vec<Mounted>, String>,
    /// The directories that gluster is given, as far as they are there.
    pub directories: Vec<Directory>,
}

/// A node's pool, as its glusterd has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peers {
    /// The node's own UUID, by which its peers know it under whatever name.
    pub own: String,
    /// The other members.
    pub others: Vec<Peer>,
}

/// Another member of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its UUID.
    pub uuid: String,
    /// The name that it was introduced by. The one that introduced it has the name here that the
    /// name service gave to its address.
    pub name: String,
    /// They talk with each other: a peer that has put the node out does not.
    pub connected: bool,
}

/// A brick's directory, and who may write to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory {
    /// Where it is.
    pub path: String,
    /// The group that it was given to when it was made; 0 for none.
    pub gid: i64,
}

/// The questions; beside all work, so that nobody waits for them.
#[must_use]
pub fn script(tools: &Tools) -> Script {
    let script = gluster::info_of_all(Script::reading().lane(Lane::Health), tools);
    let script = script.then_try(gluster::pool_list(tools));
    let script = lvm::report::ask(script, tools);
    let script = fstab::list(mount::list(script), tools);
    script.then_try(directories()).limited(LONGEST)
}

/// Bricks of ours, and clones that gluster has made.
fn directories() -> Cmd {
    let places = ["find", MOUNTS, "/run/gluster/snaps"];
    let which = ["-mindepth", "3", "-maxdepth", "3", "-type", "d", "-name", "brick"];
    let shown = ["-printf", "%p %G %m\\n"];
    Cmd::new(places.into_iter().chain(which).chain(shown))
}

impl Stock {
    /// Reads the answers to [`script`].
    #[must_use]
    pub fn read(ran: &[Ran]) -> Self {
        let nothing = Ran::default();
        let answer = |n: usize| ran.get(n).unwrap_or(&nothing);
        Self {
            volumes: gluster::volumes(answer(0)).map_err(|e| e.to_string()),
            peers: peers(answer(1)),
            pvs: lvm::report::pvs(answer(2)),
            groups: lvm::report::groups(answer(3)),
            lvs: lvm::report::lvs(answer(4)),
            mounts: table(answer(5)),
            fstab: table(answer(6)),
            // One of the places may not be there, which find calls a failure.
            directories: answer(7).stdout.lines().filter_map(directory).collect(),
        }
    }

    /// The parts that are not known, with the reasons.
    pub fn unknown(&self) -> impl Iterator<Item = (&'static str, &String)> {
        [
            ("volumes of gluster", self.volumes.as_ref().err()),
            ("peers", self.peers.as_ref().err()),
            ("physical volumes", self.pvs.as_ref().err()),
            ("volume groups", self.groups.as_ref().err()),
            ("logical volumes", self.lvs.as_ref().err()),
            ("mounts", self.mounts.as_ref().err()),
            ("fstab", self.fstab.as_ref().err()),
        ]
        .into_iter()
        .filter_map(|(what, error)| Some((what, error?)))
    }
}

/// The lines of `gluster pool list`: UUID, name, state; the node itself is `localhost`.
fn peers(ran: &Ran) -> Result<Peers, String> {
    if !ran.ok() {
        return Err(ran.failure());
    }
    let mut lines = ran.stdout.lines();
    if lines.next().is_none_or(|head| !head.starts_with("UUID")) {
        return Err("not a list of peers".into());
    }
    let peer = |line: &str| {
        let mut words = line.split_whitespace();
        let (uuid, name, state) = (words.next()?, words.next()?, words.next()?);
        let connected = state == "Connected";
        Some(Peer { uuid: uuid.to_owned(), name: name.to_owned(), connected })
    };
    let (own, others): (Vec<_>, Vec<_>) =
        lines.filter_map(peer).partition(|peer| peer.name == "localhost");
    let own = own.into_iter().next().map(|own| own.uuid).unwrap_or_default();
    Ok(Peers { own, others })
}

/// Only a directory with the set-group-id bit was given to a group by us; another may have been
/// changed by whoever uses the volume.
fn directory(line: &str) -> Option<Directory> {
    let mut words = line.rsplitn(3, ' ');
    let (mode, group, path) = (words.next()?, words.next()?, words.next()?);
    let mode = u32::from_str_radix(mode, 8).ok()?;
    let group: i64 = group.parse().ok()?;
    Some(Directory { path: path.to_owned(), gid: if mode & 0o2000 == 0 { 0 } else { group } })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(status: i32, stdout: &str) -> Ran {
        Ran { status: Some(status), stdout: stdout.into(), stderr: String::new() }
    }

    /// As GlusterFS 10.3 prints it.
    #[test]
    fn a_node_is_no_peer_of_itself() {
        let text = "UUID\t\t\t\t\tHostname \tState\nd2f5\t10.0.0.2 \tDisconnected \na1b2\tlocalhost\tConnected \n";
        let away = Peer { uuid: "d2f5".into(), name: "10.0.0.2".into(), connected: false };
        let pool = Peers { own: "a1b2".into(), others: vec![away] };
        assert_eq!(peers(&ran(0, text)).unwrap(), pool);
        assert!(peers(&ran(1, "Connection failed.")).is_err());
        assert!(peers(&ran(0, "")).is_err());
    }
    #[test]
    fn a_group_counts_with_its_bit() {
        let with = |mode: &str| directory(&format!("/a b/brick 2000 {mode}")).unwrap();
        assert_eq!(with("2775"), Directory { path: "/a b/brick".into(), gid: 2000 });
        assert_eq!(with("755").gid, 0);
        assert_eq!(directory("/brick"), None);
    }
    #[test]
    fn nothing_of_a_script_that_was_cut_off_is_known() {
        assert_eq!(Stock::read(&[]).unknown().count(), 7);
    }
}
