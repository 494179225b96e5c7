//! A Kubernetes with gluster pods, as far as the executor sees it: pods as objects, and the exec
//! endpoint with its WebSocket protocol. Shells are real ones; what they start on simulated nodes is
//! handed to the simulator, see `timeout` in [`Cluster::programs`].
use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{Path, Query, Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use brickyard::{
    domain::{Gib, Hostname},
    kube::Source,
    node::{
        Cmd, Remote, Script,
        kube::{Kube, Lookup, Settings},
        sim::Sim,
    },
};
use futures_util::{SinkExt, StreamExt};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::{
    collections::{HashMap, VecDeque},
    fs,
    os::unix::fs::PermissionsExt,
    process::Stdio,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    process::{ChildStdin, Command},
    sync::{Semaphore, mpsc},
    task::JoinHandle,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message, Utf8Bytes,
        handshake::derive_accept_key,
        protocol::{CloseFrame, Role, frame::coding::CloseCode},
    },
};

/// What goes wrong with requests; each is taken off when it has happened.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// A lookup or an exec is refused with this status and these words.
    Refuse { exec: bool, status: u16, message: &'static str },
    /// The exec is accepted, and its status object says this before a shell was there.
    Status(Value),
    /// The exec is accepted, nothing comes, and the connection ends.
    Cut,
    /// The exec is accepted, and nothing comes.
    Silence,
    /// The connection ends without a word when a script with this text has come and was given to
    /// the shell.
    CutAfter(&'static str),
    /// The same when so many bytes of it have come; the shell never sees the rest.
    CutAt(usize),
    /// The connection is closed in order when the shell is done, without saying how it ended.
    NoStatus,
}

/// What happened, and what is to happen.
#[derive(Default)]
pub struct Scene {
    pub pods: Vec<Value>,
    pub troubles: VecDeque<Trouble>,
    /// Container and pod of each exec that was accepted.
    pub execs: Vec<String>,
    pub lookups: usize,
    /// Execs at work, and the most there were at the same time.
    pub now: usize,
    pub most: usize,
    pub held: bool,
    /// The longest piece of output in one frame.
    pub frame: usize,
    pub protocol: &'static str,
}

struct Shared {
    scene: Mutex<Scene>,
    sim: Arc<Sim>,
    folder: TempDir,
    /// Taken by each shell before it starts, when they are held.
    gate: Semaphore,
    address: String,
}

pub struct Cluster {
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// A pod that can be used.
pub fn pod(name: &str, host: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "storage", "labels": {"glusterfs-node": host}},
        "spec": {"nodeName": host, "containers": [{"name": "glusterfs", "image": "gluster"}]},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    })
}

impl Cluster {
    /// Without pods.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let shared = Arc::new(Shared {
            scene: Mutex::new(Scene {
                frame: 16 * 1024,
                protocol: "v4.channel.k8s.io",
                ..Scene::default()
            }),
            sim: Arc::new(Sim::new(Gib(500).to_kib())),
            folder: tempfile::tempdir().unwrap(),
            gate: Semaphore::new(0),
            address: format!("http://{}", listener.local_addr().unwrap()),
        });
        Self::programs(&shared);
        let router = Router::new()
            .route("/api/v1/namespaces/storage/pods", get(list))
            .route("/api/v1/namespaces/storage/pods/{name}", get(one))
            .route("/api/v1/namespaces/storage/pods/{name}/exec", get(exec))
            .route("/simulated/{host}", post(simulated))
            .with_state(shared.clone());
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { shared, serving }
    }
    /// With a pod for each of these hosts.
    pub async fn with_pods(hosts: &[&str]) -> Self {
        let cluster = Self::start().await;
        cluster.scene().pods =
            hosts.iter().map(|host| pod(&format!("glusterfs-{host}"), host)).collect();
        cluster
    }

    /// Every command of a script goes through `timeout`: here, a program of that name which hands
    /// it to the simulator, with what comes on its standard input.
    fn programs(shared: &Shared) {
        let text = r#"#!/bin/sh
shift 3
answer=$(mktemp) || exit 125
{ printf '%s\0' "$#" "$@"; cat; } |
  curl -sSf -o "$answer" --data-binary @- "$SIMULATED" || { rm -f "$answer"; exit 125; }
read -r status <"$answer"
if [ "$status" = 0 ]; then tail -n +2 "$answer"; else tail -n +2 "$answer" >&2; fi
rm -f "$answer"
exit "$status"
"#;
        let bin = shared.folder.path().join("bin");
        fs::create_dir(&bin).unwrap();
        fs::write(bin.join("timeout"), text).unwrap();
        fs::set_permissions(bin.join("timeout"), fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub fn scene(&self) -> MutexGuard<'_, Scene> {
        self.shared.scene.lock().unwrap()
    }
    pub fn sim(&self) -> Arc<Sim> {
        self.shared.sim.clone()
    }
    pub fn folder(&self) -> &std::path::Path {
        self.shared.folder.path()
    }
    /// Shells wait at a gate from now on.
    pub fn hold(&self) {
        self.scene().held = true;
    }
    /// So many go through.
    pub fn let_through(&self, number: usize) {
        self.shared.gate.add_permits(number);
    }
    /// The pods run real commands and not simulated ones.
    pub fn for_real(self) -> Self {
        fs::remove_file(self.folder().join("bin/timeout")).unwrap();
        self
    }
    /// Waits until this is so.
    pub async fn until(&self, what: impl Fn(&Scene) -> bool) {
        let reached = async {
            while !what(&self.scene()) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), reached).await.expect("it never came");
    }
    /// Lets these things go wrong, one after another.
    pub fn trouble(&self, troubles: impl IntoIterator<Item = Trouble>) {
        self.scene().troubles = troubles.into_iter().collect();
    }
    pub async fn kube(&self, lookup: Lookup) -> Kube {
        self.kube_with(|settings| settings.lookup = lookup).await
    }
    pub async fn kube_with(&self, change: impl FnOnce(&mut Settings)) -> Kube {
        kube_at(&self.shared.address, self.folder(), change).await
    }
}

