//! A [`Script`] as POSIX shell text, and its answer taken apart again. The only place where
//! arguments meet a shell: each is quoted by `shlex`, and nobody else may do this.
//!
//! When the lock is taken, and after each command, a line with a random word, the command's number
//! and exit status is printed on both outputs, so that every byte can be told from its neighbours' and an error names the
//! command that failed.
use super::{
    NodeError, Ran, Result, Script, When,
    laps::{Lap, Laps, TIMED_OUT},
    script::{Cmd, Line},
};
use crate::domain::Hostname;
use std::time::Duration;

/// Exit status of the script when another one holds its lock for too long.
const LOCKED: i32 = 75;
/// Exit status of the script when a later one of the same lock came before it.
const OVERTAKEN: i32 = 76;
/// How long a script waits for its lock.
pub(super) const LOCK_WAIT: Duration = Duration::from_mins(11);
/// The tools live in sbin, which is not on everybody's path; their words are read in English.
const ENVIRONMENT: &str = "export LC_ALL=C LVM_SUPPRESS_FD_WARNINGS=1 \
     PATH=\"$PATH:/usr/local/sbin:/usr/sbin:/sbin\"\n";
/// A mark before the first command: from here on it is silent for no longer than one command takes.
const BEGUN: &str = "e begun -\n";
/// Where locks are kept on the node: gone after a reboot, like the commands that held them.
const LOCKS: &str = "/run/brickyard";
/// `timeout` and the shell use this status and higher ones when a command did not run, or not to
/// its end.
const NOT_RUN: i32 = 124;
/// From being asked to being killed.
const KILL_AFTER: &str = "5";

/// Starts a shell that takes a script from its input, see [`Rendered::input`], and says so.
pub(super) const WAITING: [&str; 3] = ["/bin/sh", "-c", "echo ready && exec /bin/sh"];
/// The line with which it says so.
pub(super) const READY: &[u8] = b"ready\n";

/// What to send, and how to read the answer.
pub(super) struct Rendered<'a> {
    host: &'a Hostname,
    script: &'a Script,
    word: String,
    /// Text for `sh -c`.
    pub(super) text: String,
}

impl<'a> Rendered<'a> {
    /// # Errors
    /// An argument holds a NUL byte, which no command line can carry.
    pub(super) fn new(host: &'a Hostname, script: &'a Script) -> Result<Self> {
        let word = format!("brickyard-{}", uuid::Uuid::new_v4().simple());
        let mark = format!("printf '\\n{word} %s %s\\n' \"$1\" \"$2\"");
        let marks = format!("e() {{ {mark}; {mark} >&2; }}\n");
        let mut text = [ENVIRONMENT, &marks, &lock(host, script)?, BEGUN].concat();
        for (number, line) in script.lines.iter().enumerate() {
            text += &Self::line(host, number, line)?;
        }
        Ok(Self { host, script, word, text })
    }

    /// The same for a shell that reads it from its input, whose end it need not see: all of it is
    /// one command, in braces. A shell does nothing of a command that it has not read wholly, so one
    /// that is cut off on its way is not done in part.
    pub(super) fn input(&self) -> String {
        format!("{{\n{}exit\n}}\n", self.text)
    }

    fn line(host: &Hostname, number: usize, line: &Line) -> Result<String> {
        let cmd = command(host, &line.cmd)?;
        let end = if line.may_fail { "" } else { " && [ $s = 0 ] || exit 0" };
        let run = format!("{cmd}; s=$?; e {number} $s{end}");
        let skip = format!("e {number} -");
        let Some(probe) = line.when.probe() else {
            return Ok(format!("{run}\n"));
        };
        let probe = command(host, probe)?;
        Ok(match &line.when {
            When::Always => format!("{run}\n"),
            When::Succeeds(_) | When::Fails(_) => {
                let test = if matches!(line.when, When::Succeeds(_)) { "=" } else { "!=" };
                // A question that was never asked must not be taken for a no.
                format!(
                    "{probe} >/dev/null 2>&1; s=$?; [ $s -lt {NOT_RUN} ] || {{ e {number} p$s; exit 0; }}\n\
                     if [ $s {test} 0 ]; then {run}; else {skip}; fi\n"
                )
            }
            When::Prints(_) | When::PrintsNothing(_) => {
                let test = if matches!(line.when, When::Prints(_)) { "-n" } else { "-z" };
                format!(
                    "p=$({probe}); s=$?; [ $s = 0 ] || {{ e {number} p$s; exit 0; }}\n\
                     if [ {test} \"$p\" ]; then {run}; else {skip}; fi\n"
                )
            }
        })
    }

