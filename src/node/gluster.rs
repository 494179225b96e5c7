//! gluster: one `gluster --mode=script` session for the commands of a step, where it fits.
//!
//! Seen on GlusterFS 10.3: a session without `--xml` ends at the first command that fails, with
//! exit status 1 and the reason in words; `--xml` answers carry `opRet`, which is to be believed
//! rather than the exit status.
mod heal;
mod peers;

use super::{Ran, Script, Tools, script::Cmd};
use crate::domain::{Durability, Hostname, VolumeId, VolumeName, VolumeOption};
pub use heal::{HealState, Healing};
pub use peers::{Peer, is_noticed, own_uuid, strangers};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, time::Duration};

/// A brick as gluster names it: storage name of the node and directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrickAddress {
    /// First storage name of the node.
    pub host: Hostname,
    /// The directory on it.
    pub path: String,
}

impl fmt::Display for BrickAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.path)
    }
}

/// A volume to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewVolume {
    /// Set as `user.heketi.id`, so that the volume can be told from others of its name.
    pub id: VolumeId,
    /// What gluster will call it.
    pub name: VolumeName,
    /// What a set looks like.
    pub durability: Durability,
    /// The third brick of each set is an arbiter.
    pub arbiter: bool,
    /// Set after set.
    pub bricks: Vec<BrickAddress>,
    /// In the order in which they are set.
    pub options: Vec<VolumeOption>,
}

/// The option that tells whose volume it is.
pub const ID_OPTION: &str = "user.heketi.id";

pub(super) fn gluster(tools: &Tools, argv: &[&str]) -> Cmd {
    let limit = format!("--timeout={}", tools.gluster_timeout);
    let all = ["gluster", "--mode=script", &limit].into_iter().chain(argv.iter().copied());
    // As Heketi: at least ten minutes, and a minute more than gluster itself waits.
    let seconds = u64::from(tools.gluster_timeout) + 60;
    Cmd::new(all).within(Duration::from_secs(seconds).max(Duration::from_mins(10)))
}

/// The longest line of a session. The gluster CLI reads 1023 bytes at a time and takes what is
/// left of a longer line for the next command (cli/src/input.c, seen in GlusterFS 10.3).
pub const LONGEST_LINE: usize = 1000;

/// The commands in one session, which costs one start of the CLI; or, when a line would be cut
/// there, each as a command of its own.
pub(super) fn commands(tools: &Tools, lines: Vec<String>) -> Vec<Cmd> {
    if lines.iter().all(|line| line.len() <= LONGEST_LINE) {
        return vec![gluster(tools, &[]).stdin(lines)];
    }
    let alone = |line: &String| gluster(tools, &line.split_ascii_whitespace().collect::<Vec<_>>());
    lines.iter().map(alone).collect()
}

/// Creates the volume from its first set, adds the others, sets the options and starts it.
#[must_use]
pub fn create(tools: &Tools, volume: &NewVolume) -> Vec<Cmd> {
    let NewVolume { id, name, durability, arbiter, bricks, options } = volume;
    let kind = match durability {
        Durability::None | Durability::Replicate { replica: 0 | 1 } => String::new(),
        Durability::Replicate { replica } if *arbiter => format!(" replica {replica} arbiter 1"),
        Durability::Replicate { replica } => format!(" replica {replica}"),
        Durability::Disperse { data, redundancy } => {
            format!(" disperse-data {data} redundancy {redundancy}")
        }
    };
    let (first, rest) = bricks.split_at(durability.bricks_in_set().min(bricks.len()));
    let mut lines = vec![format!("volume create {name}{kind}{}", addresses(first))];
    lines.extend(add_lines(name, *durability, rest));
    lines.extend(settings(name, *id, options));
    lines.push(format!("volume start {name}"));
    commands(tools, lines)
}

/// What is left to do on a volume that was created, and perhaps more, by a run that was cut off.
#[must_use]
pub fn complete(tools: &Tools, volume: &NewVolume, found: &VolumeState) -> Vec<Cmd> {
    let NewVolume { id, name, durability, bricks, options, .. } = volume;
    let have = found.bricks.len().min(bricks.len());
    let mut lines: Vec<_> = add_lines(name, *durability, &bricks[have..]).collect();
    lines.extend(settings(name, *id, options));
    if !found.started {
        lines.push(format!("volume start {name}"));
    }
    commands(tools, lines)
}

