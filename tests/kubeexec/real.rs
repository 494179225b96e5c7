//! A real API server, without a kubelet: pods are objects there. `KUBEBUILDER_ASSETS` names the
//! folder with kube-apiserver and etcd.
use super::{cluster::kube_with_token, echo, host, unreachable};
use brickyard::node::{Remote, kube::Lookup};
use serde_json::{Value, json};
use std::{
    fs,
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};
use tempfile::TempDir;

struct Server {
    folder: TempDir,
    url: String,
    http: reqwest::Client,
    etcd: Child,
    api: Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        for child in [&mut self.api, &mut self.etcd] {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Server {
    /// None, and a word about it, when there are no binaries.
    #[expect(clippy::print_stderr, reason = "a test that was not run says so")]
    async fn start() -> Option<Self> {
        let Some(assets) = std::env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from) else {
            eprintln!("skipped: KUBEBUILDER_ASSETS does not name a folder with kube-apiserver");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let key = path("sa.key");
        let made = Command::new("openssl").args(["genrsa", "-out"]).arg(&key).arg("2048").output();
        assert!(made.unwrap().status.success());
        let tokens = "tok,admin,admin,\"system:masters\"\nweak,weak,weak\n";
        fs::write(path("tokens.csv"), tokens).unwrap();
        let log = |name: &str| Stdio::from(fs::File::create(path(name)).unwrap());
        let (client, peer, secure) = (free_port(), free_port(), free_port());
        let here = |port: u16| format!("http://127.0.0.1:{port}");
        let beside = assets.join("etcd");
        let etcd = Command::new(if beside.exists() { beside } else { "etcd".into() })
            .arg("--data-dir")
            .arg(path("etcd"))
            .args(["--listen-client-urls", &here(client), "--advertise-client-urls", &here(client)])
            .args(["--listen-peer-urls", &here(peer), "--initial-advertise-peer-urls", &here(peer)])
            .args(["--initial-cluster", &format!("default={}", here(peer))])
            .stderr(log("etcd.log"))
            .stdout(Stdio::null())
            .spawn()
            .expect("etcd stands in KUBEBUILDER_ASSETS or is installed");
        let api = Command::new(assets.join("kube-apiserver"))
            .arg(format!("--etcd-servers={}", here(client)))
            .arg(format!("--secure-port={secure}"))
            .arg(format!("--cert-dir={}", path("certs").display()))
            .arg(format!("--service-account-key-file={}", key.display()))
            .arg(format!("--service-account-signing-key-file={}", key.display()))
            .arg(format!("--token-auth-file={}", path("tokens.csv").display()))
            .args(["--bind-address=127.0.0.1", "--advertise-address=127.0.0.1"])
            .args(["--service-account-issuer=https://kubernetes.default.svc"])
            .args(["--authorization-mode=RBAC", "--service-cluster-ip-range=10.96.0.0/24"])
            .args(["--disable-admission-plugins=ServiceAccount"])
            .stderr(log("api.log"))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let http = reqwest::Client::builder().danger_accept_invalid_certs(true).no_proxy();
        let url = format!("https://127.0.0.1:{secure}");
        let mut server = Self { folder, url, http: http.build().unwrap(), etcd, api };
        server.ready().await;
        Some(server)
    }
    async fn ready(&mut self) {
        for _ in 0..600 {
            let log = || fs::read_to_string(self.folder.path().join("api.log")).unwrap();
            assert!(self.api.try_wait().unwrap().is_none(), "the API server ended: {}", log());
            let asked = self.http.get(format!("{}/readyz", self.url)).bearer_auth("tok").send();
            if asked.await.is_ok_and(|answer| answer.status() == 200) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        panic!("the API server is not ready");
    }
    async fn send(&self, method: reqwest::Method, path: &str, kind: &str, body: &Value) -> Value {
        let request = self.http.request(method, format!("{}{path}", self.url)).bearer_auth("tok");
        let request = request.header("content-type", kind).body(body.to_string());
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    }
    async fn post(&self, path: &str, body: Value) {
        self.send(reqwest::Method::POST, path, "application/json", &body).await;
    }
    /// Pods run when their status says so: there is no kubelet to contradict.
    async fn pod(&self, name: &str, node: &str) {
        let pods = "/api/v1/namespaces/storage/pods";
        let mut pod = super::cluster::pod(name, node);
        let status = pod.as_object_mut().unwrap().remove("status").unwrap();
        self.post(pods, pod).await;
        let path = format!("{pods}/{name}/status");
        let patch = json!({"status": status});
        let kind = "application/merge-patch+json";
        self.send(reqwest::Method::PATCH, &path, kind, &patch).await;
    }
}

#[tokio::test]
async fn lookups_and_refusals_of_a_real_api_server() {
    let Some(server) = Server::start().await else { return };
    let object = |name: &str| json!({"metadata": {"name": name}});
    server.post("/api/v1/namespaces", object("storage")).await;
    // A kubelet is looked for at its node's address, where nobody listens.
    server.post("/api/v1/nodes", object("n1")).await;
    let status = json!({"status": {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": free_port()}}}});
    let kind = "application/merge-patch+json";
    server.send(reqwest::Method::PATCH, "/api/v1/nodes/n1/status", kind, &status).await;
    server.pod("glusterfs-a", "n1").await;

    let kube = async |token: &'static str, lookup| {
        let change = |settings: &mut brickyard::node::kube::Settings| settings.lookup = lookup;
        kube_with_token(&server.url, server.folder.path(), token, change).await
    };
    let why = async |token, lookup, name: &str| {
        let error = kube(token, lookup).await.run(&host(name), &echo()).await.unwrap_err();
        unreachable(error)
    };
    for (lookup, name) in
        [(Lookup::Label, "n1"), (Lookup::Daemonset, "n1"), (Lookup::Name, "glusterfs-a")]
    {
        kube("tok", lookup).await.reach(&host(name)).await.unwrap();
        let dial = why("tok", lookup, name).await;
        let place = "container glusterfs of pod glusterfs-a: the API server answered 500: ";
        assert!(dial.starts_with(place) && dial.contains("dial"), "{dial}");
    }
    let missing = why("tok", Lookup::Label, "n2").await;
    assert!(missing.contains("no pod has the label glusterfs-node=n2"), "{missing}");
    let odd = why("tok", Lookup::Label, "fe80::1").await;
    assert!(odd.contains("400"), "{odd}");
    let stranger = why("nobody", Lookup::Label, "n1").await;
    assert!(stranger.contains("does not take our token"), "{stranger}");

    // Rights, one after another, until nothing is missing.
    let weak = why("weak", Lookup::Label, "n1").await;
    assert!(weak.contains("cannot list resource \"pods\""), "{weak}");
    assert!(weak.contains("the right to list pods in the namespace storage"), "{weak}");
    let rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/storage";
    let give = async |name: &str, rule: Value| {
        server
            .post(&format!("{rbac}/roles"), json!({"metadata": {"name": name}, "rules": [rule]}))
            .await;
        let binding = json!({"metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [{"kind": "User", "name": "weak", "apiGroup": "rbac.authorization.k8s.io"}]});
        server.post(&format!("{rbac}/rolebindings"), binding).await;
    };
    // Rights take a moment to be known.
    let until = async |words: &str| {
        for _ in 0..100 {
            if why("weak", Lookup::Label, "n1").await.contains(words) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("never {words}: {}", why("weak", Lookup::Label, "n1").await);
    };
    give("look", json!({"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]})).await;
    until("the right to get and create pods/exec in the namespace storage").await;
    give(
        "exec",
        json!({"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["get", "create"]}),
    )
    .await;
    until("the API server answered 500").await;

    // Two that serve one node, and one that does not run.
    server.pod("glusterfs-b", "n1").await;
    let two = why("tok", Lookup::Daemonset, "n1").await;
    assert!(two.contains("only one may: glusterfs-a, glusterfs-b"), "{two}");
    let pending = super::cluster::pod("glusterfs-c", "n3");
    server.post("/api/v1/namespaces/storage/pods", pending).await;
    let pending = why("tok", Lookup::Label, "n3").await;
    assert!(pending.contains("pod glusterfs-c is not running but Pending"), "{pending}");
}
