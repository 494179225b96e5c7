//! The real binary as a process: how it starts, how it refuses to, how it ends.
mod adopt;
mod container;
mod health;
mod logging;
mod tls;

use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, Output, Stdio},
};
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_brickyard");

/// A command without anything of this machine's environment that it would listen to.
fn brickyard(folder: &Path) -> Command {
    let mut command = Command::new(BINARY);
    command.current_dir(folder).env_clear().env("PATH", "/usr/bin:/bin");
    command
}
fn run(folder: &Path, arguments: &[&str]) -> Output {
    brickyard(folder).args(arguments).output().unwrap()
}
fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

const SERVE: [&str; 5] = ["serve", "--executor", "sim", "--listen", "127.0.0.1:0"];

/// A server on simulated nodes that has said where it listens.
struct Running {
    process: Child,
    /// What it logged before it said where it listens.
    begun: String,
    log: Box<dyn BufRead + Send>,
    url: String,
}

impl Running {
    fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut command = brickyard(folder);
        command.args(SERVE).args(arguments);
        Self::spawn(command)
    }
    fn spawn(mut command: Command) -> Self {
        let mut process = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap());
        let (mut begun, mut line) = (String::new(), String::new());
        let address = loop {
            begun += &line;
            line.clear();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "the server ended");
            if let Some((_, rest)) = line.split_once("address=") {
                break rest.split_whitespace().next().unwrap().to_owned();
            }
        };
        let protocol = if line.contains("protocol=\"https\"") { "https" } else { "http" };
        Self { process, begun, log: Box::new(log), url: format!("{protocol}://{address}") }
    }
    /// The same for a server that logs nothing when it serves, once it answers at this address.
    fn spawn_at(mut command: Command, address: &str) -> Self {
        let mut process = command.stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(process.stderr.take().unwrap());
        let (begun, url) = (String::new(), format!("http://{address}"));
        let mut server = Self { process, begun, log: Box::new(log), url };
        while std::net::TcpStream::connect(address).is_err() {
            assert!(server.process.try_wait().unwrap().is_none(), "the server ended");
            std::thread::yield_now();
        }
        server
    }
    /// Reads the log in a thread of its own, to its end: a server that has more to say than fits
    /// into a pipe would wait for somebody to listen.
    fn drain(&mut self) -> std::thread::JoinHandle<String> {
        let mut log = std::mem::replace(&mut self.log, Box::new(std::io::empty()));
        std::thread::spawn(move || {
            let mut text = String::new();
            log.read_to_string(&mut text).unwrap();
            text
        })
    }
    /// Reads the log up to the next line with these words; the lines, that one included.
    fn log_until(&mut self, words: &str) -> String {
        let mut text = String::new();
        loop {
            let before = text.len();
            assert_ne!(self.log.read_line(&mut text).unwrap(), 0, "no {words} in {text}");
            if text[before..].contains(words) {
                return text;
            }
        }
    }
    fn cli(&self, arguments: &[&str]) -> Output {
        Command::new(BINARY).args(["cli", "--server", &self.url]).args(arguments).output().unwrap()
    }
    fn signal(&self, name: &str) {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }
    /// Ends it in order; the rest of its log.
    fn end(mut self) -> String {
        self.signal("-TERM");
        assert!(self.process.wait().unwrap().success());
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).unwrap();
        rest
    }
}
impl Drop for Running {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn commands_in_pods_need_an_api_server() {
    let folder = folder();
    let serve = ["serve", "--disable-auth", "--executor", "kubernetes"];
    let output = run(folder.path(), &serve);
    assert!(!output.status.success());
    let told = stderr(&output);
    assert!(told.contains("KUBERNETES_SERVICE_HOST is not set"), "{told}");
    let nowhere = folder.path().join("config");
    let output = brickyard(folder.path()).args(serve).env("KUBECONFIG", &nowhere).output().unwrap();
    assert!(!output.status.success());
    let told = stderr(&output);
    assert!(told.contains(nowhere.to_str().unwrap()), "{told}");
}

#[test]
fn without_keys_it_does_not_start_and_says_what_to_set() {
    let folder = folder();
    let refused = run(folder.path(), &["serve"]);
    assert_eq!(refused.status.code(), Some(1));
    let text = stderr(&refused);
    assert!(text.contains("HEKETI_ADMIN_KEY") && text.contains("--disable-auth"), "{text}");
    assert!(!folder.path().join("brickyard.db").exists(), "nothing was made");
}

#[test]
fn a_wrong_key_of_the_file_is_named() {
    let folder = folder();
    std::fs::write(folder.path().join("heketi.json"), r#"{"glusterfs": {"executor": 5}}"#).unwrap();
    let refused = run(folder.path(), &["serve", "--config", "heketi.json"]);
    assert!(stderr(&refused).contains("glusterfs.executor"), "{}", stderr(&refused));
}

#[test]
fn authentication_off_is_a_warning() {
    let folder = folder();
    let mut command = brickyard(folder.path());
    command.args(["serve", "--executor", "sim", "--listen", "127.0.0.1:0", "--disable-auth"]);
    let mut process = command.stderr(Stdio::piped()).spawn().unwrap();
    let log = BufReader::new(process.stderr.take().unwrap());
    let warned =
        log.lines().map_while(Result::ok).find(|line| line.contains("authentication is off"));
    assert!(warned.unwrap().contains("WARN"));
    process.kill().unwrap();
    process.wait().unwrap();
}

#[test]
fn sigterm_ends_it_and_what_it_knew_is_there_again() {
    let folder = folder();
    let server = Running::start(folder.path(), &["--disable-auth"]);
    let cluster = server.cli(&["--json", "cluster", "create"]);
    assert!(cluster.status.success(), "{}", stderr(&cluster));
    let known = server.cli(&["cluster", "list"]).stdout;
    assert!(server.end().contains("ended"));
    let again = Running::start(folder.path(), &["--disable-auth"]);
    assert_eq!(again.cli(&["cluster", "list"]).stdout, known);
    again.end();
}

#[test]
fn a_second_server_on_the_same_database_is_refused() {
    let folder = folder();
    let first = Running::start(folder.path(), &["--disable-auth"]);
    let arguments = ["serve", "--executor", "sim", "--listen", "127.0.0.1:0", "--disable-auth"];
    let second = run(folder.path(), &arguments);
    assert_eq!(second.status.code(), Some(1));
    assert!(stderr(&second).contains("in use by another server"), "{}", stderr(&second));
    first.end();
}

/// A real full disk: the database lies on a small file system of its own, which somebody fills.
#[test]
fn a_full_disk_refuses_changes_and_loses_nothing() {
    let folder = folder();
    let disk = folder.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    // A name space of its own, so that nobody need be root and nothing is left behind.
    let inside = "mount -t tmpfs -o size=2m tmpfs \"$1\" && shift && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.current_dir(folder.path()).env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin");
    command.args(["--map-root-user", "--mount", "sh", "-c", inside, "sh"]).arg(&disk).arg(BINARY);
    let database = disk.join("brickyard.db");
    command.args(SERVE).args(["--disable-auth", "--database"]).arg(&database);
    let allowed = Command::new("unshare").args(["--map-root-user", "--mount", "true"]).output();
    if !allowed.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: this machine does not let a process have mounts of its own");
        return;
    }
    let server = Running::spawn(command);
    let clusters = || String::from_utf8(server.cli(&["cluster", "list"]).stdout).unwrap();
    assert!(server.cli(&["cluster", "create"]).status.success());
    let filler = format!("/proc/{}/root{}/filler", server.process.id(), disk.display());
    let mut file = std::fs::File::create(&filler).unwrap();
    while std::io::Write::write_all(&mut file, &[0; 4096]).is_ok() {}
    // What the log of the database has in hand is used up first.
    let mut made = 1;
    let refused = loop {
        let output = server.cli(&["cluster", "create"]);
        if !output.status.success() {
            break stderr(&output);
        }
        made += 1;
        assert!(made < 1000, "the disk is not full");
    };
    assert!(refused.contains("database or disk is full (free some space"), "{refused}");
    assert_eq!(clusters().matches("Id:").count(), made, "reads go on, and tell the truth");
    drop(file);
    std::fs::remove_file(&filler).unwrap();
    let again = server.cli(&["cluster", "create"]);
    assert!(again.status.success(), "there is space again: {}", stderr(&again));
    assert_eq!(clusters().matches("Id:").count(), made + 1);
    server.end();
}