fn settings(
    name: &VolumeName,
    id: VolumeId,
    options: &[VolumeOption],
) -> impl Iterator<Item = String> {
    let given: Vec<_> = options
        .iter()
        .map(|option| option.words().collect::<Vec<_>>().join(" "))
        .filter(|words| !words.is_empty())
        .collect();
    let mine = format!("{ID_OPTION} {id}");
    given.into_iter().chain([mine]).map(move |option| format!("volume set {name} {option}"))
}

fn addresses(bricks: &[BrickAddress]) -> String {
    let words: Vec<_> = bricks.iter().map(ToString::to_string).collect();
    if words.is_empty() { String::new() } else { format!(" {}", words.join(" ")) }
}

/// `add-brick` lines of whole sets, as many at once as Heketi adds (storage.md 1.7-2).
fn add_lines(
    name: &VolumeName,
    durability: Durability,
    bricks: &[BrickAddress],
) -> impl Iterator<Item = String> {
    let at_once = match durability {
        Durability::None => 15,
        Durability::Replicate { replica } => 5 * usize::from(replica.max(1)),
        Durability::Disperse { .. } => durability.bricks_in_set(),
    };
    bricks.chunks(at_once).map(move |chunk| format!("volume add-brick {name}{}", addresses(chunk)))
}

/// Adds whole sets to a volume.
#[must_use]
pub fn add_bricks(
    tools: &Tools,
    name: &VolumeName,
    durability: Durability,
    bricks: &[BrickAddress],
) -> Vec<Cmd> {
    commands(tools, add_lines(name, durability, bricks).collect())
}

/// Sets options, each `key value`.
#[must_use]
pub fn set_options(tools: &Tools, name: &VolumeName, options: &[&str]) -> Vec<Cmd> {
    commands(tools, options.iter().map(|option| format!("volume set {name} {option}")).collect())
}

/// Raises the version of the volume's description, so that nodes that were away take it over from
/// those that were there. An `add-brick` whose commit failed on one node has changed it on the
/// others without that (seen on GlusterFS 10.3).
#[must_use]
pub fn renew(tools: &Tools, name: &VolumeName, id: VolumeId) -> Vec<Cmd> {
    commands(tools, settings(name, id, &[]).collect())
}

/// Starts the bricks of the volume that do not run; one that lost gluster's marks in a power cut
/// gets them again.
#[must_use]
pub fn revive(tools: &Tools, name: &VolumeName) -> Cmd {
    gluster(tools, &["volume", "start", name.as_str(), "force"])
}

/// Puts a new brick in the place of an old one, whose node need not answer. Only for volumes with
/// redundancy: what was on the brick comes from the others of its set, by itself
/// (storage.md 1.10; GlusterFS 10.3 refuses it for volumes without).
#[must_use]
pub fn replace_brick(
    tools: &Tools,
    name: &VolumeName,
    old: &BrickAddress,
    new: &BrickAddress,
) -> Cmd {
    let (old, new) = (old.to_string(), new.to_string());
    gluster(tools, &["volume", "replace-brick", name.as_str(), &old, &new, "commit", "force"])
}

/// Asks what waits to be healed; see [`HealState::read`].
#[must_use]
pub fn heal_info(script: Script, tools: &Tools, name: &VolumeName) -> Script {
    script.then_try(gluster(tools, &["volume", "heal", name.as_str(), "info", "--xml"]))
}

/// Starts to move data to bricks that were added.
#[must_use]
pub fn rebalance(tools: &Tools, name: &VolumeName) -> Cmd {
    gluster(tools, &["volume", "rebalance", name.as_str(), "start"])
}

/// Stops the volume, if it is started, and deletes it.
#[must_use]
pub fn destroy(tools: &Tools, name: &VolumeName, started: bool) -> Vec<Cmd> {
    let stop = started.then(|| format!("volume stop {name} force"));
    commands(tools, stop.into_iter().chain([format!("volume delete {name}")]).collect())
}

/// Asks what gluster knows of a volume; see [`VolumeState::read`].
#[must_use]
pub fn info(script: Script, tools: &Tools, name: &VolumeName) -> Script {
    script.then_try(gluster(tools, &["--xml", "volume", "info", name.as_str()]))
}

