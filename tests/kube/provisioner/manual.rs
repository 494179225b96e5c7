//! Does what docs/KUBERNETES.md says, in a bash, with `kubectl`, and compares what it shows.
use crate::server::{BINARY, Server};
use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::process::Command;

const DOCUMENT: &str = include_str!("../../../docs/KUBERNETES.md");
const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const WAY: &str = "From nothing to a bound claim";
/// Needs a pod.
const NOT_HERE: &str = "kubectl rollout status deployment/brickyard";
/// As the manifests and the document have it.
const SERVERS: [&str; 2] = ["http://brickyard.example.com:8080", "http://localhost:8080"];
const MARK: &str = "end of command: ";
const PATIENCE: Duration = Duration::from_mins(3);

/// A place for a person to work in: manifests with the right `resturl`, a topology, programs.
pub struct Desk {
    folder: PathBuf,
    assets: PathBuf,
    kubeconfig: PathBuf,
    url: String,
}

impl Desk {
    pub fn new(server: &Server, name: &str, assets: &Path, kubeconfig: PathBuf) -> Self {
        let folder = server.folder().join(name);
        for part in ["bin", ".ssh"] {
            fs::create_dir_all(folder.join(part)).unwrap();
        }
        symlink(BINARY, folder.join("bin/brickyard")).unwrap();
        // Only an API server and no node will ever see it.
        fs::write(folder.join(".ssh/id_rsa"), "a key").unwrap();
        let topology = Path::new(ROOT).join("topology-examples/three-zones.json");
        fs::copy(topology, folder.join("topology.json")).unwrap();
        manifests(&Path::new(ROOT).join("k8s"), &folder.join("k8s"), &server.url());
        Self { folder, assets: assets.into(), kubeconfig, url: server.url() }
    }
    /// Names of the manifests that begin like this.
    pub fn manifests(&self, start: &str) -> Vec<String> {
        let files = fs::read_dir(self.folder.join("k8s")).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with(start)).collect()
    }

    /// Runs it from its first line to its last; what it prints. It must succeed.
    pub async fn run(&self, script: &str, keys: [&str; 2]) -> String {
        let path = format!("{}/bin:{}:/usr/bin:/bin", self.folder.display(), self.assets.display());
        let mut command = Command::new("bash");
        command.args(["-euo", "pipefail", "-c", script]).current_dir(&self.folder).env_clear();
        command.env("PATH", path).env("HOME", &self.folder).env("KUBECONFIG", &self.kubeconfig);
        command.env("HEKETI_ADMIN_KEY", keys[0]).env("HEKETI_USER_KEY", keys[1]);
        command.stdin(Stdio::null()).kill_on_drop(true);
        let done = tokio::time::timeout(PATIENCE, command.output());
        let done = done.await.unwrap_or_else(|_| panic!("not within {PATIENCE:?}: {script}"));
        let done = done.unwrap();
        let printed = String::from_utf8_lossy(&done.stdout).into_owned();
        let complaint = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{script}\n{printed}\n{complaint}");
        printed
    }

    /// Runs the whole way to a claim; how many commands it has.
    pub async fn follow(&self, keys: [&str; 2]) -> usize {
        let mut commands = commands(WAY);
        let all = commands.len();
        commands.retain(|(command, _)| !command.starts_with(NOT_HERE));
        assert_eq!(commands.len(), all - 1, "the document has another way to the server");
        let mut script = String::new();
        for (command, _) in &commands {
            script.extend([command, "\necho '", MARK, "'\n"]);
        }
        let printed = self.run(&script.replace(SERVERS[1], &self.url), keys).await;
        let mark = format!("{MARK}\n");
        let mut outputs = printed.split(&mark);
        for (command, shown) in &commands {
            let output = outputs.next().unwrap_or_default();
            if let Some(shown) = shown {
                assert_eq!(without_ids(shown), without_ids(output), "{command}");
            }
        }
        commands.len()
    }
}

/// Copies what is there, with the address of this server in it.
fn manifests(from: &Path, to: &Path, url: &str) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap().map(|file| file.unwrap().path()) {
        let copy = to.join(file.file_name().unwrap());
        if file.is_dir() {
            manifests(&file, &copy, url);
        } else if file.extension().is_some_and(|e| e == "yaml") {
            fs::write(copy, fs::read_to_string(&file).unwrap().replace(SERVERS[0], url)).unwrap();
        }
    }
}

/// The commands of a section that shows no output; there are just so many.
pub fn scripts<const N: usize>(section: &str) -> [String; N] {
    let scripts: Vec<_> = commands(section).into_iter().map(|(script, _)| script).collect();
    scripts.try_into().unwrap_or_else(|found| panic!("{section}: {found:?}"))
}

/// Each command of a section, with the output that is shown.
fn commands(section: &str) -> Vec<(String, Option<String>)> {
    let mut sections = DOCUMENT.split("\n## ");
    let section = sections.find(|text| text.lines().next() == Some(section)).unwrap();
    let mut commands: Vec<(String, Option<String>)> = vec![];
    let mut inside = false;
    for line in section.lines() {
        let Some(code) = line.strip_prefix("    ") else {
            inside = false;
            continue;
        };
        match (code.strip_prefix("$ "), commands.last_mut().filter(|_| inside)) {
            (Some(command), _) => commands.push((command.to_owned(), Some(String::new()))),
            (None, Some((_, Some(shown)))) => shown.extend([code, "\n"]),
            (None, Some((script, None))) => script.extend(["\n", code]),
            (None, None) => commands.push((code.to_owned(), None)),
        }
        inside = true;
    }
    commands
}

fn without_ids(text: &str) -> String {
    let edge = |c: char| !c.is_ascii_alphanumeric();
    let is_id = |word: &str| word.len() == 32 && word.bytes().all(|b| b.is_ascii_hexdigit());
    let mut masked = String::new();
    for part in text.split_inclusive(edge) {
        let word = part.trim_end_matches(edge);
        masked += &if is_id(word) { part.replace(word, "ID") } else { part.to_owned() };
    }
    masked
}