    /// One [`Ran`] a line, or the error of the line that ended the script.
    ///
    /// `status` is that of the script itself: 0 unless it could not even begin or was cut off.
    ///
    /// # Errors
    /// A command failed or timed out, or the answer is incomplete.
    pub(super) fn read(&self, status: Option<i32>, stdout: &str, stderr: &str) -> Result<Vec<Ran>> {
        let outputs = self.pieces(stdout);
        let errors = self.pieces(stderr);
        // What comes before the first command, a greeting perhaps, is of no interest.
        let Some((_, outputs)) = outputs.split_first() else {
            return Err(self.broke_off(self.script.lines.first(), status, stdout, stderr));
        };
        let errors = errors.get(1..).unwrap_or_default();
        let mut ran = vec![];
        for (number, line) in self.script.lines.iter().enumerate() {
            let Some((out, mark)) = outputs.get(number) else {
                return Err(self.broke_off(Some(line), status, stdout, stderr));
            };
            let err = errors.get(number).map_or("", |(text, _)| text);
            // A probe that did not do what is asked of it has failed in the name of its line.
            let (cmd, code) = match (mark.strip_prefix('p'), line.when.probe()) {
                (Some(code), Some(probe)) => (probe, code),
                _ => (&line.cmd, *mark),
            };
            let probing = mark.starts_with('p');
            let Ok(code) = code.parse::<i32>() else {
                ran.push(Ran::default());
                continue;
            };
            if TIMED_OUT.contains(&code) {
                let why = format!("timed out after {} s", cmd.timeout().as_secs());
                let (host, command) = (self.host.clone(), cmd.brief());
                return Err(NodeError::InDoubt { host, command, why });
            }
            if code != 0 && (probing || !line.may_fail) {
                return Err(self.failed(cmd, code, out, err));
            }
            ran.push(Ran { status: Some(code), stdout: (*out).to_owned(), stderr: err.to_owned() });
        }
        Ok(ran)
    }

    fn failed(&self, cmd: &Cmd, status: i32, out: &str, err: &str) -> NodeError {
        // gluster tells some of its errors on standard output.
        let err = without_greeting(err);
        let said = if err.trim().is_empty() { out } else { &err };
        NodeError::Failed {
            host: self.host.clone(),
            command: cmd.brief(),
            status,
            stderr: bearable(said),
        }
    }

    fn broke_off(
        &self,
        line: Option<&Line>,
        status: Option<i32>,
        out: &str,
        err: &str,
    ) -> NodeError {
        let host = self.host.clone();
        let command = line.map_or_else(|| "taking a lock".into(), |line| line.cmd.brief());
        match status {
            Some(LOCKED) => NodeError::StillAtWork { host, command },
            Some(OVERTAKEN) => {
                let why = "a later command for the same object came before".into();
                NodeError::InDoubt { host, command, why }
            }
            // The script never began: no lock, no sudo, no shell.
            Some(status) if !out.contains(&self.word) => {
                let stderr = if err.trim().is_empty() { out } else { err }.trim().to_owned();
                NodeError::Failed { host, command, status, stderr }
            }
            _ => NodeError::InDoubt { host, command, why: "the answer broke off".into() },
        }
    }

    /// What was printed before each mark, with the mark's status word.
    fn pieces<'t>(&self, text: &'t str) -> Vec<(&'t str, &'t str)> {
        let mut pieces = vec![];
        let mut rest = text;
        let mark = format!("\n{} ", self.word);
        while let Some((before, after)) = rest.split_once(&mark) {
            let (mark, next) = after.split_once('\n').unwrap_or((after, ""));
            let Some((_, status)) = mark.split_once(' ') else {
                break;
            };
            pieces.push((before, status));
            rest = next;
        }
        pieces
    }
}

/// Notices marks in what a script has said so far, so that each command's time is known.
pub(super) struct Marks<'a> {
    mark: Vec<u8>,
    /// Here begins the line that is coming, and up to there it is known to go on.
    line: usize,
    seen: usize,
    begun: bool,
    laps: &'a Laps,
}

impl Rendered<'_> {
    /// Tells these laps of the marks that come.
    pub(super) fn marks<'l>(&self, laps: &'l Laps) -> Marks<'l> {
        Marks { mark: format!("{} ", self.word).into_bytes(), line: 0, seen: 0, begun: false, laps }
    }
}

