//! Real nodes over SSH: one multiplexed connection a host, a session for each script.
//!
//! The system's `ssh` does keys, known hosts and ciphers, so administrators can use what they
//! know; the control socket saves a process and a handshake for each script.
use super::{
    Laps, NodeError, Ran, Remote, Result, Script,
    hear::{self, Deaf, GRACE},
    lanes::Lanes,
    link::Link,
    render,
};
use crate::{domain::Hostname, error::chain};
use async_trait::async_trait;
use openssh::{ControlPersist, KnownHosts, Session, SessionBuilder, Stdio};
use std::{
    collections::HashMap,
    fs, io,
    num::NonZeroUsize,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tempfile::TempDir;

/// A connection nobody uses is closed after ten minutes, also when this process was killed.
const IDLE: NonZeroUsize = NonZeroUsize::new(600).unwrap();

/// How much a node must prove before it is trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostKeys {
    /// Only keys that stand in these files.
    Strict(Vec<PathBuf>),
    /// The key seen first is remembered in this file; another one later is refused.
    AcceptNew(PathBuf),
    /// Any key, as Heketi without `SSH_KNOWN_HOSTS`.
    AcceptAny,
}

/// How nodes are reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Private key without passphrase; the user's own keys and agent when none is given.
    pub key_file: Option<PathBuf>,
    /// User on the nodes.
    pub user: String,
    /// Port of sshd.
    pub port: u16,
    /// The user is not root: scripts run under `sudo -n`.
    pub sudo: bool,
    /// Which host keys are trusted.
    pub host_keys: HostKeys,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// A silent connection is asked for a sign of life this often, and given up after three.
    pub keepalive: Duration,
}

/// Nodes over SSH.
pub struct Ssh {
    settings: Settings,
    hosts: Mutex<HashMap<Hostname, Arc<Host>>>,
    /// Control sockets and a private copy of the key.
    directory: TempDir,
}

#[derive(Default)]
struct Host {
    lanes: Lanes,
    session: Link<Arc<Session>>,
}

impl Ssh {
    /// Nothing is connected yet.
    ///
    /// # Errors
    /// The key cannot be read, or there is no room for control sockets.
    pub fn new(settings: Settings) -> io::Result<Self> {
        let temporary = std::env::temp_dir();
        let directory = tempfile::Builder::new().prefix("brickyard-").tempdir_in(&temporary);
        let directory = directory.map_err(|e| {
            let advice = "control sockets of ssh need a folder that can be written: set TMPDIR to \
                 one, or mount one there";
            io::Error::new(e.kind(), format!("{}: {e}; {advice}", temporary.display()))
        })?;
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o700))?;
        let ssh = Self { settings, hosts: Mutex::default(), directory };
        ssh.copy_key()?;
        Ok(ssh)
    }

    /// A private copy: keys from a Kubernetes Secret are readable for a group, which ssh refuses.
    fn copy_key(&self) -> io::Result<Option<PathBuf>> {
        let Some(original) = &self.settings.key_file else {
            return Ok(None);
        };
        let named = |e: io::Error| io::Error::new(e.kind(), format!("{}: {e}", original.display()));
        let key = fs::read(original).map_err(named)?;
        let copy = self.directory.path().join("key");
        // Several hosts are dialled at once: each sees a whole key, the old or the new one.
        let mut fresh = tempfile::Builder::new()
            .permissions(fs::Permissions::from_mode(0o600))
            .tempfile_in(self.directory.path())?;
        io::Write::write_all(&mut fresh, &key)?;
        fresh.persist(&copy)?;
        Ok(Some(copy))
    }

    fn host(&self, name: &Hostname) -> Arc<Host> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.entry(name.clone()).or_default().clone()
    }

    async fn connect(&self, host: &Hostname) -> Result<Session> {
        let unreachable = |why: String| NodeError::Unreachable { host: host.clone(), why };
        let key = self.copy_key().map_err(|e| unreachable(format!("ssh key: {e}")))?;
        let mut builder = SessionBuilder::default();
        builder
            .user(self.settings.user.clone())
            .port(self.settings.port)
            .connect_timeout(self.settings.connect_timeout)
            .server_alive_interval(self.settings.keepalive)
            .control_directory(self.directory.path())
            .control_persist(ControlPersist::IdleFor(IDLE));
        if let Some(key) = key {
            builder.keyfile(key);
        }
        match &self.settings.host_keys {
            HostKeys::Strict(files) => {
                // ssh takes several files in one option, separated by blanks.
                let files: Vec<_> = files.iter().map(|f| f.display().to_string()).collect();
                builder.known_hosts_check(KnownHosts::Strict);
                builder.user_known_hosts_file(files.join(" "));
            }
            HostKeys::AcceptNew(file) => {
                builder.known_hosts_check(KnownHosts::Add).user_known_hosts_file(file);
            }
            HostKeys::AcceptAny => {
                builder.known_hosts_check(KnownHosts::Accept);
                builder.user_known_hosts_file(Path::new("/dev/null"));
            }
        }
        // ssh's own limit covers the connection, not a server that accepts and then stays silent.
        let limit = self.settings.connect_timeout * 2;
        match tokio::time::timeout(limit, builder.connect_mux(host.as_str())).await {
            Ok(Ok(session)) => Ok(session),
            Ok(Err(error)) => Err(unreachable(self.explain(host, &error))),
            Err(_) => Err(unreachable(format!("no answer within {} s", limit.as_secs()))),
        }
    }

    /// ssh's words, and what a person can do about the usual ones.
    fn explain(&self, host: &Hostname, error: &openssh::Error) -> String {
        let words = chain(error);
        let Settings { user, port, .. } = &self.settings;
        let hint = if words.contains("Host key verification failed") {
            match &self.settings.host_keys {
                HostKeys::AcceptNew(file) => format!(
                    "the node shows another host key than before; if it was set up anew, remove its \
                     line with `ssh-keygen -R '{host}' -f {}`",
                    file.display()
                ),
                _ => "its host key is not in the files of SSH_KNOWN_HOSTS".into(),
            }
        } else if words.contains("Permission denied") {
            format!("is the public key of the key file in {user}'s authorized_keys there?")
        } else if words.contains("refused") {
            format!("is sshd running on port {port}?")
        } else {
            return format!("ssh {user}@{host}: {words}");
        };
        format!("ssh {user}@{host}: {words} ({hint})")
    }

    /// The open connection, or a new one.
    async fn session(&self, name: &Hostname, host: &Host) -> Result<Arc<Session>> {
        host.session.kept(async || self.connect(name).await.map(Arc::new)).await
    }

    async fn forget(host: &Host, broken: &Arc<Session>) {
        host.session.forget(|session| Arc::ptr_eq(session, broken)).await;
    }

    /// Starts the script. A connection that turns out to be dead is made anew, once: nothing was
    /// started over it, and scripts may be repeated anyway.
    async fn start(
        &self,
        name: &Hostname,
        host: &Host,
        text: &str,
    ) -> Result<(Arc<Session>, openssh::Child<Arc<Session>>)> {
        let mut fresh = false;
        loop {
            let session = self.session(name, host).await?;
            let shell = if self.settings.sudo { "sudo" } else { "/bin/sh" };
            let mut command = session.clone().arc_command(shell);
            if self.settings.sudo {
                command.args(["-n", "--", "/bin/sh"]);
            }
            command.args(["-c", text]);
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
            match command.spawn().await {
                Ok(child) => return Ok((session, child)),
                Err(error) => {
                    Self::forget(host, &session).await;
                    if fresh {
                        let why = format!("ssh session: {}", chain(&error));
                        return Err(NodeError::Unreachable { host: name.clone(), why });
                    }
                    fresh = true;
                }
            }
        }
    }
}