/// The executor of a server with a kubeconfig that names this API server.
pub async fn kube_at(
    server: &str,
    folder: &std::path::Path,
    change: impl FnOnce(&mut Settings),
) -> Kube {
    kube_with_token(server, folder, "tok", change).await
}

pub async fn kube_with_token(
    server: &str,
    folder: &std::path::Path,
    token: &str,
    change: impl FnOnce(&mut Settings),
) -> Kube {
    let file = folder.join("kubeconfig");
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: here\n\
         clusters: [{{name: c, cluster: {{server: '{server}', insecure-skip-tls-verify: true}}}}]\n\
         contexts: [{{name: here, context: {{cluster: c, user: u, namespace: storage}}}}]\n\
         users: [{{name: u, user: {{token: {token}}}}}]\n"
    );
    fs::write(&file, text).unwrap();
    let source = Source::Kubeconfig(vec![file]);
    let mut settings = Settings {
        source: Some(source.clone()),
        namespace: None,
        lookup: Lookup::Label,
        max_connections: Some(64),
        connect_timeout: Duration::from_secs(20),
    };
    change(&mut settings);
    Kube::new(source.connect(settings.namespace.as_deref()).await.unwrap(), &settings)
}

/// An answer as the API server gives it when it refuses.
fn refusal(status: u16, message: &str) -> Response {
    let mut body = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": "Because", "code": status});
    if status == 429 {
        body["details"] = json!({"retryAfterSeconds": 1});
    }
    (StatusCode::from_u16(status).unwrap(), Json(body)).into_response()
}

impl Shared {
    /// Takes the first trouble off if it is of this kind.
    fn take<T>(&self, kind: impl Fn(&Trouble) -> Option<T>) -> Option<T> {
        let mut scene = self.scene.lock().unwrap();
        let taken = kind(scene.troubles.front()?)?;
        scene.troubles.pop_front();
        Some(taken)
    }
    fn refuses(&self, wanted: bool) -> Option<Response> {
        self.take(|trouble| match trouble {
            Trouble::Refuse { exec, status, message } if *exec == wanted => {
                Some(refusal(*status, message))
            }
            _ => None,
        })
    }
}

async fn list(
    State(shared): State<Arc<Shared>>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    shared.scene.lock().unwrap().lookups += 1;
    if let Some(refusal) = shared.refuses(false) {
        return refusal;
    }
    let host = |field: &str, prefix: &str| {
        let text = query.get(field)?.strip_prefix(prefix)?;
        Some(text.to_owned())
    };
    let (label, node) =
        (host("labelSelector", "glusterfs-node="), host("fieldSelector", "spec.nodeName="));
    let bare = query.get("labelSelector").is_some_and(|text| text == "glusterfs-node");
    assert!(label.is_some() || (bare && node.is_some()), "{query:?}");
    let fits = |pod: &&Value| {
        let value = pod["metadata"]["labels"]["glusterfs-node"].as_str();
        value.is_some()
            && label.as_deref().is_none_or(|label| value == Some(label))
            && node.as_deref().is_none_or(|node| pod["spec"]["nodeName"] == node)
    };
    let items: Vec<_> = shared.scene.lock().unwrap().pods.iter().filter(fits).cloned().collect();
    Json(json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items}))
        .into_response()
}