impl Marks<'_> {
    /// Looks at what has come since it was called last; `out` is all of standard output.
    pub(super) fn hear(&mut self, out: &[u8]) {
        let line_end =
            |from: usize| Some(from + out.get(from..)?.iter().position(|b| *b == b'\n')?);
        // Only whole lines: the rest of a mark may be on its way.
        while let Some(end) = line_end(self.seen) {
            if let Some(words) = out[self.line..end].strip_prefix(self.mark.as_slice()) {
                self.noticed(&String::from_utf8_lossy(words));
            }
            self.line = end + 1;
            self.seen = self.line;
        }
        self.seen = out.len();
    }

    fn noticed(&mut self, words: &str) {
        let status = words.rsplit(' ').next().unwrap_or_default();
        if !self.begun {
            self.begun = true;
            return self.laps.begin();
        }
        let code = |text: &str| text.parse().unwrap_or(-1);
        self.laps.lap(match status.strip_prefix('p') {
            Some(status) => Lap::NoAnswer(code(status)),
            None if status == "-" => Lap::Skipped,
            None => Lap::Ended(code(status)),
        });
    }
}

/// Some tools explain all of their options when one is wrong: the first lines tell which.
fn bearable(said: &str) -> String {
    const LINES: usize = 6;
    let lines: Vec<_> = said.trim().lines().collect();
    let more = if lines.len() > LINES { "\n..." } else { "" };
    format!("{}{more}", lines[..lines.len().min(LINES)].join("\n"))
}

/// A session of gluster greets on standard error, whatever follows.
fn without_greeting(err: &str) -> String {
    let lines: Vec<_> =
        err.lines().filter(|l| !l.starts_with("Welcome to gluster prompt")).collect();
    lines.join("\n")
}

/// Takes the script's lock, if it has one. Descriptor 9 stays open in the commands: whoever still
/// runs, holds the lock.
fn lock(host: &Hostname, script: &Script) -> Result<String> {
    let Some(lock) = &script.lock else { return Ok(String::new()) };
    let wait = LOCK_WAIT.as_secs();
    let file = quoted(host, [format!("{LOCKS}/{lock}.lock").as_str()])?;
    let number = script.number;
    // The files of bricks would pile up: those that nobody has used for two days go. (That of the
    // fstab has no dash: it is held by commands that do not touch it.)
    Ok(format!(
        "mkdir -p {LOCKS} && touch {file} && exec 9>>{file} || exit 1\n\
         flock -w {wait} -E {LOCKED} 9 || exit $?\n\
         n=$(cat {file}); case $n in ''|*[!0-9]*) n=0;; esac\n\
         [ \"$n\" -le {number} ] || exit {OVERTAKEN}\n\
         printf %s {number} >{file} || exit 1\n\
         find {LOCKS} -maxdepth 1 -name '*-*.lock' -mmin +2880 -delete 2>/dev/null\n"
    ))
}

fn command(host: &Hostname, cmd: &Cmd) -> Result<String> {
    let argv = quoted(host, cmd.argv.iter().map(String::as_str))?;
    let timed = format!("timeout -k {KILL_AFTER} {} {argv}", cmd.timeout().as_secs());
    if cmd.stdin.is_empty() {
        return Ok(format!("{timed} </dev/null"));
    }
    let lines = quoted(host, cmd.stdin.iter().map(String::as_str))?;
    Ok(format!("printf '%s\\n' {lines} | {timed}"))
}

