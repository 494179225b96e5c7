//! The command line against a scripted server, compared with what heketi-cli printed.
mod argv;
mod backup;
mod binary;
mod block_volume;
mod check;
mod database_storage;
mod golden;
mod health;
mod json;
mod protocol;
mod scripted;
mod tls;
mod topology;
mod topology_file;
mod usage;
mod volume;

use brickyard::cli::{Clock, Console};
use scripted::Server;
use serde::Deserialize;
use std::{
    cell::RefCell,
    ffi::OsString,
    io::{self, Write},
    path::PathBuf,
    rc::Rc,
    time::Duration,
};

/// One run of heketi-cli against Heketi 10.
#[derive(Debug, Deserialize)]
struct Transcript {
    argv: Vec<String>,
    exit: u8,
    stdout: String,
    stderr: String,
}

fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/heketi").join(name)
}

fn transcripts() -> Vec<Transcript> {
    let text = std::fs::read_to_string(data("cli-transcripts.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The run with exactly these words after the program's name.
fn transcript(words: &str) -> Transcript {
    let mut all = transcripts().into_iter();
    all.find(|t| t.argv[1..].join(" ") == words).unwrap_or_else(|| panic!("no {words}"))
}

/// What a run left behind.
#[derive(Debug, PartialEq, Eq)]
struct Run {
    code: u8,
    out: String,
    err: String,
}

impl Run {
    /// A success with this output and nothing on stderr.
    fn ok(out: &str) -> Self {
        Self { code: 0, out: out.to_owned(), err: String::new() }
    }
    /// A failure with this error and nothing on stdout.
    fn error(text: &str) -> Self {
        Self { code: 255, out: String::new(), err: format!("Error: {text}\n") }
    }
}

#[derive(Clone, Default)]
struct Buffer(Rc<RefCell<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Buffer {
    fn text(&self) -> String {
        String::from_utf8(self.0.borrow().clone()).unwrap()
    }
}

/// Runs the command line in this process, a thousand times faster than the clock.
async fn run(words: &[&str]) -> Run {
    let (out, err) = (Buffer::default(), Buffer::default());
    let console = Console::new(Box::new(out.clone()), Box::new(err.clone()));
    let argv = std::iter::once("heketi-cli").chain(words.iter().copied()).map(OsString::from);
    let clock = Clock { second: Duration::from_millis(1) };
    let code = brickyard::cli::run(argv, &console, clock).await;
    Run { code, out: out.text(), err: err.text() }
}

/// The same against a server.
async fn cli(server: &Server, words: &[&str]) -> Run {
    let to = format!("--server={}", server.url);
    let mut all = vec![to.as_str(), "--user=admin", "--secret=sesame"];
    all.extend(words);
    run(&all).await
}

/// The error of a command that never gets as far as the server.
async fn run_error(words: &str) -> String {
    let run = run(&words.split(' ').collect::<Vec<_>>()).await;
    assert_eq!((run.code, run.out.as_str()), (255, ""), "{words}");
    run.err
}