/// Asks for all volumes of the pool; see [`volumes`].
#[must_use]
pub fn info_of_all(script: Script, tools: &Tools) -> Script {
    script.then_try(gluster(tools, &["--xml", "volume", "info"]))
}

/// Waits behind whatever glusterd still does to the volume, and changes nothing: unlike `volume
/// info`, which reads, `volume status` is a transaction and takes glusterd's lock of the volume, so
/// it answers [`BUSY`] meanwhile.
#[must_use]
pub fn wait_for_others(script: Script, tools: &Tools, name: &VolumeName) -> Script {
    script.then(gluster(tools, &["volume", "status", name.as_str()]))
}
/// Words of [`wait_for_others`] that mean that nobody else is at work.
pub const IDLE: [&str; 2] = ["does not exist", "is not started"];

/// Where glusterd keeps what it knows of volumes and peers.
pub const STATE: &str = "/var/lib/glusterd";

/// Puts on disk what the node's glusterd has written: it does not flush, and after a power cut it
/// hands a volume that was deleted, and that its disk still has, to all others (seen on
/// GlusterFS 10.3). A glusterd that keeps its state elsewhere is not flushed.
#[must_use]
pub fn flush(script: Script) -> Script {
    script.then_try(Cmd::new(["sync", "-f", STATE]))
}

/// Asks how many snapshots a volume has; see [`snapshot_count`].
#[must_use]
pub fn snapshots(script: Script, tools: &Tools, name: &VolumeName) -> Script {
    script.then_try(gluster(tools, &["--xml", "snapshot", "list", name.as_str()]))
}

/// Begins to heal what is known to wait for it; answers at once.
#[must_use]
pub fn heal(tools: &Tools, name: &VolumeName) -> Cmd {
    gluster(tools, &["volume", "heal", name.as_str()])
}

/// Lists the pool: succeeds only where glusterd runs.
#[must_use]
pub fn pool_list(tools: &Tools) -> Cmd {
    gluster(tools, &["pool", "list"])
}

/// Takes a host into the pool, and sets the pool's limit of snapshots if one is configured.
#[must_use]
pub fn probe(script: Script, tools: &Tools, peer: &Hostname) -> Script {
    let script = script.then(gluster(tools, &["peer", "probe", peer.as_str()]));
    if tools.snapshot_limit == 0 {
        return script;
    }
    let limit = tools.snapshot_limit.to_string();
    script.then(gluster(tools, &["snapshot", "config", "snap-max-hard-limit", &limit]))
}

/// Puts a host out of the pool. gluster refuses while the host has bricks, and, unless forced, while
/// any peer is away (see [`PEERS_AWAY`]).
#[must_use]
pub fn detach(tools: &Tools, peer: &Hostname, force: bool) -> Cmd {
    let words = ["peer", "detach", peer.as_str(), "force"];
    gluster(tools, if force { &words } else { &words[..3] })
}
/// Words by which gluster says that it waits for peers that are away.
pub const PEERS_AWAY: [&str; 2] = ["is probably down", "peers are down"];

/// The hosts that are away, by a listing of [`pool_list`].
#[must_use]
pub fn peers_away(listing: &str) -> Vec<&str> {
    let away = |line: &&str| line.split_whitespace().nth(2) == Some("Disconnected");
    listing.lines().filter(away).filter_map(|l| l.split_whitespace().nth(1)).collect()
}

/// Whether the host is a member of the pool, by a listing of [`pool_list`].
#[must_use]
pub fn lists_peer(listing: &str, peer: &Hostname) -> bool {
    listing.lines().filter_map(|l| l.split_whitespace().nth(1)).any(|name| name == peer.as_str())
}

/// Words by which gluster says that another command was at work: nothing was done, ask again.
pub const BUSY: [&str; 3] = [
    "Another transaction is in progress",
    "Locking failed",
    "Another transaction could be in progress",
];
/// Words by which gluster says that it does not know how it ended: it may still do the work.
pub const UNSURE: [&str; 1] = ["Request timed out"];

/// What gluster says of a volume.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VolumeState {
    /// `Started`, and not `Created` or `Stopped`.
    pub started: bool,
    /// `host:path` of each brick, in gluster's order.
    pub bricks: Vec<String>,
    /// Its `user.heketi.id`.
    pub id: Option<String>,
    /// gluster's own name for it.
    pub uuid: String,
}

