//! How long each command of a script took, and how it ended: for metrics only. What is done never
//! depends on it.
use super::{Cmd, NodeError, Script, script::Line};
use crate::metrics::{CommandTimes, Outcome};
use std::{
    mem,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// `timeout` ends with this status when it ended the command, and with this when it had to kill it.
pub(super) const TIMED_OUT: [i32; 2] = [124, 137];

/// What became of one line, told as soon as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lap {
    /// It was not needed.
    Skipped,
    /// Its command ended with this status.
    Ended(i32),
    /// The question whether it is needed ended with this status, which is no answer.
    NoAnswer(i32),
}

/// Told by a [`super::Remote`] while a script runs.
#[derive(Debug)]
pub struct Laps(Mutex<State>);

#[derive(Debug)]
struct State {
    last: Instant,
    begun: bool,
    laps: Vec<(Lap, Duration)>,
}

impl Default for Laps {
    /// The clock runs.
    fn default() -> Self {
        Self(Mutex::new(State { last: Instant::now(), begun: false, laps: vec![] }))
    }
}

impl Laps {
    /// The first command begins: the connection stands, and the lock is taken.
    pub fn begin(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.last = Instant::now();
        state.begun = true;
    }
    /// A line has ended, and the next begins.
    pub fn lap(&self, lap: Lap) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = mem::replace(&mut state.last, Instant::now());
        let took = state.last - before;
        state.laps.push((lap, took));
    }

    /// Whether it has begun, and what was told.
    #[cfg(test)]
    pub(super) fn so_far(&self) -> (bool, Vec<Lap>) {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (state.begun, state.laps.iter().map(|(lap, _)| *lap).collect())
    }

    /// Counts every command that ran, and the one whose end nobody heard.
    pub(super) fn count(self, script: &Script, error: Option<&NodeError>, times: &CommandTimes) {
        let state = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        for ((lap, took), line) in state.laps.iter().zip(&script.lines) {
            if let Some((cmd, outcome)) = judged(*lap, line) {
                times.observe(tool(cmd), outcome, *took);
            }
        }
        let silent = state.last.elapsed();
        match error {
            Some(NodeError::Unreachable { .. }) => {
                times.observe("connect", Outcome::Unreachable, silent);
            }
            Some(NodeError::InDoubt { .. }) if state.begun => {
                if let Some(line) = script.lines.get(state.laps.len()) {
                    times.observe(tool(&line.cmd), Outcome::Lost, silent);
                }
            }
            _ => {}
        }
    }
}

fn judged(lap: Lap, line: &Line) -> Option<(&Cmd, Outcome)> {
    let of = |status: i32, may_fail: bool| match status {
        0 => Outcome::Ok,
        _ if TIMED_OUT.contains(&status) => Outcome::TimedOut,
        _ if may_fail => Outcome::Ok,
        _ => Outcome::Failed,
    };
    match lap {
        Lap::Skipped => None,
        Lap::Ended(status) => Some((&line.cmd, of(status, line.may_fail))),
        Lap::NoAnswer(status) => Some((line.when.probe()?, of(status, false))),
    }
}

