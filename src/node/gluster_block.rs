//! gluster-block: iSCSI targets whose disks are files on a gluster volume (storage.md 1.12).
//!
//! It works through the daemons of all hosts of a target, and keeps a lock on the hosting volume
//! meanwhile, behind which `info` waits as well: what is said of a block volume is said after
//! whatever was begun before. Answers are JSON, failures too; what is no JSON comes from its command
//! line tool, which could not speak to its daemon. Seen in the sources of gluster-block 0.5.
use super::{NodeError, Ran, Result, Script, Tools, script::Cmd};
use crate::domain::{BlockTarget, BlockVolumeName, Gib, Hostname, Password, VolumeName};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, time::Duration};

/// A block volume as gluster-block names it: `hosting/name`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Name {
    /// The gluster volume it lies on.
    pub hosting: VolumeName,
    /// Its name there.
    pub block: BlockVolumeName,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.hosting, self.block)
    }
}

/// Block files are written in full, if they are: ten minutes, as with Heketi.
const LIMIT: Duration = Duration::from_mins(10);
/// Before the id that gluster-block gives a block volume.
const IQN: &str = "iqn.2016-12.org.gluster-block:";

fn gluster_block(argv: &[&str]) -> Cmd {
    let all = ["gluster-block"].into_iter().chain(argv.iter().copied()).chain(["--json"]);
    Cmd::new(all).within(LIMIT)
}

/// Makes a block volume and exports it on all of these hosts, or on none.
#[must_use]
pub fn create(tools: &Tools, name: &Name, size: Gib, auth: bool, hosts: &[Hostname]) -> Cmd {
    let (name, ha, size) = (name.to_string(), hosts.len().to_string(), gib(size));
    let auth = if auth { "enable" } else { "disable" };
    let hosts: Vec<&str> = hosts.iter().map(Hostname::as_str).collect();
    let (prealloc, hosts) = (tools.block_prealloc.as_str(), hosts.join(","));
    let (head, tail) = (["create", &name, "ha", &ha, "auth", auth], [hosts.as_str(), &size]);
    gluster_block(&[&head[..], &["prealloc", prealloc], &tail[..]].concat())
}

/// Takes it off its hosts and removes its file.
#[must_use]
pub fn delete(name: &Name) -> Cmd {
    gluster_block(&["delete", &name.to_string()])
}

/// Makes it larger on all of its hosts; repeated with the same size, on those that could not follow.
#[must_use]
pub fn resize(name: &Name, size: Gib) -> Cmd {
    gluster_block(&["modify", &name.to_string(), "size", &gib(size)])
}

/// Asks what is known of it; see [`Reply::state`].
#[must_use]
pub fn info(name: &Name) -> Cmd {
    gluster_block(&["info", &name.to_string()])
}

/// Lists the block volumes on a volume; see [`Reply::names`].
#[must_use]
pub fn list(hosting: &VolumeName) -> Cmd {
    gluster_block(&["list", hosting.as_str()])
}

fn gib(size: Gib) -> String {
    format!("{}GiB", size.0)
}

/// An answer that is no failure.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Reply {
    #[serde(rename = "RESULT")]
    result: Option<String>,
    #[serde(rename = "errMsg")]
    message: Option<String>,
    #[serde(rename = "FAILED ON")]
    failed_on: Option<Vec<String>>,
    #[serde(rename = "IQN")]
    iqn: Option<String>,
    #[serde(rename = "USERNAME")]
    username: Option<String>,
    #[serde(rename = "PASSWORD")]
    password: Option<Password>,
    #[serde(rename = "GBID")]
    gbid: Option<String>,
    #[serde(rename = "SIZE")]
    size: Option<String>,
    #[serde(rename = "HA")]
    ha: Option<u64>,
    #[serde(rename = "EXPORTED ON")]
    exported_on: Option<Vec<Hostname>>,
    #[serde(rename = "RESIZE FAILED ON")]
    resize_failed_on: Option<BTreeMap<String, Option<String>>>,
    blocks: Option<Vec<String>>,
}

/// Words by which the tool says that it cannot speak to its daemon: nothing was begun.
const NO_DAEMON: &str = "check if gluster-block daemon is operational";
/// Words by which it says that it never heard of its request again.
const NO_RESPONSE: &str = "Did not receive any response";
/// Exit status of a command that is not there.
const NOT_FOUND: i32 = 127;