/// An answer of gluster in XML that cannot be used, or that reports a failure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadAnswer(pub String);

impl VolumeState {
    /// Reads the answer of [`info`]; `None` when there is no such volume.
    ///
    /// # Errors
    /// gluster failed, or its answer is not of the known form.
    pub fn read(ran: &Ran) -> Result<Option<Self>, BadAnswer> {
        let answer = CliOutput::read(ran)?;
        let volumes = answer.vol_info.unwrap_or_default().volumes.volume;
        match answer.failure {
            Some(text) if text.contains("does not exist") => Ok(None),
            Some(text) => Err(BadAnswer(text)),
            None => Ok(volumes.into_iter().next().map(Self::from)),
        }
    }
    /// Whether the volume is the one with this id: by its option, or else by its bricks, since
    /// the option is not set yet on a volume that was only just created, and never was before
    /// Heketi 9. A clone that Heketi made has the option of its source, but no brick of it
    /// (storage.md 1.11).
    #[must_use]
    pub fn is(&self, id: VolumeId, bricks: &[BrickAddress]) -> bool {
        match &self.id {
            Some(text) => *text == id.to_string() || self.is_made_of(bricks),
            None => bricks.iter().any(|brick| self.has(brick)),
        }
    }
    /// Whether it has these bricks and no others.
    fn is_made_of(&self, bricks: &[BrickAddress]) -> bool {
        !bricks.is_empty()
            && self.bricks.len() == bricks.len()
            && bricks.iter().all(|brick| self.has(brick))
    }
    /// Whether the brick belongs to the volume.
    #[must_use]
    pub fn has(&self, brick: &BrickAddress) -> bool {
        self.bricks.contains(&brick.to_string())
    }
}

/// A volume of the pool, ours or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VolumeReport {
    /// What gluster calls it.
    pub name: String,
    /// `Created`, `Started` or `Stopped`.
    pub status: String,
    /// `host:path` of each brick, in gluster's order.
    pub bricks: Vec<String>,
    /// Options that were set.
    pub options: BTreeMap<String, String>,
    /// What a set of its bricks looks like.
    pub sets: Sets,
}

/// What a set of bricks looks like, in gluster's numbers: those that do not count are 0 or 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sets {
    /// Copies, arbiters included.
    pub replica: u8,
    /// How many of them hold only names and attributes.
    pub arbiters: u8,
    /// All bricks of a dispersed set.
    pub disperse: u8,
    /// How many of them may be lost.
    pub redundancy: u8,
}

impl Sets {
    /// What that is called here.
    #[must_use]
    pub fn durability(self) -> Durability {
        match self {
            Self { disperse, redundancy, .. } if disperse > 0 => {
                Durability::Disperse { data: disperse.saturating_sub(redundancy), redundancy }
            }
            Self { replica: 0 | 1, .. } => Durability::None,
            Self { replica, .. } => Durability::Replicate { replica },
        }
    }
}