#[test]
fn a_damaged_database_is_read_and_every_change_is_refused() {
    let folder = folder();
    let server = Running::start(folder.path(), &["--disable-auth"]);
    assert!(server.cli(&["cluster", "create"]).status.success());
    let known = server.cli(&["cluster", "list"]).stdout;
    server.end();
    let path = folder.path().join("brickyard.db");
    // An index that is not asked for here.
    let at = root_of(&path, "operations_stuck");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[at..at + 16].fill(0xA5);
    std::fs::write(&path, bytes).unwrap();
    let server = Running::start(folder.path(), &["--disable-auth"]);
    assert_eq!(server.cli(&["cluster", "list"]).stdout, known);
    let refused = stderr(&server.cli(&["cluster", "create"]));
    assert!(refused.contains("is read-only: it is damaged"), "{refused}");
    server.end();
}

/// Where in the file the first page of a table or index begins.
fn root_of(database: &Path, name: &str) -> usize {
    use sqlx::Connection;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(database);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let asked = runtime.block_on(async {
        let mut db = sqlx::SqliteConnection::connect_with(&options).await?;
        let root = sqlx::query_scalar("SELECT rootpage FROM sqlite_schema WHERE name = ?");
        let root: i64 = root.bind(name).fetch_one(&mut db).await?;
        let size: i64 = sqlx::query_scalar("PRAGMA page_size").fetch_one(&mut db).await?;
        db.close().await?;
        Ok::<_, sqlx::Error>((root - 1) * size)
    });
    usize::try_from(asked.unwrap()).unwrap()
}

