//! gluster's clones: a volume made of a snapshot of another (storage.md 1.11).
//!
//! Each brick of a clone is a thin volume in the pool of the brick it is a clone of. gluster names
//! it after the clone's UUID, mounts it below its own folder, and leaves it there when the volume
//! is deleted (seen on GlusterFS 10.3).
use super::{
    Script, Tools, When,
    gluster::{BadAnswer, BrickAddress, ID_OPTION, VolumeState, commands, gluster},
};
use crate::domain::{VolumeId, VolumeName};

/// A clone to be made.
#[derive(Clone, Copy, Debug)]
pub struct Clone<'a> {
    /// The volume it is made of.
    pub source: &'a VolumeName,
    /// The clone's identity.
    pub id: VolumeId,
    /// What gluster will call it.
    pub name: &'a VolumeName,
}

/// Where gluster mounts the bricks of clones.
const FOLDERS: [&str; 2] = ["/run/gluster/snaps/", "/var/run/gluster/snaps/"];

impl Clone<'_> {
    /// The snapshot on the way, named by the clone: nobody else has one of this name.
    fn snapshot(&self) -> String {
        format!("tmpsnap_{}", self.id)
    }

    /// Snapshot, clone, option and start in one session. A snapshot that an earlier run left shows
    /// the volume as it was then, so it goes first.
    #[must_use]
    pub fn make(&self, script: Script, tools: &Tools) -> Script {
        let (snapshot, source, name) = (self.snapshot(), self.source, self.name);
        let lines = [
            format!("snapshot create {snapshot} {source} no-timestamp"),
            format!("snapshot activate {snapshot}"),
            format!("snapshot clone {name} {snapshot}"),
        ];
        let script = self.drop_snapshot(script, tools);
        script.then_all(commands(tools, lines.into_iter().chain(self.rest(false)).collect()))
    }

    /// What is left to do on a clone that a run made that was cut off.
    #[must_use]
    pub fn complete(&self, script: Script, tools: &Tools, found: &VolumeState) -> Script {
        script.then_all(commands(tools, self.rest(found.started).collect()))
    }

    /// gluster copies the source's options, and with them the id of the source. It does not set
    /// any on a clone that was never started (GlusterFS 10.3).
    fn rest(&self, started: bool) -> impl Iterator<Item = String> {
        let start = (!started).then(|| format!("volume start {}", self.name));
        start.into_iter().chain([format!("volume set {} {ID_OPTION} {}", self.name, self.id)])
    }

    /// Stops a clone, so that its bricks can be taken away.
    #[must_use]
    pub fn stop(&self, script: Script, tools: &Tools) -> Script {
        script.then(gluster(tools, &["volume", "stop", self.name.as_str(), "force"]))
    }

    /// Removes the snapshot on the way, if there is one: while it is there, gluster refuses to
    /// delete the source.
    #[must_use]
    pub fn drop_snapshot(&self, script: Script, tools: &Tools) -> Script {
        let snapshot = self.snapshot();
        let exists = When::Succeeds(gluster(tools, &["snapshot", "info", &snapshot]));
        script.then_when(exists, gluster(tools, &["snapshot", "delete", &snapshot]))
    }
}

/// The directories of the clone's bricks, in the order of their sources.
///
/// # Errors
/// They are not where gluster mounts the bricks of clones, or not on the nodes of their sources.
pub fn directories(
    found: &VolumeState,
    sources: &[BrickAddress],
) -> Result<Vec<String>, BadAnswer> {
    let count = (found.bricks.len(), sources.len());
    if count.0 != count.1 {
        let why = format!("the clone has {} bricks, its source has {}", count.0, count.1);
        return Err(BadAnswer(why));
    }
    let pairs = found.bricks.iter().zip(sources);
    pairs.map(|(brick, source)| directory(brick, source)).collect()
}

fn directory(brick: &str, source: &BrickAddress) -> Result<String, BadAnswer> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/_-".contains(c);
    brick
        .strip_prefix(source.host.as_str())
        .and_then(|rest| rest.strip_prefix(':'))
        .filter(|path| FOLDERS.iter().any(|folder| path.starts_with(folder)))
        .filter(|path| path.chars().all(plain))
        .map(str::to_owned)
        .ok_or_else(|| BadAnswer(format!("{brick} is no place for a clone of {source}")))
}

/// How the names of the thin volumes begin that gluster made for this volume.
///
/// # Errors
/// gluster did not tell the volume's UUID.
pub fn lv_prefix(found: &VolumeState) -> Result<String, BadAnswer> {
    let prefix: String = found.uuid.chars().filter(|c| *c != '-').collect();
    let is_uuid = prefix.len() == 32 && prefix.bytes().all(|b| b.is_ascii_hexdigit());
    is_uuid.then_some(prefix).ok_or_else(|| BadAnswer(format!("{} is no UUID", found.uuid)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(n: u8) -> BrickAddress {
        BrickAddress { host: format!("10.0.0.{n}").parse().unwrap(), path: format!("/b/{n}") }
    }
    fn state(bricks: &[&str]) -> VolumeState {
        let bricks = bricks.iter().map(|&brick| brick.to_owned()).collect();
        VolumeState { bricks, ..VolumeState::default() }
    }

    #[test]
    fn the_snapshot_on_the_way_is_named_by_the_clone() {
        let (source, name) = ("v".parse().unwrap(), "w".parse().unwrap());
        let id = "0123456789abcdef0123456789abcdef".parse().unwrap();
        let clone = Clone { source: &source, id, name: &name };
        let script = clone.make(Script::changing("volume"), &Tools::default());
        let lines = &script.lines.last().unwrap().cmd.stdin;
        assert_eq!(lines[0], format!("snapshot create tmpsnap_{id} v no-timestamp"));
        assert_eq!(
            lines[2..],
            [
                format!("snapshot clone w tmpsnap_{id}"),
                "volume start w".into(),
                format!("volume set w user.heketi.id {id}"),
            ]
        );
    }
    #[test]
    fn bricks_of_clones_lie_where_gluster_mounts_them() {
        let sources = [source(1), source(2)];
        let found = state(&[
            "10.0.0.1:/run/gluster/snaps/ab12/brick1/brick",
            "10.0.0.2:/var/run/gluster/snaps/ab12/brick2/brick",
        ]);
        assert_eq!(
            directories(&found, &sources).unwrap(),
            ["/run/gluster/snaps/ab12/brick1/brick", "/var/run/gluster/snaps/ab12/brick2/brick",]
        );
        for bad in [
            "10.0.0.3:/run/gluster/snaps/ab12/brick2/brick",
            "10.0.0.2:/etc/brick",
            "10.0.0.2:/run/gluster/snaps/a b/brick",
            "10.0.0.2:/run/gluster/snaps/../../etc",
        ] {
            let found = state(&["10.0.0.1:/run/gluster/snaps/ab12/brick1/brick", bad]);
            assert!(directories(&found, &sources).is_err(), "{bad}");
        }
        assert!(directories(&state(&[]), &sources).is_err());
    }
    #[test]
    fn thin_volumes_are_named_after_the_uuid() {
        let uuid = |text: &str| VolumeState { uuid: text.into(), ..VolumeState::default() };
        let found = uuid("0b0b4e41-2d7c-4e7c-9d4a-6d8a5e3c1f00");
        assert_eq!(lv_prefix(&found).unwrap(), "0b0b4e412d7c4e7c9d4a6d8a5e3c1f00");
        assert!(lv_prefix(&uuid("")).is_err() && lv_prefix(&uuid("a.*b")).is_err());
    }
}
