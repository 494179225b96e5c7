//! The README is run: its command blocks, in their order, in a real bash against real servers on
//! simulated nodes, and what it shows of their output is compared.
//!
//! A block is what is indented by four. Lines that begin with `$ ` are commands, and the lines below
//! one are its output; a block without such lines is a script that must succeed. What differs from
//! run to run stands for itself: an id must be an id, and the same one wherever it is used again.
use crate::harness::free_port;
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};
use tempfile::TempDir;

const README: &str = include_str!("../README.md");
const BINARY: &str = env!("CARGO_BIN_EXE_brickyard");

/// Blocks that are not run here, by their first lines, and who runs them.
const ELSEWHERE: [(&str, &str); 5] = [
    ("cargo run -- demo", "process::the_demonstration_serves_a_loaded_topology"),
    ("cargo test", ".ci/run"),
    ("cargo build --release", "Containerfile"),
    (
        "{\"port\": \"8443\", \"enable_tls\": true, \"cert_file\": \"/etc/brickyard/tls/tls.crt\", \"key_file\": \"/etc/brickyard/tls/tls.key\"}",
        "process::tls",
    ),
    (
        "heketi-cli --server https://brickyard.example.com:8443 --tls-cert ca.pem cluster list",
        "process::tls",
    ),
];

/// A block and the heading above it.
struct Block {
    heading: String,
    lines: Vec<String>,
}

fn blocks() -> Vec<Block> {
    let mut blocks: Vec<Block> = vec![];
    let (mut heading, mut open) = (String::new(), false);
    for line in README.lines() {
        if let Some(title) = line.strip_prefix('#') {
            title.trim_start_matches(['#', ' ']).clone_into(&mut heading);
        }
        match line.strip_prefix("    ") {
            Some(code) if open => blocks.last_mut().unwrap().lines.push(code.to_owned()),
            Some(code) => {
                blocks.push(Block { heading: heading.clone(), lines: vec![code.to_owned()] });
            }
            // An empty line within a block is part of it.
            None if line.is_empty() && open => {
                blocks.last_mut().unwrap().lines.push(String::new());
                continue;
            }
            None => {}
        }
        open = line.starts_with("    ");
    }
    for block in &mut blocks {
        without_empty_end(&mut block.lines);
    }
    blocks
}

fn without_empty_end(lines: &mut Vec<String>) {
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
}

/// Commands with the output that is shown; a script is one command without any, unless it stands for
/// many: an `ID` that is to be filled in makes each of its lines one.
fn commands(block: &Block) -> Vec<(String, Vec<String>)> {
    if !block.lines[0].starts_with("$ ") {
        if block.lines.iter().any(|line| is_pattern(line)) {
            return block.lines.iter().map(|line| (line.clone(), vec![])).collect();
        }
        return vec![(block.lines.join("\n"), vec![])];
    }
    let mut commands: Vec<(String, Vec<String>)> = vec![];
    for line in &block.lines {
        match line.strip_prefix("$ ") {
            Some(command) => commands.push((command.to_owned(), vec![])),
            None => commands.last_mut().unwrap().1.push(line.clone()),
        }
    }
    for (_, shown) in &mut commands {
        without_empty_end(shown);
    }
    commands
}

/// Whether the reader has to put an id into it.
fn is_pattern(command: &str) -> bool {
    command.split_whitespace().any(|word| word == "ID")
}

/// A bash that keeps its variables and functions from command to command.
struct Shell {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    /// Ids and hosts of the README, and those that stand for them here.
    known: BTreeMap<String, String>,
}

const MARK: &str = "end of this command: ";