async fn one(State(shared): State<Arc<Shared>>, Path(name): Path<String>) -> Response {
    shared.scene.lock().unwrap().lookups += 1;
    if let Some(refusal) = shared.refuses(false) {
        return refusal;
    }
    let found = shared
        .scene
        .lock()
        .unwrap()
        .pods
        .iter()
        .find(|pod| pod["metadata"]["name"] == *name)
        .cloned();
    match found {
        Some(pod) => Json(pod).into_response(),
        None => refusal(404, &format!("pods \"{name}\" not found")),
    }
}

async fn exec(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    mut request: Request<Body>,
) -> Response {
    if let Some(refusal) = shared.refuses(true) {
        return refusal;
    }
    let found = shared
        .scene
        .lock()
        .unwrap()
        .pods
        .iter()
        .find(|pod| pod["metadata"]["name"] == *name)
        .cloned();
    let Some(pod) = found else { return refusal(404, &format!("pods \"{name}\" not found")) };
    let query = request.uri().query().unwrap().to_owned();
    let pairs: Vec<_> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
    let value = |text: &str| {
        let text = text.replace('+', " ");
        percent_encoding::percent_decode_str(&text).decode_utf8().unwrap().into_owned()
    };
    let all = |name: &str| -> Vec<_> {
        pairs.iter().filter(|(n, _)| *n == name).map(|(_, text)| value(text)).collect()
    };
    for stream in ["stdin", "stdout", "stderr"] {
        assert_eq!(all(stream), ["true"], "{query}");
    }
    let argv = all("command");
    let (host, container) =
        (pod["spec"]["nodeName"].as_str().unwrap().to_owned(), all("container").remove(0));
    let protocol = shared.scene.lock().unwrap().protocol;
    let asked = request.headers()[header::SEC_WEBSOCKET_PROTOCOL].to_str().unwrap();
    assert!(asked.split(", ").any(|one| one == protocol), "{asked}");
    let key = derive_accept_key(request.headers()[header::SEC_WEBSOCKET_KEY].as_bytes());
    shared.scene.lock().unwrap().execs.push(format!("{container} of {name}"));
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let upgraded = TokioIo::new(upgrade.await.unwrap());
        let socket = WebSocketStream::from_raw_socket(upgraded, Role::Server, None).await;
        {
            let mut scene = shared.scene.lock().unwrap();
            scene.now += 1;
            scene.most = scene.most.max(scene.now);
        }
        shell(&shared, socket, &host, &argv).await;
        shared.scene.lock().unwrap().now -= 1;
    });
    let headers = [
        (header::CONNECTION, "Upgrade"),
        (header::UPGRADE, "websocket"),
        (header::SEC_WEBSOCKET_ACCEPT, key.as_str()),
        (header::SEC_WEBSOCKET_PROTOCOL, protocol),
    ];
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}

type Socket = WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>;

fn on_channel(channel: u8, bytes: &[u8]) -> Message {
    Message::Binary([&[channel], bytes].concat().into())
}