fn quoted<'a>(host: &Hostname, words: impl IntoIterator<Item = &'a str>) -> Result<String> {
    shlex::try_join(words)
        .map_err(|_| NodeError::Refused(format!("{host}: an argument holds a NUL byte")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn host() -> Hostname {
        "node1".parse().unwrap()
    }
    /// Runs the script with the real shell of this machine.
    fn run(script: &Script) -> Result<Vec<Ran>> {
        let host = host();
        let rendered = Rendered::new(&host, script).unwrap();
        let out = Command::new("sh").arg("-c").arg(&rendered.text).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        rendered.read(out.status.code(), &text(&out.stdout), &text(&out.stderr))
    }
    fn sh(text: &str) -> Cmd {
        Cmd::new(["sh", "-c", text])
    }

    #[test]
    fn arguments_arrive_as_they_are() {
        let nasty = ["a b", "$(reboot)", "`x`", "'", "\"", ";", "\\", "*", "é", "", "-n", "\n"];
        for word in nasty {
            let ran = run(&Script::reading().then(Cmd::new(["printf", "<%s>", word]))).unwrap();
            assert_eq!(ran[0].stdout, format!("<{word}>"));
        }
        let nul = Script::reading().then(Cmd::new(["echo", "a\0b"]));
        assert!(matches!(Rendered::new(&host(), &nul), Err(NodeError::Refused(_))));
    }
    #[test]
    fn outputs_are_told_apart() {
        let script = Script::reading()
            .then(sh("echo one; echo problem >&2"))
            .then(sh("printf no-newline"))
            .then(sh("true"));
        let ran = run(&script).unwrap();
        assert_eq!((ran[0].stdout.trim(), ran[0].stderr.trim()), ("one", "problem"));
        assert_eq!(ran[1].stdout, "no-newline");
        assert_eq!(ran[2], Ran { status: Some(0), ..Ran::default() });
    }
    #[test]
    fn the_first_failure_ends_the_script_and_is_named() {
        let script = Script::reading()
            .then_try(sh("exit 3"))
            .then(sh("echo bad >&2; exit 5"))
            .then(sh("touch /nonexistent/never"));
        match run(&script).unwrap_err() {
            NodeError::Failed { command, status, stderr, .. } => {
                assert_eq!((status, stderr.as_str()), (5, "bad"));
                assert_eq!(command, "sh -c 'echo bad >&2; exit 5'");
            }
            other => panic!("{other:?}"),
        }
    }
    #[test]
    fn lines_run_when_the_node_says_so() {
        let yes = || sh("echo x");
        let silent = || sh("true");
        let no = || sh("exit 1");
        let script = Script::reading()
            .then_when(When::Succeeds(yes()), sh("echo a"))
            .then_when(When::Succeeds(no()), sh("echo b"))
            .then_when(When::Fails(no()), sh("echo c"))
            .then_when(When::Fails(yes()), sh("echo d"))
            .then_when(When::Prints(yes()), sh("echo e"))
            .then_when(When::Prints(silent()), sh("echo f"))
            .then_when(When::PrintsNothing(silent()), sh("echo g"))
            .then_when(When::PrintsNothing(yes()), sh("echo h"));
        let ran = run(&script).unwrap();
        let printed: Vec<_> = ran.iter().map(|r| r.stdout.trim()).collect();
        assert_eq!(printed, ["a", "", "c", "", "e", "", "g", ""]);
        assert_eq!(ran[1].status, None);
        for ask in [When::Succeeds, When::Fails] {
            let missing = Script::reading().then_when(ask(Cmd::new(["no-such-tool"])), yes());
            match run(&missing) {
                Err(NodeError::Failed { status: 127, command, .. }) => {
                    assert_eq!(command, "no-such-tool");
                }
                other => panic!("{other:?}"),
            }
            let slow = ask(sh("sleep 20").within(Duration::from_secs(1)));
            let slow = Script::reading().then_when(slow, yes());
            assert!(matches!(run(&slow), Err(NodeError::InDoubt { .. })));
        }
        let strict = Script::reading().then_when(When::Prints(no()), sh("echo x"));
        assert!(matches!(run(&strict), Err(NodeError::Failed { status: 1, .. })));
    }
    /// However the answer is cut into pieces on its way.
    #[test]
    fn marks_are_noticed_as_they_come() {
        let no = || sh("exit 1");
        let script = Script::reading()
            .then(sh("echo one; printf 'two\nthree'"))
            .then_when(When::Succeeds(no()), sh("echo left out"))
            .then_try(no())
            .then_when(When::Prints(no()), sh("echo never"));
        let host = host();
        let rendered = Rendered::new(&host, &script).unwrap();
        let out = Command::new("sh").arg("-c").arg(&rendered.text).output().unwrap().stdout;
        for piece in [1, 7, out.len()] {
            let laps = Laps::default();
            let mut marks = rendered.marks(&laps);
            for end in (0..out.len()).step_by(piece).chain([out.len()]) {
                marks.hear(&out[..end]);
            }
            let noticed = [Lap::Ended(0), Lap::Skipped, Lap::Ended(1), Lap::NoAnswer(1)];
            assert_eq!(laps.so_far(), (true, noticed.to_vec()), "pieces of {piece}");
        }
    }
    #[test]
    fn input_is_given_line_by_line_and_otherwise_empty() {
        let lines = vec!["volume info 'x'".to_owned(), "a  b".to_owned()];
        let script = Script::reading().then(Cmd::new(["cat"]).stdin(lines)).then(Cmd::new(["cat"]));
        let ran = run(&script).unwrap();
        assert_eq!(ran[0].stdout, "volume info 'x'\na  b\n");
        assert_eq!(ran[1].stdout, "");
    }
    /// With the real flock: who was sent earlier and comes later does nothing.
    #[test]
    fn a_script_that_was_overtaken_does_nothing() {
        let lock = format!("test-{}", uuid::Uuid::new_v4().simple());
        let numbered = |number| {
            let script = Script::changing(lock.as_str()).then(sh("echo done"));
            run(&Script { number, ..script })
        };
        if std::fs::create_dir_all(LOCKS).is_err() {
            return; // Only root may have locks there; the lab runs the same text.
        }
        assert_eq!(numbered(7).unwrap()[0].stdout, "done\n");
        assert_eq!(numbered(7).unwrap()[0].stdout, "done\n");
        assert_eq!(numbered(1_800_000_000 << 20).unwrap()[0].stdout, "done\n");
        match numbered(8) {
            Err(NodeError::InDoubt { why, .. }) => {
                assert!(why.contains("a later command"), "{why}");
            }
            other => panic!("{other:?}"),
        }
        std::fs::remove_file(format!("{LOCKS}/{lock}.lock")).unwrap();
    }
    /// As it travels into pods. The input stays open, and may end at any place.
    #[test]
    fn a_script_on_standard_input_is_done_wholly_or_not_at_all() {
        use std::{io::Write, process::Stdio};
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (folder.path().join("a}"), folder.path().join("b"));
        let touch = |path: &std::path::Path| Cmd::new(["touch", path.to_str().unwrap()]);
        let script = Script::reading()
            .then(touch(&first))
            .then_when(When::Succeeds(sh("true")), sh("cat; echo \"{ }\n}\""))
            .then(touch(&second));
        let host = host();
        let rendered = Rendered::new(&host, &script).unwrap();
        let input = rendered.input();
        let ask = |sent: &str, closed: bool| {
            let mut shell = Command::new(WAITING[0])
                .args(&WAITING[1..])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let mut pipe = shell.stdin.take().unwrap();
            pipe.write_all(sent.as_bytes()).unwrap();
            let kept = (!closed).then_some(pipe);
            let out = shell.wait_with_output().unwrap();
            drop(kept);
            out
        };
        for end in (0..input.len() - 2).step_by(7).chain([input.len() - 2]) {
            let out = ask(&input[..end], true);
            assert!(!String::from_utf8_lossy(&out.stdout).contains("brickyard-"), "cut at {end}");
            assert!(!first.exists() && !second.exists(), "cut at {end}");
        }
        let out = ask(&input, false);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let ran = rendered.read(out.status.code(), &text(&out.stdout), &text(&out.stderr)).unwrap();
        assert_eq!(ran[1].stdout, "{ }\n}\n");
        assert!(out.stdout.starts_with(READY) && first.exists() && second.exists());
    }
    #[test]
    fn a_command_that_takes_too_long_is_in_doubt() {
        let script = Script::reading().then(sh("sleep 20").within(Duration::from_secs(1)));
        assert!(matches!(run(&script), Err(NodeError::InDoubt { .. })));
    }
    #[test]
    fn an_answer_that_breaks_off_is_in_doubt() {
        let host = host();
        let script = Script::reading().then(sh("true")).then(sh("true"));
        let rendered = Rendered::new(&host, &script).unwrap();
        let word = &rendered.word;
        let half = format!("\n{word} begun -\n\n{word} 0 0\n");
        assert!(matches!(rendered.read(None, &half, &half), Err(NodeError::InDoubt { .. })));
        for script in [&script, &Script::changing("x")] {
            let rendered = Rendered::new(&host, script).unwrap();
            let locked = rendered.read(Some(LOCKED), "", "");
            assert!(matches!(locked, Err(NodeError::StillAtWork { .. })), "{locked:?}");
            assert!(matches!(rendered.read(None, "", ""), Err(NodeError::InDoubt { .. })));
        }
        let refused = rendered.read(Some(1), "", "sudo: a password is required\n");
        assert!(matches!(refused, Err(NodeError::Failed { status: 1, .. })));
    }
}