impl Reply {
    /// Reads what a command said.
    ///
    /// # Errors
    /// [`NodeError::WithoutEffect`] when gluster-block is not there or not running;
    /// [`NodeError::InDoubt`] when it does not know itself; [`NodeError::Failed`] with its words when
    /// it did not work, or only in part; [`NodeError::Nonsense`]. None of them holds a password.
    pub fn read(host: &Hostname, cmd: &Cmd, ran: &Ran) -> Result<Self> {
        // Which of the two it uses is a matter of versions (storage.md 1.12).
        let document = [&ran.stdout, &ran.stderr].into_iter().find_map(|text| {
            let start = text.find('{')?;
            Some(&text[start..])
        });
        let Some(document) = document else { return Err(without_document(host, cmd, ran)) };
        let mut documents = serde_json::Deserializer::from_str(document).into_iter::<Self>();
        let nonsense = |why: &str| NodeError::Nonsense {
            host: host.clone(),
            command: cmd.brief(),
            why: why.to_owned(),
        };
        // The library's words may quote what it read.
        let Some(Ok(reply)) = documents.next() else {
            return Err(nonsense("JSON that cannot be read"));
        };
        if reply.result.as_deref() != Some("FAIL") && ran.ok() {
            return Ok(reply);
        }
        Err(failed(host, cmd, ran, &reply.words()))
    }

    /// Why it failed.
    fn words(&self) -> String {
        let message = self.message.as_deref().unwrap_or_default().trim();
        let hosts = self.failed_on.as_deref().unwrap_or_default();
        match (message, hosts) {
            ("", []) => "gluster-block failed without a word: see its log on the node".into(),
            ("", hosts) => format!("gluster-block failed on {}", hosts.join(", ")),
            (message, _) => message.to_owned(),
        }
    }

    /// Of a block volume that was just made on these hosts: where and how to log in.
    #[must_use]
    pub fn target(self, hosts: Vec<Hostname>) -> Option<BlockTarget> {
        Some(BlockTarget {
            hosts,
            iqn: self.iqn.filter(|iqn| iqn.starts_with(IQN))?,
            username: self.username.unwrap_or_default(),
            password: self.password.unwrap_or_default(),
        })
    }

    /// What [`info`] says.
    #[must_use]
    pub fn state(self) -> Option<State> {
        Some(State {
            gbid: self.gbid.filter(|id| !id.is_empty())?,
            size: self.size?,
            ha: self.ha?,
            hosts: self.exported_on.unwrap_or_default(),
            password: self.password.unwrap_or_default(),
            behind: self.resize_failed_on.unwrap_or_default(),
        })
    }

    /// What [`list`] says.
    #[must_use]
    pub fn names(self) -> Vec<String> {
        self.blocks.unwrap_or_default()
    }
}

fn failed(host: &Hostname, cmd: &Cmd, ran: &Ran, words: &str) -> NodeError {
    NodeError::Failed {
        host: host.clone(),
        command: cmd.brief(),
        status: ran.status.unwrap_or_default(),
        stderr: words.to_owned(),
    }
}

fn without_document(host: &Hostname, cmd: &Cmd, ran: &Ran) -> NodeError {
    let said = [&ran.stderr, &ran.stdout].map(|text| text.trim());
    let said = said.into_iter().find(|text| !text.is_empty()).unwrap_or("no answer");
    if ran.status == Some(NOT_FOUND) {
        let words = format!("{said}: gluster-block must be installed on nodes for block volumes");
        return NodeError::WithoutEffect(failed(host, cmd, ran, &words).into());
    }
    if said.contains(NO_DAEMON) {
        return NodeError::WithoutEffect(failed(host, cmd, ran, said).into());
    }
    if said.contains(NO_RESPONSE) {
        let (host, command) = (host.clone(), cmd.brief());
        return NodeError::InDoubt { host, command, why: said.to_owned() };
    }
    failed(host, cmd, ran, said)
}