impl Shell {
    fn new(folder: &Path, variables: &[(&str, &str)]) -> Self {
        let path = format!("{}:/usr/bin:/bin", folder.display());
        let mut command = Command::new("bash");
        command.current_dir(folder).env_clear().env("PATH", path).envs(variables.iter().copied());
        let pipe = Stdio::piped;
        let mut process = command.stdin(pipe()).stdout(pipe()).spawn().unwrap();
        let input = process.stdin.take().unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        Self { process, input, output, known: BTreeMap::new() }
    }
    /// Runs it; its standard output and exit status.
    fn run(&mut self, command: &str) -> (Vec<String>, String) {
        let command =
            self.known.iter().fold(command.to_owned(), |c, (old, new)| c.replace(old, new));
        // What it prints may end without a line end.
        writeln!(self.input, "{command}\nprintf '\\n{MARK}%s\\n' $?").unwrap();
        let mut lines = vec![];
        loop {
            let mut line = String::new();
            assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "bash ended: {lines:#?}");
            let line = line.trim_end_matches(['\r', '\n']);
            if let Some(status) = line.strip_prefix(MARK) {
                without_empty_end(&mut lines);
                return (lines, status.to_owned());
            }
            lines.push(line.to_owned());
        }
    }
    /// Runs it until it no longer answers that an operation is going on.
    fn settled(&mut self, command: &str, shown: &[String]) -> (Vec<String>, String) {
        loop {
            let done = self.run(command);
            let pending = |lines: &[String]| lines.iter().any(|line| line == "x-pending: true");
            if pending(shown) || !pending(&done.0) {
                return done;
            }
        }
    }
    /// Fails unless every line is as shown, but for what may differ.
    fn compare(&mut self, command: &str, shown: &[String], printed: &[String]) {
        let all = format!("{command}\nshown: {shown:#?}\nprinted: {printed:#?}");
        assert_eq!(shown.len(), printed.len(), "{all}");
        for (shown, printed) in shown.iter().zip(printed) {
            if shown.starts_with("date: ") && printed.starts_with("date: ") {
                continue;
            }
            let (shown, printed) = (words(shown), words(printed));
            assert_eq!(shown.len(), printed.len(), "{all}");
            for (shown, printed) in shown.into_iter().zip(printed) {
                if varies(&shown) && kind(&shown) == kind(&printed) {
                    let known = self.known.entry(shown).or_insert_with(|| printed.clone());
                    assert_eq!(*known, printed, "another one than before: {all}");
                } else {
                    assert_eq!(shown, printed, "{all}");
                }
            }
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// The line cut at everything that cannot be part of an id or an address.
fn words(line: &str) -> Vec<String> {
    let edge = |c: char| !(c.is_ascii_alphanumeric() || c == '.');
    line.split_inclusive(edge)
        .flat_map(|part| match part.strip_suffix(edge) {
            Some(word) => vec![word.to_owned(), part[word.len()..].to_owned()],
            None => vec![part.to_owned()],
        })
        .collect()
}

/// Ids, and addresses of nodes, whose order is that of their ids.
fn varies(word: &str) -> bool {
    kind(word) != "other"
}

fn kind(word: &str) -> &'static str {
    let address =
        |w: &str| w.split('.').count() == 4 && w.bytes().all(|b| b == b'.' || b.is_ascii_digit());
    match word {
        id if id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()) => "id",
        ip if address(ip) => "address",
        _ => "other",
    }
}

/// A process that has said where it serves.
struct Server(
    Child,
    #[expect(dead_code, reason = "whoever closes it stops the server's words")] Box<dyn BufRead>,
);

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A server that the shell has started: the number of its process is in this file.
struct Background(PathBuf);

impl Drop for Background {
    fn drop(&mut self) {
        if let Ok(pid) = std::fs::read_to_string(&self.0) {
            drop(Command::new("kill").args(["-KILL", pid.trim()]).status());
        }
    }
}

fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["brickyard", "heketi-cli"] {
        std::os::unix::fs::symlink(BINARY, folder.path().join(name)).unwrap();
    }
    folder
}

/// Starts the demonstration of the first commands; the address that it prints.
fn demonstration(folder: &Path) -> (Server, String) {
    let mut command = Command::new(BINARY);
    command.current_dir(folder).env_clear().env("PATH", "/usr/bin:/bin");
    command.args(["demo", "--listen", "127.0.0.1:0"]);
    let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut printed = BufReader::new(process.stdout.take().unwrap());
    let url = loop {
        let mut line = String::new();
        if printed.read_line(&mut line).unwrap() == 0 {
            process.wait().unwrap();
            panic!("the demonstration ended");
        }
        if let Some(rest) = line.strip_prefix("Brickyard serves on ") {
            break rest.split(": ").next().unwrap().to_owned();
        }
    };
    (Server(process, Box::new(printed)), url)
}