/// The program of a command, by a name of this list: lvm by what it is to do, and what stands
/// before a program, a wrapper or a lock, left out.
fn tool(cmd: &Cmd) -> &'static str {
    const TOOLS: [&str; 37] = [
        "awk",
        "blkid",
        "chmod",
        "chown",
        "gluster",
        "gluster-block",
        "grep",
        "lsblk",
        "lvconvert",
        "lvcreate",
        "lvremove",
        "lvs",
        "mkdir",
        "mkfs.xfs",
        "mount",
        "mv",
        "pvcreate",
        "pvremove",
        "pvresize",
        "pvs",
        "rm",
        "rmdir",
        "sed",
        "sync",
        "systemctl",
        "tail",
        "tee",
        "test",
        "touch",
        "udevadm",
        "umount",
        "vgcreate",
        "vgdisplay",
        "vgremove",
        "vgs",
        "wipefs",
        "xfs_growfs",
    ];
    let named = |word: &String| {
        let name = word.rsplit('/').next().unwrap_or_default();
        TOOLS.into_iter().find(|tool| *tool == name)
    };
    cmd.argv.iter().find_map(named).unwrap_or("other")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        metrics::Exposition,
        node::{Tools, When, gluster},
    };

    fn text(times: &CommandTimes) -> String {
        let mut text = Exposition::default();
        times.show(&mut text);
        text.text().unwrap()
    }
    fn counted(text: &str, tool: &str, outcome: Outcome) -> Option<String> {
        let outcome = format!("{outcome:?}").to_lowercase().replace("timedout", "timed-out");
        let start = format!(
            "brickyard_node_command_duration_seconds_count{{outcome=\"{outcome}\",tool=\"{tool}\"}} "
        );
        text.lines().find_map(|line| line.strip_prefix(&start)).map(str::to_owned)
    }

    #[test]
    fn programs_have_names_of_a_fixed_list() {
        let name = |words: &str| tool(&Cmd::new(words.split(' ')));
        assert_eq!(name("/usr/sbin/lvm lvcreate -n x vg"), "lvcreate");
        assert_eq!(name("nsenter -t 1 -m /usr/sbin/lvm vgs"), "vgs");
        assert_eq!(name("flock -w 60 /x sed -i.save /y/d /etc/fstab"), "sed");
        assert_eq!(name("/opt/own-tool --now"), "other");
        assert_eq!(tool(&gluster::pool_list(&Tools::default())), "gluster");
    }

    #[test]
    fn what_ran_is_counted_by_how_it_ended() {
        let probe = || When::Prints(Cmd::new(["lvs", "x"]));
        let script = Script::reading()
            .then(Cmd::new(["mkdir", "/a"]))
            .then_when(probe(), Cmd::new(["umount", "/a"]))
            .then_try(Cmd::new(["test", "-d", "/a"]))
            .then_when(probe(), Cmd::new(["rmdir", "/a"]));
        let times = CommandTimes::default();
        let laps = Laps::default();
        laps.begin();
        for lap in [Lap::Ended(0), Lap::Skipped, Lap::Ended(1), Lap::NoAnswer(5)] {
            laps.lap(lap);
        }
        laps.count(&script, None, &times);
        let shown = text(&times);
        for (tool, outcome, number) in [
            ("mkdir", Outcome::Ok, Some("1")),
            ("umount", Outcome::Ok, None),
            ("test", Outcome::Ok, Some("1")),
            ("rmdir", Outcome::Ok, None),
            ("lvs", Outcome::Failed, Some("1")),
        ] {
            assert_eq!(counted(&shown, tool, outcome).as_deref(), number, "{tool}\n{shown}");
        }
    }

    #[test]
    fn the_command_whose_end_nobody_heard_is_lost() {
        let host = "n1".parse().unwrap();
        let in_doubt = NodeError::InDoubt { host, command: "x".into(), why: "lost".into() };
        let script =
            Script::reading().then(Cmd::new(["mkdir", "/a"])).then(Cmd::new(["mount", "/a"]));
        let times = CommandTimes::default();
        let laps = Laps::default();
        laps.begin();
        laps.lap(Lap::Ended(0));
        laps.count(&script, Some(&in_doubt), &times);
        // Whoever waits for a lock has begun nothing.
        Laps::default().count(&script, Some(&in_doubt), &times);
        // The node itself ended it, and said so.
        let laps = Laps::default();
        laps.begin();
        laps.lap(Lap::Ended(0));
        laps.lap(Lap::Ended(124));
        laps.count(&script, Some(&in_doubt), &times);
        let host = "n1".parse().unwrap();
        let gone = NodeError::Unreachable { host, why: "no route".into() };
        Laps::default().count(&script, Some(&gone), &times);
        let shown = text(&times);
        assert_eq!(counted(&shown, "mount", Outcome::Lost).as_deref(), Some("1"), "{shown}");
        assert_eq!(counted(&shown, "mount", Outcome::TimedOut).as_deref(), Some("1"));
        assert_eq!(counted(&shown, "mkdir", Outcome::Ok).as_deref(), Some("2"));
        assert_eq!(counted(&shown, "connect", Outcome::Unreachable).as_deref(), Some("1"));
    }
}
