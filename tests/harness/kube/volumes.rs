//! `PersistentVolumes` and Endpoints of the API server of tests: only read, in pages.
use super::{FakeKube, Shared, before, status};
use axum::{
    Json, Router,
    extract::{Path, Query, State},
    response::{IntoResponse, Response},
    routing::get,
};
use brickyard::kube::persistent::PersistentVolumes;
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

/// Smaller than what is asked for: a server may do that, and tests see more than one page.
const PAGE: usize = 2;

type Hook = Box<dyn FnOnce(&mut Objects) + Send>;

#[derive(Default)]
pub struct Objects {
    pub volumes: BTreeMap<String, Value>,
    endpoints: BTreeMap<String, Value>,
    /// The beginning of paths that get this answer.
    refused: Option<(String, u16)>,
    /// Happens when a list has been told to its end.
    after_list: Option<Hook>,
    pub pages: usize,
    /// `PersistentVolumes` are told without end.
    endless: bool,
}

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/api/v1/persistentvolumes", get(list))
        .route("/api/v1/namespaces/{namespace}/endpoints/{name}", get(read))
}

impl FakeKube {
    pub async fn persistent_volumes(&self) -> PersistentVolumes {
        let cluster = self.source().connect(None).await.unwrap();
        PersistentVolumes::new(cluster, Duration::from_millis(500))
    }
    pub fn objects<T>(&self, work: impl FnOnce(&mut Objects) -> T) -> T {
        work(&mut self.world.lock().unwrap().objects)
    }
}

impl Objects {
    /// As Kubernetes' own provisioner makes them (tests/kube compares with real ones), with
    /// Endpoints of their own that have these addresses.
    pub fn provision(&mut self, volume: &Value, addresses: &[&str]) -> String {
        let (id, name) = (volume["id"].as_str().unwrap(), volume["name"].as_str().unwrap());
        let claim = format!("claim-{id:.4}");
        let (pv, endpoints) = (format!("pvc-{id:.8}"), format!("glusterfs-dynamic-{id:.8}"));
        let object = json!({
            "apiVersion": "v1", "kind": "PersistentVolume",
            "metadata": {"name": pv, "uid": format!("uid-{pv}"), "annotations": {
                "Description": "Gluster-Internal: Dynamically provisioned PV",
                "gluster.kubernetes.io/heketi-volume-id": id,
                "gluster.org/type": "file",
                "kubernetes.io/createdby": "heketi-dynamic-provisioner",
                "pv.beta.kubernetes.io/gid": "2000",
                "pv.kubernetes.io/provisioned-by": "kubernetes.io/glusterfs",
            }},
            "spec": {
                "accessModes": ["ReadWriteMany"],
                "capacity": {"storage": format!("{}Gi", volume["size"])},
                "claimRef": {"kind": "PersistentVolumeClaim", "namespace": "shop", "name": claim},
                "glusterfs":
                    {"endpoints": endpoints, "endpointsNamespace": "shop", "path": name},
                "persistentVolumeReclaimPolicy": "Delete",
                "storageClassName": "glusterfs",
            },
            "status": {"phase": "Bound"},
        });
        self.volumes.insert(pv.clone(), object);
        self.endpoints("shop", &endpoints, Some(addresses));
        pv
    }
    /// Somebody makes or removes Endpoints.
    pub fn endpoints(&mut self, namespace: &str, name: &str, addresses: Option<&[&str]>) {
        let place = format!("{namespace}/{name}");
        let Some(addresses) = addresses else {
            self.endpoints.remove(&place);
            return;
        };
        let all: Vec<_> = addresses.iter().map(|ip| json!({"ip": ip})).collect();
        let object = json!({"apiVersion": "v1", "kind": "Endpoints",
            "metadata": {"name": name, "namespace": namespace},
            "subsets": [{"addresses": all, "ports": [{"port": 1}]}]});
        self.endpoints.insert(place, object);
    }
    /// The spec of a `PersistentVolume`.
    pub fn spec(&mut self, name: &str) -> &mut Value {
        &mut self.volumes.get_mut(name).unwrap()["spec"]
    }
    /// From now on paths that begin like this get this answer.
    pub fn refuse(&mut self, path: &str, code: u16) {
        self.refused = Some((path.into(), code));
    }
    pub fn after_list(&mut self, hook: impl FnOnce(&mut Self) + Send + 'static) {
        self.after_list = Some(Box::new(hook));
    }
    pub fn never_ends(&mut self) {
        self.endless = true;
    }

    fn refusal(&self, path: &str) -> Option<Response> {
        let (refused, code) = self.refused.as_ref()?;
        let text = format!("{path} is forbidden: User \"u\" cannot do that");
        path.starts_with(refused.as_str()).then(|| status(*code, "Forbidden", &text))
    }
}

async fn list(
    State(world): State<Shared>,
    Query(asked): Query<BTreeMap<String, String>>,
) -> Response {
    if let Some(trouble) = before(&world, false).await {
        return trouble;
    }
    assert!(asked["limit"].parse::<usize>().unwrap() > PAGE, "{asked:?}");
    let objects = &mut world.lock().unwrap().objects;
    if let Some(refusal) = objects.refusal("persistentvolumes") {
        return refusal;
    }
    objects.pages += 1;
    let from: usize = asked.get("continue").map_or(0, |token| token.parse().unwrap());
    if from > 0
        && let Some(refusal) = objects.refusal("continue")
    {
        return refusal;
    }
    let items: Vec<_> = objects.volumes.values().skip(from).take(PAGE).cloned().collect();
    let next = from + items.len();
    let more = next < objects.volumes.len() || objects.endless;
    let token = if more { next.to_string() } else { String::new() };
    if !more && let Some(hook) = objects.after_list.take() {
        hook(objects);
    }
    let metadata = json!({"resourceVersion": "1", "continue": token});
    let kind = "PersistentVolumeList";
    Json(json!({"apiVersion": "v1", "kind": kind, "metadata": metadata, "items": items}))
        .into_response()
}

async fn read(
    State(world): State<Shared>,
    Path((namespace, name)): Path<(String, String)>,
) -> Response {
    if let Some(trouble) = before(&world, false).await {
        return trouble;
    }
    let objects = &world.lock().unwrap().objects;
    let refusal = objects.refusal("endpoints");
    let found = || objects.endpoints.get(&format!("{namespace}/{name}"));
    refusal.unwrap_or_else(|| match found() {
        Some(found) => Json(found.clone()).into_response(),
        None => status(404, "NotFound", &format!("endpoints \"{name}\" not found")),
    })
}
