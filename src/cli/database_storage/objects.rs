//! The Kubernetes objects, with the members and the order of Kubernetes 1.15's own types.
use crate::api::volume::VolumeInfo;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

const SECRET: &str = "heketi-storage-secret";
const ENDPOINTS: &str = "heketi-storage-endpoints";
const JOB: &str = "heketi-storage-copy-job";
/// The name of the volume inside of the job.
const STORAGE: &str = "heketi-storage";
/// How every SQLite file begins.
const SQLITE: &[u8] = b"SQLite format 3\0";

/// What is to be copied where, and by whom.
pub(super) struct Copy<'a> {
    /// The volume it goes to.
    pub(super) volume: &'a VolumeInfo,
    /// The file as the server sent it.
    pub(super) database: &'a [u8],
    /// Image with `cp`.
    pub(super) image: &'a str,
    /// Label of the hosts that may run the job.
    pub(super) node: Option<(&'a str, &'a str)>,
}

impl Copy<'_> {
    /// The name the server will look for: Brickyard keeps SQLite, Heketi does not.
    fn file(&self) -> &'static str {
        if self.database.starts_with(SQLITE) { "brickyard.db" } else { "heketi.db" }
    }
}

/// All of them, as `kubectl create -f` takes them.
pub(super) fn list(copy: &Copy<'_>) -> Value {
    let items = [secret(copy), endpoints(copy.volume), service(), job(copy)];
    json!({ "apiVersion": "v1", "kind": "List", "items": items })
}

fn metadata(name: &str) -> Value {
    json!({ "name": name, "creationTimestamp": null })
}

/// With the label by which the whole set-up is found and removed.
fn labelled(name: &str) -> Value {
    let labels = json!({ "deploy-heketi": "support" });
    json!({ "name": name, "creationTimestamp": null, "labels": labels })
}

fn secret(copy: &Copy<'_>) -> Value {
    let data = Map::from_iter([(copy.file().to_owned(), STANDARD.encode(copy.database).into())]);
    json!({ "kind": "Secret", "apiVersion": "v1", "metadata": labelled(SECRET), "data": data })
}

fn endpoints(volume: &VolumeInfo) -> Value {
    let subset = |host| json!({ "addresses": [{ "ip": host }], "ports": [{ "port": 1 }] });
    let subsets: Vec<Value> = volume.mount.glusterfs.hosts.iter().map(subset).collect();
    json!({
        "kind": "Endpoints",
        "apiVersion": "v1",
        "metadata": metadata(ENDPOINTS),
        "subsets": subsets,
    })
}

/// Without a selector it keeps the endpoints of the same name from being collected as garbage.
fn service() -> Value {
    json!({
        "kind": "Service",
        "apiVersion": "v1",
        "metadata": metadata(ENDPOINTS),
        "spec": { "ports": [{ "port": 1, "targetPort": 0 }] },
        "status": { "loadBalancer": {} },
    })
}

fn job(copy: &Copy<'_>) -> Value {
    let template = json!({ "metadata": metadata(JOB), "spec": pod(copy) });
    json!({
        "kind": "Job",
        "apiVersion": "batch/v1",
        "metadata": labelled(JOB),
        "spec": { "parallelism": 1, "completions": 1, "template": template },
        "status": {},
    })
}

fn pod(copy: &Copy<'_>) -> Value {
    let mut pod = json!({
        "volumes": [
            { "name": STORAGE, "glusterfs": { "endpoints": ENDPOINTS, "path": copy.volume.name } },
            { "name": SECRET, "secret": { "secretName": SECRET } },
        ],
        "containers": [{
            "name": "heketi",
            "image": copy.image,
            "command": ["cp", format!("/db/{}", copy.file()), "/heketi"],
            "resources": {},
            "volumeMounts": [
                { "name": STORAGE, "mountPath": "/heketi" },
                { "name": SECRET, "mountPath": "/db" },
            ],
        }],
        "restartPolicy": "Never",
    });
    if let Some((key, value)) = copy.node {
        pod["nodeSelector"] = Map::from_iter([(key.to_owned(), value.into())]).into();
    }
    pod
}