/// Whether the programs that the README calls are on this machine.
fn tools_are_here() -> bool {
    let missing = |tool: &&str| Command::new(tool).arg("--version").output().is_err();
    let missing: Vec<&str> = ["bash", "curl", "openssl"].into_iter().filter(missing).collect();
    assert!(
        missing.is_empty() || std::env::var_os("CI").is_none(),
        "this machine lacks {missing:?}"
    );
    missing.is_empty()
}

fn run_blocks(
    shell: &mut Shell,
    wanted: impl Fn(&str) -> bool,
    change: impl Fn(&str) -> String,
) -> usize {
    let mut run = 0;
    for block in blocks().iter().filter(|b| wanted(&b.heading)) {
        if ELSEWHERE.iter().any(|(command, _)| block.lines[0] == *command) {
            continue;
        }
        for (command, shown) in commands(block) {
            let command = change(&command);
            if is_pattern(&command) {
                unknown_to_the_server(shell, &command);
                run += 1;
                continue;
            }
            let (printed, status) = shell.settled(&command, &shown);
            assert_eq!(status, "0", "{command}\n{printed:#?}");
            if !shown.is_empty() {
                shell.compare(&command, &shown, &printed);
            }
            run += 1;
        }
    }
    run
}

/// With an id of nothing the command gets as far as the server, which says so.
fn unknown_to_the_server(shell: &mut Shell, command: &str) {
    let id = "0".repeat(32);
    let command = command.split('#').next().unwrap_or_default().replace(" ID", &format!(" {id}"));
    let (printed, status) = shell.run(&format!("{command} 2>&1"));
    let refused = printed.iter().any(|line| line.starts_with("Error: Id not found"));
    assert!(refused && status == "255", "{command}: {status} {printed:?}");
}

#[test]
fn what_it_says_to_try_can_be_tried() {
    if !tools_are_here() {
        return;
    }
    let folder = folder();
    let (_server, url) = demonstration(folder.path());
    let mut shell = Shell::new(folder.path(), &[("HEKETI_CLI_SERVER", &url)]);
    let change = |command: &str| {
        let here = command.replace("target/debug/brickyard", BINARY);
        here.replace("http://127.0.0.1:8080", &url)
    };
    let run = run_blocks(&mut shell, |heading| heading == "Try it", change);
    assert!(run >= 3, "{run}");
}

#[test]
fn a_server_with_keys_does_what_it_says() {
    if !tools_are_here() {
        return;
    }
    let folder = folder();
    let topology = concat!(env!("CARGO_MANIFEST_DIR"), "/topology-examples/three-zones.json");
    std::fs::copy(topology, folder.path().join("topology.json")).unwrap();
    let url = format!("http://127.0.0.1:{}", free_port());
    let listen = url.trim_start_matches("http://").to_owned();
    // The one difference: nodes are simulated, and the server is another job of the shell.
    let mut shell = Shell::new(folder.path(), &[("HEKETI_EXECUTOR", "sim")]);
    let _ends = Background(folder.path().join("server.pid"));
    let change = |command: &str| {
        let wait = format!("until curl -s {url}/hello >/dev/null; do sleep 0.1; done");
        let serve =
            format!("brickyard serve --listen {listen} 2>log &\necho $! >server.pid\n{wait}");
        let command = command.replace("brickyard serve", &serve);
        command.replace("http://localhost:8080", &url)
    };
    let run = run_blocks(&mut shell, |heading| heading != "Try it", change);
    assert!(run >= 10, "{run}");
}

#[test]
fn every_block_is_run_somewhere() {
    let blocks = blocks();
    for (command, _) in ELSEWHERE {
        assert!(blocks.iter().any(|b| b.lines[0] == command), "{command} is no longer there");
    }
    let shown = blocks.iter().flat_map(commands).filter(|(_, shown)| !shown.is_empty()).count();
    assert!(shown >= 6, "{shown} commands are shown with their output");
}
