//! An API server of Kubernetes that knows Secrets, Leases, and what is compared of volumes, and
//! nothing else: versions, conflicts and limits as the real one has them, and troubles on demand.
#[path = "kube/volumes.rs"]
pub mod volumes;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use brickyard::kube::Source;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};
use tempfile::TempDir;
use tokio::net::TcpListener;

/// What goes wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trouble {
    #[default]
    None,
    /// After so many writes nothing is done any more.
    Refuses(usize),
    /// The same, and the last write that is done is not answered.
    Silent(usize),
    /// No request is ever answered.
    Hangs,
    /// This status for everything.
    Answers(u16),
}

#[derive(Default)]
struct World {
    secrets: BTreeMap<String, Value>,
    version: u64,
    trouble: Trouble,
    /// A change of a Secret takes so long.
    slow: Duration,
    /// Changes that were made, and the requests that were heard.
    writes: usize,
    requests: usize,
    objects: volumes::Objects,
}

/// A running one; clones see the same.
#[derive(Clone)]
pub struct FakeKube {
    world: Arc<Mutex<World>>,
    config: Arc<TempDir>,
}

type Shared = Arc<Mutex<World>>;

impl FakeKube {
    pub async fn start() -> Self {
        let world = Shared::default();
        let one = "/api/v1/namespaces/storage/secrets/{name}";
        let all = "/api/v1/namespaces/storage/secrets";
        let leases = "/apis/coordination.k8s.io/v1/namespaces/storage/leases";
        let app = Router::new()
            .route(all, post(create))
            .route(one, get(read).put(replace).delete(remove))
            .route(leases, post(create_lease))
            .route(&format!("{leases}/{{name}}"), get(read_lease).put(replace_lease))
            .merge(volumes::routes())
            .layer(DefaultBodyLimit::max(3 << 20))
            .with_state(world.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        let config = tempfile::tempdir().unwrap();
        let text = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "here",
            "clusters": [{"name": "c", "cluster": {"server": format!("http://{address}")}}],
            "contexts": [{"name": "here", "context":
                {"cluster": "c", "user": "u", "namespace": "storage"}}],
            "users": [{"name": "u", "user": {"token": "top-secret"}}],
        });
        std::fs::write(config.path().join("config"), text.to_string()).unwrap();
        Self { world, config: Arc::new(config) }
    }
    /// A kubeconfig that leads here.
    pub fn kubeconfig(&self) -> std::path::PathBuf {
        self.config.path().join("config")
    }
    pub fn source(&self) -> Source {
        Source::Kubeconfig(vec![self.kubeconfig()])
    }
    /// From now on; writes are counted anew.
    pub fn trouble(&self, trouble: Trouble) {
        let mut world = self.world.lock().unwrap();
        world.writes = 0;
        world.trouble = trouble;
    }
    /// From now on a change of a Secret takes so long.
    pub fn slow(&self, pause: Duration) {
        self.world.lock().unwrap().slow = pause;
    }
    pub fn writes(&self) -> usize {
        self.world.lock().unwrap().writes
    }
    pub fn requests(&self) -> usize {
        self.world.lock().unwrap().requests
    }
    pub fn names(&self) -> BTreeSet<String> {
        self.world.lock().unwrap().secrets.keys().cloned().collect()
    }
    pub fn labels(&self, name: &str) -> Value {
        self.world.lock().unwrap().secrets[name]["metadata"]["labels"].clone()
    }
    /// What a Secret holds under a key.
    pub fn data(&self, name: &str, key: &str) -> Option<Vec<u8>> {
        let world = self.world.lock().unwrap();
        let text = world.secrets.get(name)?["data"].get(key)?.as_str()?;
        Some(BASE64_STANDARD.decode(text).unwrap())
    }
    /// Somebody else puts this there, or takes it away.
    pub fn put(&self, name: &str, key: &str, bytes: Option<&[u8]>) {
        let mut world = self.world.lock().unwrap();
        world.version += 1;
        let version = world.version.to_string();
        let new = json!({"apiVersion": "v1", "kind": "Secret", "type": "Opaque",
            "metadata": {"name": name, "namespace": "storage"}});
        let secret = world.secrets.entry(name.to_owned()).or_insert(new);
        secret["metadata"]["resourceVersion"] = version.into();
        match bytes {
            Some(bytes) => secret["data"][key] = BASE64_STANDARD.encode(bytes).into(),
            None => drop(secret["data"].as_object_mut().and_then(|data| data.remove(key))),
        }
    }
    /// Who holds the Lease of this name; empty when nobody does.
    pub fn holder(&self, name: &str) -> String {
        let world = self.world.lock().unwrap();
        let lease = world.secrets.get(&lease(name));
        let holder = lease.and_then(|lease| lease["spec"]["holderIdentity"].as_str());
        holder.unwrap_or_default().to_owned()
    }
    pub fn remove(&self, name: &str) {
        self.world.lock().unwrap().secrets.remove(name).unwrap();
    }
}