#[test]
fn a_heketi_database_is_neither_hidden_nor_touched() {
    let folder = folder();
    let old = folder.path().join("heketi.db");
    std::fs::write(&old, "what Heketi knew").unwrap();
    let arguments = ["serve", "--executor", "sim", "--listen", "127.0.0.1:0", "--disable-auth"];
    let refused = run(folder.path(), &arguments);
    assert_eq!(refused.status.code(), Some(1));
    let text = stderr(&refused);
    assert!(text.contains("heketi.db is the database of a Heketi estate, and was not"), "{text}");
    assert!(text.contains("neither a database of Heketi"), "{text}");
    assert_eq!(std::fs::read_to_string(&old).unwrap(), "what Heketi knew");
    let named = ["--disable-auth", "--database", "new/brickyard.db"];
    Running::start(folder.path(), &named).end();
}

#[test]
fn sigusr2_leaves_read_only_mode() {
    let folder = folder();
    let server = Running::start(folder.path(), &["--disable-auth"]);
    assert!(server.cli(&["server", "mode", "set", "read-only"]).status.success());
    assert!(!server.cli(&["cluster", "create"]).status.success());
    assert!(!server.cli(&["server", "mode", "set", "normal"]).status.success());
    server.signal("-USR2");
    let normal = || server.cli(&["server", "mode", "get"]).stdout == b"normal\n";
    while !normal() {
        std::thread::yield_now();
    }
    assert!(server.cli(&["cluster", "create"]).status.success());
    server.end();
}

/// By the name of Heketi's server the binary takes Heketi's flags.
#[test]
fn it_answers_to_heketis_names() {
    let folder = folder();
    for (name, argument, wanted) in
        [("heketi", "--version", "Brickyard"), ("heketi-cli", "--version", "heketi-cli")]
    {
        let link = folder.path().join(name);
        std::os::unix::fs::symlink(BINARY, &link).unwrap();
        let output = Command::new(&link).arg(argument).output().unwrap();
        assert!(output.status.success());
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.starts_with(wanted), "{name}: {text}");
    }
}

/// The first command of the README.
#[test]
fn the_demonstration_serves_a_loaded_topology_and_says_what_to_try() {
    let folder = folder();
    let mut command = brickyard(folder.path());
    let mut process =
        command.args(["demo", "--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn().unwrap();
    let printed = BufReader::new(process.stdout.take().unwrap());
    let lines: Vec<String> = printed
        .lines()
        .map_while(Result::ok)
        .take_while(|line| !line.contains("Ctrl-C ends the server"))
        .collect();
    let text = lines.join("\n");
    assert_eq!(text.matches("Adding device").count(), 6, "{text}");
    let calls: Vec<&str> = lines
        .iter()
        .map(|line| line.trim())
        .filter(|line| line.contains("http://127.0.0.1:"))
        .collect();
    let call = calls.iter().find(|line| line.contains("volume create")).unwrap();
    let mut words = call.split_whitespace();
    let created = Command::new(words.next().unwrap()).args(words).output().unwrap();
    assert!(created.status.success(), "{call}: {}", stderr(&created));
    assert!(calls.iter().any(|line| line.starts_with("curl http://127.0.0.1:")), "{text}");
    let pid = process.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    assert!(process.wait().unwrap().success());
}

/// The script is run by a real bash: below the first word as well.
#[test]
fn bash_completes_below_the_first_word() {
    let folder = folder();
    let script = run(folder.path(), &["cli", "completion", "bash"]).stdout;
    std::fs::write(folder.path().join("completion"), script).unwrap();
    for (words, wanted) in [("volume cr", "create"), ("volume create --dur", "--durability")] {
        let words: Vec<&str> = words.split(' ').collect();
        let ask = "source ./completion; COMP_WORDS=(heketi-cli \"$@\"); COMP_CWORD=$#; \
                   _heketi__cli heketi-cli \"${!#}\" ''; printf '%s\\n' \"${COMPREPLY[@]}\"";
        let mut bash = Command::new("bash");
        let output = bash
            .current_dir(folder.path())
            .args(["-c", ask, "bash"])
            .args(&words)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.lines().any(|line| line == wanted), "{words:?}: {text} {}", stderr(&output));
    }
}

/// `db_read_only`: what is there is told, everything else is refused, and nothing is written.
#[test]
fn a_database_that_is_only_to_be_read() {
    let folder = folder();
    let server = Running::start(folder.path(), &["--disable-auth"]);
    assert!(server.cli(&["cluster", "create"]).status.success());
    let known = server.cli(&["cluster", "list"]).stdout;
    server.end();
    let path = folder.path().join("brickyard.db");
    let before = std::fs::read(&path).unwrap();
    std::fs::write(folder.path().join("h.json"), r#"{"glusterfs": {"db_read_only": true}}"#)
        .unwrap();
    let server = Running::start(folder.path(), &["--disable-auth", "--config", "h.json"]);
    assert_eq!(server.cli(&["cluster", "list"]).stdout, known);
    let refused = stderr(&server.cli(&["cluster", "create"]));
    assert!(refused.contains("is read-only: db_read_only is set"), "{refused}");
    server.end();
    assert_eq!(std::fs::read(&path).unwrap(), before, "it was written to");
}