/// What a kubelet and its runtime do with an exec.
async fn shell(shared: &Shared, mut socket: Socket, host: &str, argv: &[String]) {
    // As they do: an empty message on each channel to begin with.
    for channel in 1..=3 {
        socket.send(on_channel(channel, b"")).await.unwrap();
    }
    match shared.take(|trouble| match trouble {
        Trouble::Status(_) | Trouble::Cut | Trouble::Silence => Some(trouble.clone()),
        _ => None,
    }) {
        Some(Trouble::Status(status)) => {
            socket.send(on_channel(2, b"words on the way\n")).await.unwrap();
            socket.send(on_channel(3, status.to_string().as_bytes())).await.unwrap();
            return;
        }
        Some(Trouble::Cut) => return,
        Some(_) => {
            while let Some(Ok(_)) = socket.next().await {}
            return;
        }
        None => {}
    }
    let held = shared.scene.lock().unwrap().held;
    if held {
        shared.gate.acquire().await.unwrap().forget();
    }
    let path = format!("{}:/usr/bin:/bin", shared.folder.path().join("bin").display());
    let mut child = Command::new(&argv[0])
        .args(&argv[1..])
        .env("PATH", path)
        .env("SIMULATED", format!("{}/simulated/{host}", shared.address))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let frame = shared.scene.lock().unwrap().frame;
    let (sender, mut said) = mpsc::channel(4);
    let out = tokio::spawn(read(child.stdout.take().unwrap(), 1, frame, sender.clone()));
    let err = tokio::spawn(read(child.stderr.take().unwrap(), 2, frame, sender));
    let mut stdin = child.stdin.take();
    let mut script = vec![];
    // Whoever is not connected any more misses what is said, and the shell goes on.
    let mut socket = Some(socket);
    loop {
        tokio::select! {
            words = said.recv() => {
                let Some((channel, bytes)) = words else { break };
                if let Some(open) = &mut socket
                    && open.send(on_channel(channel, &bytes)).await.is_err()
                {
                    (socket, stdin) = (None, None);
                }
            }
            message = next(&mut socket) => {
                let Some(Ok(message)) = message else {
                    (socket, stdin) = (None, None);
                    continue;
                };
                let Message::Binary(bytes) = message else { continue };
                assert_eq!(bytes[0], 0, "only input comes");
                script.extend_from_slice(&bytes[1..]);
                if let Some(cut) = input(shared, host, &mut script, &mut stdin).await
                    && cut
                {
                    (socket, stdin) = (None, None);
                }
            }
        }
    }
    out.await.unwrap();
    err.await.unwrap();
    let ended = child.wait().await.unwrap();
    let Some(mut socket) = socket else { return };
    let silent = |trouble: &Trouble| matches!(trouble, Trouble::NoStatus).then_some(());
    if shared.take(silent).is_none() {
        let status = match ended.code() {
            Some(0) => json!({"metadata": {}, "status": "Success"}),
            code => {
                let code = code.unwrap_or(137).to_string();
                json!({"metadata": {}, "status": "Failure", "reason": "NonZeroExitCode",
                    "message": "command terminated with non-zero exit code",
                    "details": {"causes": [{"reason": "ExitCode", "message": code}]}})
            }
        };
        drop(socket.send(on_channel(3, status.to_string().as_bytes())).await);
    }
    let reason = Utf8Bytes::from_static("");
    drop(socket.close(Some(CloseFrame { code: CloseCode::Normal, reason })).await);
}

async fn next(socket: &mut Option<Socket>) -> Option<Result<Message, Error>> {
    match socket {
        Some(open) => open.next().await,
        None => std::future::pending().await,
    }
}

/// Gives the script to the shell when all of it has come; whether the connection is to be cut.
async fn input(
    shared: &Shared,
    host: &str,
    script: &mut Vec<u8>,
    stdin: &mut Option<ChildStdin>,
) -> Option<bool> {
    let cut = shared.take(|trouble| match trouble {
        Trouble::CutAt(size) => (script.len() >= *size).then_some(*size),
        _ => None,
    });
    if let Some(size) = cut {
        script.truncate(size);
    } else if !script.ends_with(b"exit\n}\n") {
        return None;
    }
    // Locks of these nodes are not those of this machine.
    let text = String::from_utf8(script.clone()).unwrap();
    let run = shared.folder.path().join("run").join(host);
    let text = text.replace("/run/brickyard", run.to_str().unwrap());
    stdin.as_mut()?.write_all(text.as_bytes()).await.unwrap();
    let here = |trouble: &Trouble| match trouble {
        Trouble::CutAfter(words) => text.contains(words).then_some(()),
        _ => None,
    };
    Some(cut.is_some() || shared.take(here).is_some())
}

/// Reads an output in frames of that size at the most.
async fn read(
    mut from: impl AsyncRead + Unpin,
    channel: u8,
    frame: usize,
    to: mpsc::Sender<(u8, Vec<u8>)>,
) {
    let mut buffer = vec![0; frame];
    while let Ok(size) = from.read(&mut buffer).await
        && size > 0
    {
        drop(to.send((channel, buffer[..size].to_vec())).await);
    }
}

/// A command of a simulated node: number of arguments, arguments, each ended by a NUL, and input.
async fn simulated(
    State(shared): State<Arc<Shared>>,
    Path(host): Path<Hostname>,
    body: Bytes,
) -> Response {
    let text = String::from_utf8(body.to_vec()).unwrap();
    let (number, rest) = text.split_once('\0').unwrap();
    let number: usize = number.parse().unwrap();
    let mut words: Vec<_> = rest.splitn(number + 1, '\0').collect();
    let input = words.pop().unwrap();
    let cmd = Cmd::new(words).stdin(input.lines().map(str::to_owned).collect());
    match shared.sim.run(&host, &Script::reading().then_try(cmd)).await {
        Ok(ran) if ran[0].ok() => format!("0\n{}", ran[0].stdout).into_response(),
        Ok(ran) => format!("{}\n{}", ran[0].status.unwrap(), ran[0].stderr).into_response(),
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}
