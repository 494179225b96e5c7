//! The same against a real API server, where one is at hand: `KUBEBUILDER_ASSETS` names the folder
//! with `kube-apiserver`; `etcd` is there as well or in the usual places.
use super::{DATABASE, Kept, PACE, SECRET, heketis, lose, settings};
use crate::harness::kube::FakeKube;
use brickyard::{backup::Settings, kube::Source};
use sqlx::Executor;
use std::{
    fs::File,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command},
    time::{Duration, Instant},
};

/// Ends with the test.
struct Process(Child);
impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

struct RealKube {
    _etcd: Process,
    _server: Process,
    kubeconfig: PathBuf,
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn spawn(mut command: Command, log: &Path) -> Process {
    let log = File::create(log).unwrap();
    command.stdout(log.try_clone().unwrap()).stderr(log);
    Process(command.spawn().unwrap())
}

impl RealKube {
    async fn start(assets: &Path, folder: &Path) -> Self {
        let own = assets.join("etcd");
        let etcd = if own.exists() { own } else { "etcd".into() };
        let (client, peer, port) = (free_port(), free_port(), free_port());
        let local = |port: u16| format!("http://127.0.0.1:{port}");
        let mut command = Command::new(etcd);
        command.arg("--data-dir").arg(folder.join("etcd"));
        command.args(["--listen-client-urls", &local(client)]);
        command.args(["--advertise-client-urls", &local(client)]);
        command.args(["--listen-peer-urls", &local(peer)]);
        command.args(["--initial-advertise-peer-urls", &local(peer)]);
        command.args(["--initial-cluster", &format!("default={}", local(peer))]);
        let etcd = spawn(command, &folder.join("etcd.log"));
        let key = folder.join("sa.key");
        let made = Command::new("openssl").args(["genrsa", "-out"]).arg(&key).arg("2048").output();
        assert!(made.unwrap().status.success());
        let tokens = folder.join("tokens.csv");
        std::fs::write(&tokens, "tok,admin,admin,\"system:masters\"\n").unwrap();
        let mut command = Command::new(assets.join("kube-apiserver"));
        command.arg(format!("--etcd-servers={}", local(client)));
        command.arg(format!("--secure-port={port}"));
        command.args(["--bind-address=127.0.0.1", "--advertise-address=127.0.0.1"]);
        command.arg(format!("--cert-dir={}", folder.join("certs").display()));
        command.arg(format!("--service-account-key-file={}", key.display()));
        command.arg(format!("--service-account-signing-key-file={}", key.display()));
        command.arg("--service-account-issuer=https://kubernetes.default.svc");
        command.arg(format!("--token-auth-file={}", tokens.display()));
        command.args(["--authorization-mode=RBAC", "--service-cluster-ip-range=10.96.0.0/24"]);
        let server = spawn(command, &folder.join("apiserver.log"));
        let kubeconfig = folder.join("config");
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: here\nclusters: [{{name: c, cluster: \
             {{server: 'https://127.0.0.1:{port}', insecure-skip-tls-verify: true}}}}]\ncontexts: \
             [{{name: here, context: {{cluster: c, user: u, namespace: default}}}}]\nusers: \
             [{{name: u, user: {{token: tok}}}}]\n"
        );
        std::fs::write(&kubeconfig, text).unwrap();
        let this = Self { _etcd: etcd, _server: server, kubeconfig };
        let begun = Instant::now();
        let cluster = this.source().connect(None).await.unwrap();
        let ready = || http_get(&cluster.client);
        while !ready().await {
            let log = || std::fs::read_to_string(folder.join("apiserver.log")).unwrap();
            assert!(begun.elapsed() < Duration::from_mins(2), "not ready: {}", log());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        this
    }
    fn source(&self) -> Source {
        Source::Kubeconfig(vec![self.kubeconfig.clone()])
    }
    fn kubectl(&self, arguments: &[&str]) -> Option<String> {
        let mut command = Command::new("kubectl");
        let output = command.arg("--kubeconfig").arg(&self.kubeconfig).args(arguments).output();
        let output = output.ok()?;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Some(String::from_utf8(output.stdout).unwrap())
    }
}

/// Whether Secrets can be read, which needs the namespace as well.
async fn http_get(client: &kube::Client) -> bool {
    use k8s_openapi::api::core::v1::Namespace;
    let namespaces: kube::Api<Namespace> = kube::Api::all(client.clone());
    let asked = tokio::time::timeout(Duration::from_secs(2), namespaces.get("default")).await;
    matches!(asked, Ok(Ok(_)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_api_server_keeps_and_gives_back() {
    let Some(assets) = std::env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from) else {
        eprintln!("SKIPPED: KUBEBUILDER_ASSETS does not name a folder with kube-apiserver");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let kube = RealKube::start(&assets, folder.path()).await;
    let mut pace = PACE;
    pace.patience = Duration::from_secs(15);
    pace.goodbye = Duration::from_mins(1);
    let fake = FakeKube::start().await;
    let settings = Settings { source: Some(kube.source()), pace, ..settings(&fake) };
    let database = folder.path().join("brickyard.db");

    // Heketi's own, as it left it.
    let cluster = kube.source().connect(None).await.unwrap();
    let secrets = brickyard::kube::secret::Secrets::new(cluster, pace.patience);
    let heketi = [(DATABASE.to_owned(), heketis())];
    secrets.create(SECRET, &[("heketi", "db")], heketi.clone().into()).await.unwrap();
    let error = brickyard::backup::begin(&settings, &database).await.err().unwrap();
    assert!(error.to_string().contains("heketi db export"), "{error}");

    // A database of several parts.
    brickyard::store::Store::open(&database).await.unwrap().close().await;
    let kept = Kept::start(&settings, &database).await.unwrap();
    let first = kept.add_cluster().await;
    let mut tx = kept.store.write().await.unwrap();
    let bulk = "INSERT INTO attributes (key, value) VALUES ('bulk', hex(randomblob(2500000)))";
    tx.execute(bulk).await.unwrap();
    tx.commit().await.unwrap();
    kept.until_number(1).await;
    kept.until("saved").await;
    let second = kept.add_cluster().await;
    kept.end().await;
    let aside = secrets.get("heketi-db-backup-of-heketi").await.unwrap().unwrap();
    assert_eq!(aside.data(), heketi.into());
    lose(&database);
    let kept = Kept::start(&settings, &database).await.unwrap();
    assert_eq!(kept.clusters().await, [first, second].into());
    kept.until("saved").await;
    let shown = kept.status.shown();
    assert!(shown.secrets >= 3, "{shown:?}");
    // No part of an old backup is left.
    if let Some(names) = kube.kubectl(&["get", "secrets", "-o", "name"]) {
        let ours = names.lines().filter(|name| name.contains(SECRET)).count() as u64;
        assert_eq!(ours, shown.secrets + 1, "{names}");
    }
    kept.end().await;
}