#[async_trait]
impl Remote for Ssh {
    async fn run(&self, name: &Hostname, script: &Script) -> Result<Vec<Ran>> {
        self.run_timed(name, script, &Laps::default()).await
    }

    async fn run_timed(&self, name: &Hostname, script: &Script, laps: &Laps) -> Result<Vec<Ran>> {
        let host = self.host(name);
        let rendered = render::Rendered::new(name, script)?;
        let _place = host.lanes.enter(script.lane).await?;
        let (session, child) = self.start(name, &host, &rendered.text).await?;
        match hear(child, script, rendered.marks(laps)).await {
            Ok((said, status)) => said.read(&rendered, status),
            // The library turns status 127 into an error: no shell, or no sudo on the node.
            Err(Lost::Ended(openssh::Error::Remote(error))) => Err(NodeError::Failed {
                host: name.clone(),
                command: if self.settings.sudo { "sudo -n -- /bin/sh" } else { "/bin/sh" }.into(),
                status: 127,
                stderr: error.to_string(),
            }),
            Err(Lost::Ended(error)) => {
                Self::forget(&host, &session).await;
                let why = format!("connection lost: {}", chain(&error));
                Err(Deaf::Broken(why).told(name, script))
            }
            Err(Lost::Deaf(deaf)) => {
                if !matches!(deaf, Deaf::TooMuch) {
                    Self::forget(&host, &session).await;
                }
                Err(deaf.told(name, script))
            }
        }
    }

    async fn reach(&self, name: &Hostname) -> Result<()> {
        self.session(name, &self.host(name)).await.map(drop)
    }
}

/// Why the end of a script was not heard.
enum Lost {
    /// ssh itself failed.
    Ended(openssh::Error),
    /// Nothing was heard from the node.
    Deaf(Deaf),
}

/// Listens until the script ends; what it said, and its exit status.
async fn hear(
    mut child: openssh::Child<Arc<Session>>,
    script: &Script,
    marks: render::Marks<'_>,
) -> Result<(hear::Said, Option<i32>), Lost> {
    let (stdout, stderr) = (child.stdout().take(), child.stderr().take());
    let said = hear::listen(stdout, stderr, script, marks).await.map_err(Lost::Deaf)?;
    let ended = tokio::time::timeout(GRACE, child.wait()).await;
    let ended = ended.map_err(|_| Lost::Deaf(Deaf::Silent(GRACE)))?;
    Ok((said, ended.map_err(Lost::Ended)?.code()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Found on real nodes: one dial took the half-made copy of another away.
    #[test]
    fn dials_side_by_side_all_have_the_key() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("id");
        fs::write(&file, "key ".repeat(500)).unwrap();
        let ssh = Ssh::new(Settings {
            key_file: Some(file.clone()),
            user: "root".into(),
            port: 22,
            sudo: false,
            host_keys: HostKeys::AcceptAny,
            connect_timeout: Duration::from_secs(1),
            keepalive: Duration::from_secs(1),
        });
        let ssh = ssh.unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let copy = ssh.copy_key().unwrap().unwrap();
                        assert_eq!(fs::read(&copy).unwrap(), fs::read(&file).unwrap());
                        let mode = fs::metadata(&copy).unwrap().permissions().mode();
                        assert_eq!(mode & 0o777, 0o600);
                    }
                });
            }
        });
    }
}
