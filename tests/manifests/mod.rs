//! Manifests, applied to a real API server, and the server started as they say; where there is one:
//! `KUBEBUILDER_ASSETS` names the folder with `kube-apiserver` and `etcd` (tests/kube/README.md).
mod heketis;
mod kubelet;
mod ours;

use crate::control_plane::{self, ControlPlane};
use axum::http::Request;
use kube::Client;
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    time::{Duration, Instant},
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const PATIENCE: Duration = Duration::from_mins(1);

/// An API server, and `kubectl` for it.
struct Kubernetes {
    plane: ControlPlane,
    client: Client,
    assets: PathBuf,
}

impl Kubernetes {
    /// None, and a word about it, where there are no programs for it.
    #[expect(clippy::print_stderr, reason = "a test that was not run says so")]
    async fn start() -> Option<Self> {
        let Some(assets) = control_plane::assets() else {
            eprintln!("SKIPPED: {} does not name a folder", control_plane::ASSETS);
            return None;
        };
        let plane = ControlPlane::without_controllers(&assets).await;
        let client = plane.client().await;
        let kubernetes = Self { plane, client, assets };
        // Whatever is put into the namespace needs it.
        kubernetes.until("/api/v1/namespaces/default", |_| true).await;
        Some(kubernetes)
    }
    fn run(&self, arguments: &[&str]) -> Output {
        let path = format!("{}:/usr/bin:/bin", self.assets.display());
        // Whatever waits for something that never comes is a failure.
        let mut command = Command::new("timeout");
        command
            .args(["60", "kubectl"])
            .args(arguments)
            .current_dir(ROOT)
            .env_clear()
            .env("PATH", path);
        // It keeps a cache at home.
        let kubeconfig = self.plane.kubeconfig();
        command.env("HOME", kubeconfig.parent().unwrap()).env("KUBECONFIG", &kubeconfig);
        command.output().unwrap()
    }
    /// Commands of a person, who is in this folder.
    fn shell(&self, folder: &Path, script: &str) {
        let path = format!("{}:/usr/bin:/bin", self.assets.display());
        let mut command = Command::new("timeout");
        command.args(["60", "bash", "-euo", "pipefail", "-c", script]).current_dir(folder);
        command.env_clear().env("PATH", path).env("KUBECONFIG", self.plane.kubeconfig());
        let done = command.env("HOME", folder).output().unwrap();
        let complaint = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{script}: {complaint}");
    }
    /// What it prints; it must succeed.
    fn kubectl(&self, arguments: &[&str]) -> String {
        let done = self.run(arguments);
        let complaint = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "kubectl {arguments:?}: {complaint}");
        String::from_utf8(done.stdout).unwrap()
    }
    /// A manifest that is written here.
    fn apply(&self, folder: &Path, text: &str) {
        let file = folder.join("manifest.yaml");
        std::fs::write(&file, text).unwrap();
        self.kubectl(&["apply", "-f", file.to_str().unwrap()]);
    }
    async fn get(&self, path: &str) -> Option<Value> {
        let asked = Request::get(path).body(vec![]).unwrap();
        self.client.request(asked).await.ok()
    }
    async fn post(&self, path: &str, body: &Value) -> Value {
        let asked = Request::post(path).body(body.to_string().into_bytes()).unwrap();
        self.client.request(asked).await.unwrap()
    }
    /// The object, as soon as it is like this.
    async fn until(&self, path: &str, like: impl Fn(&Value) -> bool) -> Value {
        let limit = Instant::now() + PATIENCE;
        loop {
            let found = self.get(path).await;
            if let Some(object) = found.as_ref().filter(|object| like(object)) {
                return object.clone();
            }
            assert!(Instant::now() < limit, "{path}: {found:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    /// Whether a service account of the default namespace may do it there, with a resource such as
    /// `pods/exec` or `leases.coordination.k8s.io`.
    async fn may(&self, account: &str, verb: &str, resource: &str) -> bool {
        let (resource, part) = resource.split_once('/').unwrap_or((resource, ""));
        let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
        let asked = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": format!("system:serviceaccount:default:{account}"),
                "resourceAttributes": {"namespace": "default", "verb": verb,
                    "group": group, "resource": resource, "subresource": part},
            },
        });
        let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
        self.post(path, &asked).await["status"]["allowed"] == true
    }
}
