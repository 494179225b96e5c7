//! Several commands for one node, sent in one round trip. Data, not text: see `render` for the
//! only place where it becomes shell.
use serde::{Deserialize, Serialize};
use std::{fmt, time::Duration};

/// One command: its arguments as they are, never a shell's text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cmd {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Lines for its standard input; nothing when empty.
    pub stdin: Vec<String>,
    /// After this time the node ends it; the usual time when none.
    pub limit: Option<Duration>,
}

/// LVM and most other commands get five minutes, as with Heketi (storage.md 0).
pub const USUAL_LIMIT: Duration = Duration::from_mins(5);

impl Cmd {
    /// A command with the usual time-out and no input.
    pub fn new<I>(argv: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let argv = argv.into_iter().map(Into::into).collect();
        Self { argv, stdin: vec![], limit: None }
    }
    /// The same with another time-out.
    #[must_use]
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }
    /// After this time the node ends it.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.limit.unwrap_or(USUAL_LIMIT)
    }
    /// The same with these lines on standard input.
    #[must_use]
    pub fn stdin(mut self, lines: Vec<String>) -> Self {
        self.stdin = lines;
        self
    }
}

impl Cmd {
    /// The command in one line of bearable length, for errors.
    #[must_use]
    pub fn brief(&self) -> String {
        bearable(self.to_string())
    }
}

fn bearable(whole: String) -> String {
    const BEARABLE: usize = 160;
    match whole.char_indices().nth(BEARABLE) {
        None => whole,
        Some((end, _)) => format!("{} ...", &whole[..end]),
    }
}

impl fmt::Display for Cmd {
    /// As a person would type it; what would surprise a shell is quoted.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,+@%".contains(c);
        for (n, word) in self.argv.iter().enumerate() {
            let blank = if n == 0 { "" } else { " " };
            if !word.is_empty() && word.chars().all(plain) {
                write!(f, "{blank}{word}")?;
            } else {
                write!(f, "{blank}'{}'", word.replace('\'', "'\\''"))?;
            }
        }
        if !self.stdin.is_empty() {
            write!(f, " <<< '{}'", self.stdin.join("; "))?;
        }
        Ok(())
    }
}

/// Whether a command of a script is to run at all: the node is asked first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum When {
    /// In any case.
    Always,
    /// The probe ends with status 0. One that cannot be run, or takes too long, ends the script.
    Succeeds(Cmd),
    /// The probe ends with another status, and not because it cannot be run or takes too long.
    Fails(Cmd),
    /// The probe prints something. A probe that fails ends the script.
    Prints(Cmd),
    /// The probe prints nothing. A probe that fails ends the script.
    PrintsNothing(Cmd),
}

impl When {
    /// The question to the node, if there is one.
    #[must_use]
    pub fn probe(&self) -> Option<&Cmd> {
        match self {
            Self::Always => None,
            Self::Succeeds(p) | Self::Fails(p) | Self::Prints(p) | Self::PrintsNothing(p) => {
                Some(p)
            }
        }
    }
    fn probe_mut(&mut self) -> Option<&mut Cmd> {
        match self {
            Self::Always => None,
            Self::Succeeds(p) | Self::Fails(p) | Self::Prints(p) | Self::PrintsNothing(p) => {
                Some(p)
            }
        }
    }
}

/// A command in its place in a script.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Whether it runs.
    pub when: When,
    /// What runs.
    pub cmd: Cmd,
    /// Its failure does not end the script.
    pub may_fail: bool,
}

/// Which of the connections of a host a script takes: what waits in one never keeps another one
/// from a node (`ssh` has so many for each host).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lane {
    /// Bricks and devices: many at once, and they may take long.
    #[default]
    Work,
    /// gluster: whoever has the turn of a pool must not wait for bricks of others.
    Pool,
    /// Questions whether a node is well, beside all work.
    Health,
}

/// Commands that run one after another; the first that fails ends the script.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Script {
    /// Name of the lock that is held on the node meanwhile; no lock for reading.
    pub lock: Option<String>,
    /// Which of two scripts of one lock was sent later. One that gets the lock after a later one
    /// had it does nothing: it was sent by a server that has died, and has been undone already.
    pub number: u64,
    /// Which connections it takes.
    pub lane: Lane,
    /// The commands.
    pub lines: Vec<Line>,
}

/// What became of one line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ran {
    /// Exit status; none when the line was left out.
    pub status: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ran {
    /// It ran and ended with status 0.
    #[must_use]
    pub fn ok(&self) -> bool {
        self.status == Some(0)
    }
    /// Why it did not end well: the first line of what it said, or else its status.
    #[must_use]
    pub fn failure(&self) -> String {
        let said = if self.stderr.trim().is_empty() { &self.stdout } else { &self.stderr };
        match (said.trim().lines().next(), self.status) {
            (Some(first), _) => first.to_owned(),
            (None, Some(status)) => format!("it ended with status {status}"),
            (None, None) => "it was not run".into(),
        }
    }
}

impl Script {
    /// A script that only reads: no lock.
    #[must_use]
    pub fn reading() -> Self {
        Self::default()
    }
    /// A script that changes something. While it runs, no other script of the same name runs on
    /// that node, not even one whose server died: it is waited for (docs/ARCHITECTURE.md).
    pub fn changing(lock: impl Into<String>) -> Self {
        Self { lock: Some(lock.into()), ..Self::default() }
    }
    /// The same in another lane.
    #[must_use]
    pub fn lane(mut self, lane: Lane) -> Self {
        self.lane = lane;
        self
    }
    /// The same with this limit for all commands that have none of their own.
    #[must_use]
    pub fn limited(mut self, usual: Duration) -> Self {
        for line in &mut self.lines {
            line.cmd.limit.get_or_insert(usual);
            if let Some(probe) = line.when.probe_mut() {
                probe.limit.get_or_insert(usual);
            }
        }
        self
    }
    /// Adds a command.
    #[must_use]
    pub fn then(self, cmd: Cmd) -> Self {
        self.line(When::Always, cmd, false)
    }
    /// Adds several commands.
    #[must_use]
    pub fn then_all(self, cmds: Vec<Cmd>) -> Self {
        cmds.into_iter().fold(self, Self::then)
    }
    /// Adds a command that runs only if the node says so.
    #[must_use]
    pub fn then_when(self, when: When, cmd: Cmd) -> Self {
        self.line(when, cmd, false)
    }
    /// Adds a command whose failure is looked at by the caller.
    #[must_use]
    pub fn then_try(self, cmd: Cmd) -> Self {
        self.line(When::Always, cmd, true)
    }
    /// Adds a command that runs only if the node says so, and whose failure the caller looks at.
    #[must_use]
    pub fn then_try_when(self, when: When, cmd: Cmd) -> Self {
        self.line(when, cmd, true)
    }
    fn line(mut self, when: When, cmd: Cmd, may_fail: bool) -> Self {
        self.lines.push(Line { when, cmd, may_fail });
        self
    }
    /// The commands in one line of bearable length.
    #[must_use]
    pub fn brief(&self) -> String {
        bearable(self.to_string())
    }
    /// The longest that a node may be silent: each line ends with a sign of life.
    #[must_use]
    pub fn silence(&self) -> Duration {
        let one = |line: &Line| {
            line.cmd.timeout() + line.when.probe().map_or(Duration::ZERO, Cmd::timeout)
        };
        self.lines.iter().map(one).max().unwrap_or_default()
    }
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.lines.iter().map(|line| line.cmd.to_string()).collect();
        f.write_str(&lines.join(" && "))
    }
}