fn status(code: u16, reason: &str, message: &str) -> Response {
    let body = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code});
    (StatusCode::from_u16(code).unwrap(), Json(body)).into_response()
}
fn not_found(name: &str) -> Response {
    status(404, "NotFound", &format!("secrets \"{name}\" not found"))
}

/// What trouble there is for this request, before anything is done.
async fn before(world: &Shared, writes: bool) -> Option<Response> {
    let trouble = {
        let mut world = world.lock().unwrap();
        world.requests += 1;
        let over = |limit| world.writes >= limit;
        match world.trouble {
            Trouble::None => return None,
            Trouble::Refuses(limit) | Trouble::Silent(limit) if !over(limit) || !writes => {
                return None;
            }
            trouble => trouble,
        }
    };
    match trouble {
        Trouble::Hangs => std::future::pending().await,
        Trouble::Answers(code) => Some(status(code, "Forbidden", "in trouble")),
        _ => Some(status(500, "InternalError", "in trouble")),
    }
}

/// The answer to a write that was done.
fn done(world: &mut World, answer: Value) -> Response {
    world.writes += 1;
    if world.trouble == Trouble::Silent(world.writes) {
        return status(500, "InternalError", "the answer is lost");
    }
    Json(answer).into_response()
}

/// The rule of the real one: 1 MiB of all values together.
fn too_large(secret: &Value) -> Option<Response> {
    let values = secret["data"].as_object().into_iter().flatten();
    let size: usize =
        values.map(|(_, v)| BASE64_STANDARD.decode(v.as_str().unwrap()).unwrap().len()).sum();
    (size > 1 << 20).then(|| status(422, "Invalid", "data: Too long: must have at most 1048576"))
}

/// Leases are kept among the Secrets, under names that no Secret can have.
fn lease(name: &str) -> String {
    format!("lease/{name}")
}
async fn create_lease(state: State<Shared>, body: Bytes) -> Response {
    create_as(state, lease, &body).await
}
async fn read_lease(state: State<Shared>, Path(name): Path<String>) -> Response {
    read(state, Path(lease(&name))).await
}
async fn replace_lease(state: State<Shared>, Path(name): Path<String>, body: Bytes) -> Response {
    replace(state, Path(lease(&name)), body).await
}

async fn read(State(world): State<Shared>, Path(name): Path<String>) -> Response {
    if let Some(trouble) = before(&world, false).await {
        return trouble;
    }
    let world = world.lock().unwrap();
    world.secrets.get(&name).map_or_else(|| not_found(&name), |s| Json(s.clone()).into_response())
}

async fn create(state: State<Shared>, body: Bytes) -> Response {
    create_as(state, str::to_owned, &body).await
}
async fn create_as(
    State(world): State<Shared>,
    kept_as: impl Fn(&str) -> String,
    body: &Bytes,
) -> Response {
    if let Some(trouble) = before(&world, true).await {
        return trouble;
    }
    let mut secret: Value = serde_json::from_slice(body).unwrap();
    if let Some(refusal) = too_large(&secret) {
        return refusal;
    }
    let mut world = world.lock().unwrap();
    let name = kept_as(secret["metadata"]["name"].as_str().unwrap());
    if world.secrets.contains_key(&name) {
        return status(409, "AlreadyExists", &format!("secrets \"{name}\" already exists"));
    }
    world.version += 1;
    secret["metadata"]["resourceVersion"] = world.version.to_string().into();
    world.secrets.insert(name, secret.clone());
    done(&mut world, secret)
}

async fn replace(State(world): State<Shared>, Path(name): Path<String>, body: Bytes) -> Response {
    if let Some(trouble) = before(&world, true).await {
        return trouble;
    }
    let slow = world.lock().unwrap().slow;
    if !slow.is_zero() && !name.starts_with("lease/") {
        tokio::time::sleep(slow).await;
    }
    let mut secret: Value = serde_json::from_slice(&body).unwrap();
    if let Some(refusal) = too_large(&secret) {
        return refusal;
    }
    let mut world = world.lock().unwrap();
    let Some(there) = world.secrets.get(&name) else { return not_found(&name) };
    let version = |secret: &Value| secret["metadata"]["resourceVersion"].clone();
    if !version(&secret).is_null() && version(&secret) != version(there) {
        let text = format!("Operation cannot be fulfilled on secrets \"{name}\": modified");
        return status(409, "Conflict", &text);
    }
    world.version += 1;
    secret["metadata"]["resourceVersion"] = world.version.to_string().into();
    world.secrets.insert(name, secret.clone());
    done(&mut world, secret)
}

async fn remove(State(world): State<Shared>, Path(name): Path<String>) -> Response {
    if let Some(trouble) = before(&world, true).await {
        return trouble;
    }
    let mut world = world.lock().unwrap();
    if world.secrets.remove(&name).is_none() {
        return not_found(&name);
    }
    let answer = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"});
    done(&mut world, answer)
}