/// The block volume or its hosting volume does not exist.
#[must_use]
pub fn is_gone(error: &NodeError, name: &Name) -> bool {
    (error.says("doesn't exist") && error.says(name.block.as_str()))
        || (error.says("does not exist") && error.says(name.hosting.as_str()))
}

/// The hosting volume has a block volume of this name.
#[must_use]
pub fn is_there(error: &NodeError) -> bool {
    error.says("already exist")
}

/// It has the wanted size already, on all of its hosts.
#[must_use]
pub fn has_size(error: &NodeError) -> bool {
    error.says("is same as current size")
}

/// What gluster-block knows of a block volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Its id, part of the target's name.
    pub gbid: String,
    /// As gluster-block shows it, rounded; see [`shown`].
    pub size: String,
    /// Number of hosts that were asked for.
    pub ha: u64,
    /// Hosts that export it.
    pub hosts: Vec<Hostname>,
    /// Empty without authentication.
    pub password: Password,
    /// Hosts that could not follow an expansion, with the size they show.
    pub behind: BTreeMap<String, Option<String>>,
}

impl State {
    /// All hosts export it.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        u64::try_from(self.hosts.len()).is_ok_and(|hosts| hosts >= self.ha)
    }
    /// The name of its iSCSI target.
    #[must_use]
    pub fn iqn(&self) -> String {
        format!("{IQN}{}", self.gbid)
    }
    /// Whether it is the block volume of this target, as far as that can be told: a target of
    /// another form was not named by gluster-block.
    #[must_use]
    pub fn is(&self, iqn: &str) -> bool {
        !iqn.starts_with(IQN) || iqn == self.iqn()
    }
    /// Where and how initiators log in.
    #[must_use]
    pub fn target(self) -> BlockTarget {
        let auth = !self.password.expose().is_empty();
        BlockTarget {
            iqn: self.iqn(),
            username: if auth { self.gbid } else { String::new() },
            hosts: self.hosts,
            password: self.password,
        }
    }
    /// What all hosts offer of a block volume that was to grow.
    #[must_use]
    pub fn usable(&self, from: Gib, to: Gib) -> Gib {
        let of_host = |text: &Option<String>| match text.as_deref() {
            Some(text) if text != shown(from) => whole_gib(text).unwrap_or(from).min(to),
            _ => from,
        };
        self.behind.values().map(of_host).min().unwrap_or(to)
    }
}

/// The size as gluster-block shows it: one digit after the point, in the largest unit, so that
/// sizes of TiB are not told from their neighbours.
#[must_use]
pub fn shown(size: Gib) -> String {
    let (mut whole, mut rest, mut unit) = (size.0, 0, 0);
    while whole >= 1024 && unit + 1 < UNITS.len() {
        (whole, rest, unit) = (whole / 1024, whole % 1024, unit + 1);
    }
    // The rest is below 1024, and so is the whole, but for sizes that no disk has.
    let tenths = u32::try_from(rest).unwrap_or_default();
    let whole = u32::try_from(whole).unwrap_or(u32::MAX);
    format!("{:.1} {}iB", f64::from(whole) + f64::from(tenths) / 1024.0, UNITS[unit])
}

const UNITS: [char; 4] = ['G', 'T', 'P', 'E'];

/// Whole GiB of a size such as `10.0 GiB`; none for smaller units and for what is no size.
#[must_use]
pub fn whole_gib(text: &str) -> Option<Gib> {
    let text = text.trim().to_ascii_uppercase();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = unit.trim();
    let letter = unit.chars().next()?;
    let steps = UNITS.iter().position(|known| *known == letter)?;
    if !["", "B", "IB"].contains(&unit.get(1..)?) {
        return None;
    }
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let gib = 1024_u64.checked_pow(u32::try_from(steps).ok()?)?;
    let scale = 10_u64.checked_pow(u32::try_from(part.len()).ok()?)?;
    let of_part = part.parse::<u64>().ok()?.checked_mul(gib)? / scale;
    whole.parse::<u64>().ok()?.checked_mul(gib)?.checked_add(of_part).map(Gib)
}