/// Reads the answer of [`info_of_all`]: all volumes of the pool, by name.
///
/// # Errors
/// gluster failed, or its answer is not of the known form.
pub fn volumes(ran: &Ran) -> Result<Vec<VolumeReport>, BadAnswer> {
    let answer = CliOutput::read(ran)?;
    if let Some(text) = answer.failure {
        // That is how some versions say that there are none.
        return if text.contains("No volumes present") { Ok(vec![]) } else { Err(BadAnswer(text)) };
    }
    let all = answer.vol_info.unwrap_or_default().volumes.volume;
    let mut all: Vec<_> = all.into_iter().map(VolumeReport::from).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

impl From<xml::Volume> for VolumeReport {
    fn from(volume: xml::Volume) -> Self {
        Self {
            name: volume.name,
            status: volume.status_str,
            bricks: volume.bricks.brick.into_iter().map(|b| b.name).collect(),
            options: volume.options.option.into_iter().map(|o| (o.name, o.value)).collect(),
            sets: Sets {
                replica: volume.replica_count,
                arbiters: volume.arbiter_count,
                disperse: volume.disperse_count,
                redundancy: volume.redundancy_count,
            },
        }
    }
}

/// How many snapshots the answer of [`snapshots`] counts; none for a volume that does not exist.
///
/// # Errors
/// gluster failed, or its answer is not of the known form.
pub fn snapshot_count(ran: &Ran) -> Result<u64, BadAnswer> {
    let answer = CliOutput::read(ran)?;
    match answer.failure {
        Some(text) if text.contains("does not exist") => Ok(0),
        Some(text) => Err(BadAnswer(text)),
        None => Ok(answer.snap_list.map_or(0, |list| list.count)),
    }
}

impl From<xml::Volume> for VolumeState {
    fn from(volume: xml::Volume) -> Self {
        let id = volume.options.option.into_iter().find(|o| o.name == ID_OPTION).map(|o| o.value);
        Self {
            started: volume.status_str == "Started",
            bricks: volume.bricks.brick.into_iter().map(|b| b.name).collect(),
            id,
            uuid: volume.id,
        }
    }
}

struct CliOutput {
    failure: Option<String>,
    vol_info: Option<xml::VolInfo>,
    snap_list: Option<xml::SnapList>,
    heal_info: Option<xml::HealInfo>,
}

impl CliOutput {
    fn read(ran: &Ran) -> Result<Self, BadAnswer> {
        // A CLI that cannot reach glusterd prints words and no document.
        let Some(start) = ran.stdout.find("<cliOutput>") else {
            let said = if ran.stderr.trim().is_empty() { &ran.stdout } else { &ran.stderr };
            return Err(BadAnswer(said.trim().to_owned()));
        };
        let answer: xml::CliOutput = quick_xml::de::from_str(&ran.stdout[start..])
            .map_err(|e| BadAnswer(format!("gluster's XML cannot be read: {e}")))?;
        // Words in opErrstr are a failure even when the number says otherwise (storage.md 1.10).
        let words = answer.op_errstr.trim();
        let failure = match (answer.op_ret, words) {
            (0, "") => None,
            (code, "") => Some(format!("gluster failed with code {code}")),
            (_, words) => Some(words.to_owned()),
        };
        let xml::CliOutput { vol_info, snap_list, heal_info, .. } = answer;
        Ok(Self { failure, vol_info, snap_list, heal_info })
    }
}

/// The documents of `gluster --xml`, as far as they are read (storage.md 1.10).
mod xml {
    use serde::Deserialize;

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct CliOutput {
        pub(super) op_ret: i64,
        #[serde(default)]
        pub(super) op_errstr: String,
        pub(super) vol_info: Option<VolInfo>,
        pub(super) snap_list: Option<SnapList>,
        pub(super) heal_info: Option<HealInfo>,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    pub(super) struct VolInfo {
        pub(super) volumes: Volumes,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    pub(super) struct Volumes {
        pub(super) volume: Vec<Volume>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Volume {
        #[serde(default)]
        pub(super) name: String,
        pub(super) status_str: String,
        #[serde(default)]
        pub(super) id: String,
        #[serde(default)]
        pub(super) bricks: Bricks,
        #[serde(default)]
        pub(super) options: Options,
        #[serde(default)]
        pub(super) replica_count: u8,
        #[serde(default)]
        pub(super) arbiter_count: u8,
        #[serde(default)]
        pub(super) disperse_count: u8,
        #[serde(default)]
        pub(super) redundancy_count: u8,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    pub(super) struct Bricks {
        pub(super) brick: Vec<Brick>,
    }
    #[derive(Deserialize)]
    pub(super) struct Brick {
        pub(super) name: String,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    pub(super) struct Options {
        pub(super) option: Vec<Setting>,
    }
    #[derive(Deserialize)]
    pub(super) struct Setting {
        pub(super) name: String,
        #[serde(default)]
        pub(super) value: String,
    }
    #[derive(Deserialize)]
    pub(super) struct SnapList {
        pub(super) count: u64,
    }
    #[derive(Deserialize)]
    pub(super) struct HealInfo {
        #[serde(default)]
        pub(super) bricks: HealBricks,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    pub(super) struct HealBricks {
        pub(super) brick: Vec<HealBrick>,
    }
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    pub(super) struct HealBrick {
        pub(super) name: String,
        pub(super) number_of_entries: String,
    }
}

#[cfg(test)]
mod tests;