/// Asks whether block volumes were ever made on the volume of this brick: gluster-block keeps what it
/// knows of them in a directory of the volume. The line succeeds if so.
#[must_use]
pub fn ask_hosting(script: Script, brick: &str) -> Script {
    script.then_try(Cmd::new(["test", "-d", &format!("{brick}/block-meta")]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> Name {
        Name { hosting: "vol_h".parse().unwrap(), block: "blk".parse().unwrap() }
    }
    fn hosts(all: &[&str]) -> Vec<Hostname> {
        all.iter().map(|host| host.parse().unwrap()).collect()
    }
    fn ran(status: i32, stdout: &str, stderr: &str) -> Ran {
        Ran { status: Some(status), stdout: stdout.into(), stderr: stderr.into() }
    }
    fn read(status: i32, stdout: &str, stderr: &str) -> Result<Reply> {
        Reply::read(&"n1".parse().unwrap(), &info(&name()), &ran(status, stdout, stderr))
    }

    #[test]
    fn commands() {
        let tools = Tools::default();
        let words = |cmd: Cmd| cmd.to_string();
        assert_eq!(
            words(create(&tools, &name(), Gib(5), true, &hosts(&["10.0.0.1", "10.0.0.2"]))),
            "gluster-block create vol_h/blk ha 2 auth enable prealloc full 10.0.0.1,10.0.0.2 5GiB \
             --json"
        );
        let sparse = Tools { block_prealloc: "no".into(), ..tools };
        assert_eq!(
            words(create(&sparse, &name(), Gib(1), false, &hosts(&["h"]))),
            "gluster-block create vol_h/blk ha 1 auth disable prealloc no h 1GiB --json"
        );
        assert_eq!(words(delete(&name())), "gluster-block delete vol_h/blk --json");
        let grow = "gluster-block modify vol_h/blk size 7GiB --json";
        assert_eq!(words(resize(&name(), Gib(7))), grow);
        assert_eq!(words(info(&name())), "gluster-block info vol_h/blk --json");
        assert_eq!(words(list(&name().hosting)), "gluster-block list vol_h --json");
        assert_eq!(info(&name()).timeout(), Duration::from_mins(10));
    }

    #[test]
    fn what_was_made() {
        let text = r#"{ "IQN": "iqn.2016-12.org.gluster-block:aafea465", "USERNAME": "aafea465",
            "PASSWORD": "8c7-b", "PORTAL(S)": [ "10.0.0.1:3260" ], "RESULT": "SUCCESS" }"#;
        let target = read(0, text, "").unwrap().target(hosts(&["10.0.0.1"])).unwrap();
        assert_eq!(target.iqn, "iqn.2016-12.org.gluster-block:aafea465");
        assert_eq!((target.username.as_str(), target.password.expose()), ("aafea465", "8c7-b"));
        assert!(!format!("{target:?}").contains("8c7-b"));
        let open = r#"{"IQN":"iqn.2016-12.org.gluster-block:x","PORTAL(S)":[],"RESULT":"SUCCESS"}"#;
        // Where nothing is on standard output, the other one is read.
        let target = read(0, "", open).unwrap().target(vec![]).unwrap();
        assert_eq!((target.username.as_str(), target.password.expose()), ("", ""));
        assert!(read(0, "{}", "").unwrap().target(vec![]).is_none(), "no target was named");
    }

    #[test]
    fn what_is_known() {
        let text = r#"{ "NAME": "blk", "VOLUME": "vol_h", "GBID": "aafea465", "SIZE": "10.0 GiB",
            "HA": 3, "IOTIMEOUT": "43 Seconds", "PASSWORD": "", "EXPORTED ON": [ "10.0.0.1",
            "10.0.0.2" ], "RESIZE FAILED ON": { "10.0.0.2": "5.0 GiB", "10.0.0.3": null },
            "ENCOUNTERED FAILURES ON": [ "10.0.0.3" ] }"#;
        let state = read(0, text, "").unwrap().state().unwrap();
        assert!(!state.is_whole() && state.is("iqn.2016-12.org.gluster-block:aafea465"));
        assert!(!state.is("iqn.2016-12.org.gluster-block:other"));
        assert!(state.is("fakeIQN"), "nobody can tell");
        assert_eq!(state.size, shown(Gib(10)));
        assert_eq!(state.usable(Gib(4), Gib(10)), Gib(4), "the host that says nothing");
        let target = state.target();
        assert_eq!((target.username.as_str(), target.hosts.len()), ("", 2));
        assert!(read(0, r#"{"GBID":"","SIZE":"1.0 GiB","HA":1}"#, "").unwrap().state().is_none());
    }

    #[test]
    fn failures() {
        let words = |text: &str| read(2, text, "").unwrap_err();
        let gone = words(
            r#"{ "RESULT": "FAIL", "errCode": 2, "errMsg": "block vol_h/blk doesn't exist" }"#,
        );
        assert!(is_gone(&gone, &name()) && !is_there(&gone), "{gone}");
        let hosting =
            words(r#"{"RESULT":"FAIL","errCode":2,"errMsg":"Volume vol_h does not exist"}"#);
        assert!(is_gone(&hosting, &name()));
        let other = Name { hosting: "other".parse().unwrap(), block: "other".parse().unwrap() };
        assert!(!is_gone(&hosting, &other) && !is_gone(&gone, &other));
        let there = words(
            r#"{"RESULT":"FAIL","errCode":17,"errMsg":"BLOCK with name: 'blk' already EXIST\n"}"#,
        );
        assert!(is_there(&there), "{there}");
        let same = r#"{"RESULT":"FAIL","errCode":255,
            "errMsg":"request size (5.0 GiB) is same as current size (5.0 GiB) ]"}"#;
        assert!(has_size(&words(same)));
        let part = words(r#"{"FAILED ON":["10.0.0.2","10.0.0.3"],"RESULT":"FAIL"}"#);
        assert!(part.says("failed on 10.0.0.2, 10.0.0.3"), "{part}");
        assert!(words(r#"{"RESULT":"FAIL","errMsg":null}"#).says("without a word"));
        // Some versions end with status 0 all the same, others say nothing of the result.
        assert!(read(0, r#"{"RESULT":"FAIL","errMsg":"no"}"#, "").unwrap_err().says("no"));
        assert!(read(1, r#"{"errMsg":"odd"}"#, "").unwrap_err().says("odd"));
        // It broke off in the middle.
        let broken = read(0, r#"{"IQN":"iqn","PASSWORD":"hush"#, "").unwrap_err();
        assert!(
            matches!(broken, NodeError::Nonsense { .. }) && !broken.to_string().contains("hush")
        );
    }

    #[test]
    fn where_there_is_no_gluster_block() {
        let missing = "timeout: failed to run command 'gluster-block': No such file or directory";
        let down = "Connection failed. Please check if gluster-block daemon is operational.\n";
        for (status, stdout, stderr) in [(127, "", missing), (255, down, "")] {
            let error = read(status, stdout, stderr).unwrap_err();
            assert!(error.is_without_effect(), "{error}");
        }
        assert!(read(127, "", missing).unwrap_err().to_string().contains("must be installed"));
        let lost = "Did not receive any response from gluster-block daemon. Please check log files";
        assert!(matches!(read(255, lost, "").unwrap_err(), NodeError::InDoubt { .. }));
        assert!(read(1, "", "unknown option").unwrap_err().says("unknown option"));
    }

    #[test]
    fn names_on_a_volume() {
        let text = r#"{ "blocks": [ "a", "b" ], "RESULT": "SUCCESS" }"#;
        assert_eq!(read(0, text, "").unwrap().names(), ["a", "b"]);
    }

    #[test]
    fn sizes() {
        for (gib, text) in
            [(1, "1.0 GiB"), (1023, "1023.0 GiB"), (1024, "1.0 TiB"), (1100, "1.1 TiB")]
        {
            assert_eq!(shown(Gib(gib)), text);
        }
        assert_eq!(shown(Gib(1110)), "1.1 TiB", "not to be told from its neighbour");
        for (text, gib) in [
            ("10.0 GiB", 10),
            ("10.9gib", 10),
            ("2 T", 2048),
            ("1.5TB", 1536),
            ("1P", 1 << 20),
            ("1 EiB", 1 << 30),
        ] {
            assert_eq!(whole_gib(text), Some(Gib(gib)), "{text}");
        }
        for text in ["", "10", "10 MiB", "GiB", "-1 GiB", "1 GiBs", "1.2.3 GiB"] {
            assert_eq!(whole_gib(text), None, "{text}");
        }
    }
}
