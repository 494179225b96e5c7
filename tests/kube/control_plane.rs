//! A real control plane of Kubernetes for tests: etcd, API server and controller manager on free
//! loopback ports, in a folder of their own. There is no scheduler and no kubelet: pods stay
//! Pending, claims bind all the same.
//!
//! The programs are in the folder that `KUBEBUILDER_ASSETS` names; `tests/kube/assets` prepares one.
use axum::http::Request;
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};
use std::{
    fs::{self, File},
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU16, Ordering::SeqCst},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// The convention of the field for where the programs are.
pub const ASSETS: &str = "KUBEBUILDER_ASSETS";
const PROGRAMS: [&str; 3] = ["etcd", "kube-apiserver", "kube-controller-manager"];
/// A calm machine needs 3 to 5 seconds.
const START: Duration = Duration::from_mins(2);
/// Below those from which the kernel takes ports for outgoing connections by default.
const PORTS: std::ops::Range<u16> = 10_000..18_000;
/// What makes volumes of claims, and what namespaces and service accounts need.
const CONTROLLERS: &str = "persistentvolume-binder,persistentvolume-expander,pv-protection,\
     pvc-protection,endpoint,namespace,serviceaccount,serviceaccount-token";
/// The end of a log that is shown when something does not start.
const SHOWN: usize = 3000;

/// Ends its processes when it is dropped. Their logs stay when that happens in a panic.
pub struct ControlPlane {
    processes: Vec<(&'static str, Child)>,
    folder: Option<TempDir>,
    url: String,
    token: String,
}

/// The folder of the programs; none where the variable is not set.
///
/// # Panics
/// The variable is set, and the programs are not there.
pub fn assets() -> Option<PathBuf> {
    let named = PathBuf::from(std::env::var_os(ASSETS)?);
    // The programs work in a folder of their own.
    let folder = named.canonicalize().unwrap_or(named);
    for program in PROGRAMS {
        assert!(folder.join(program).is_file(), "{ASSETS}: {} lacks {program}", folder.display());
    }
    Some(folder)
}

impl ControlPlane {
    /// All of it, ready: the default namespace has its service account.
    ///
    /// # Panics
    /// It is not ready within two minutes; the logs are shown.
    pub async fn start(assets: &Path) -> Self {
        let mut plane = Self::without_controllers(assets).await;
        plane.start_controllers(assets);
        let account = "/api/v1/namespaces/default/serviceaccounts/default";
        plane.until("a service account", async |client| get(client, account).await.is_some()).await;
        plane
    }

    /// etcd and API server only: objects stay as they are made.
    ///
    /// # Panics
    /// As [`Self::start`].
    pub async fn without_controllers(assets: &Path) -> Self {
        let folder = tempfile::Builder::new().prefix("brickyard-kube-").tempdir().unwrap();
        let [store, peers, api] = free_ports();
        let mut plane = Self {
            processes: vec![],
            folder: Some(folder),
            url: format!("https://127.0.0.1:{api}"),
            token: uuid::Uuid::new_v4().simple().to_string(),
        };
        plane.write_files();
        let (store, peers) =
            (format!("http://127.0.0.1:{store}"), format!("http://127.0.0.1:{peers}"));
        plane.spawn(
            assets,
            "etcd",
            &[
                format!("--data-dir={}", plane.path("etcd").display()),
                format!("--listen-client-urls={store}"),
                format!("--advertise-client-urls={store}"),
                format!("--listen-peer-urls={peers}"),
                format!("--initial-advertise-peer-urls={peers}"),
                format!("--initial-cluster=default={peers}"),
            ],
        );
        let file = |name: &str| plane.path(name).display().to_string();
        let arguments = [
            format!("--etcd-servers={store}"),
            format!("--secure-port={api}"),
            "--bind-address=127.0.0.1".into(),
            "--advertise-address=127.0.0.1".into(),
            format!("--tls-cert-file={}", file("api.crt")),
            format!("--tls-private-key-file={}", file("api.key")),
            // The one key signs for both; its public half is in the certificate.
            format!("--service-account-key-file={}", file("api.crt")),
            format!("--service-account-signing-key-file={}", file("api.key")),
            "--service-account-issuer=https://kubernetes.default.svc".into(),
            format!("--token-auth-file={}", file("tokens.csv")),
            "--authorization-mode=RBAC".into(),
            "--service-cluster-ip-range=10.96.0.0/16".into(),
            "--allow-privileged=true".into(),
        ];
        plane.spawn(assets, "kube-apiserver", &arguments);
        let ready = async |client: &Client| {
            let asked = Request::get("/readyz").body(vec![]).unwrap();
            client.request_text(asked).await.is_ok_and(|text| text == "ok")
        };
        plane.until("the API server", ready).await;
        plane
    }

    /// Tests ask much at once and want to see failures tried again soon: the limits of requests and
    /// the period at which claims are looked at again are not those of real clusters.
    fn start_controllers(&mut self, assets: &Path) {
        let arguments = [
            format!("--kubeconfig={}", self.kubeconfig().display()),
            format!("--controllers={CONTROLLERS}"),
            "--leader-elect=false".into(),
            format!("--service-account-private-key-file={}", self.path("api.key").display()),
            "--bind-address=127.0.0.1".into(),
            "--port=0".into(),
            "--secure-port=0".into(),
            "--kube-api-qps=500".into(),
            "--kube-api-burst=1000".into(),
            "--pvclaimbinder-sync-period=3s".into(),
            // Only so does the provisioner tell what it was told.
            "--vmodule=glusterfs=4".into(),
        ];
        self.spawn(assets, "kube-controller-manager", &arguments);
    }

    /// A client who may do everything.
    pub async fn client(&self) -> Client {
        let file = Kubeconfig::read_from(self.kubeconfig()).unwrap();
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(file, &options).await.unwrap();
        Client::try_from(config).unwrap()
    }
    /// For programs: names the server, its certificate and the token.
    pub fn kubeconfig(&self) -> PathBuf {
        self.path("kubeconfig")
    }
    pub fn url(&self) -> &str {
        &self.url
    }
    /// Bearer token of somebody who may do everything.
    pub fn token(&self) -> &str {
        &self.token
    }
    /// Certificate of the API server, in PEM.
    pub fn certificate(&self) -> PathBuf {
        self.path("api.crt")
    }
    /// What one of the programs has said so far.
    pub fn log(&self, program: &str) -> String {
        fs::read_to_string(self.path(&format!("{program}.log"))).unwrap_or_default()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.as_ref().unwrap().path().join(name)
    }
    fn write_files(&self) {
        let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        fs::write(self.path("api.crt"), made.cert.pem()).unwrap();
        fs::write(self.path("api.key"), made.signing_key.serialize_pem()).unwrap();
        let person = format!("{},admin,admin,\"system:masters\"\n", self.token);
        fs::write(self.path("tokens.csv"), person).unwrap();
        // JSON is YAML as well.
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster":
                {"server": self.url, "certificate-authority": self.certificate()}}],
            "users": [{"name": "admin", "user": {"token": self.token}}],
            "contexts": [{"name": "test", "context":
                {"cluster": "test", "user": "admin", "namespace": "default"}}],
            "current-context": "test",
        });
        fs::write(self.kubeconfig(), config.to_string()).unwrap();
    }

    /// `setpriv` ends the program with the thread that calls this, also when its process is killed.
    fn spawn(&mut self, assets: &Path, program: &'static str, arguments: &[String]) {
        let log = File::create(self.path(&format!("{program}.log"))).unwrap();
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .arg(assets.join(program))
            .args(arguments)
            .current_dir(self.folder.as_ref().unwrap().path())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.processes.push((program, child));
    }

    async fn until(&mut self, what: &str, ready: impl AsyncFn(&Client) -> bool) {
        let client = self.client().await;
        let limit = Instant::now() + START;
        while !ready(&client).await {
            let mut ended = None;
            for (program, process) in &mut self.processes {
                if let Some(status) = process.try_wait().unwrap() {
                    ended = Some(format!("{program} ended: {status}"));
                }
            }
            if ended.is_none() && Instant::now() < limit {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
            let why = ended.unwrap_or_else(|| format!("not within {START:?}"));
            let logs = self.processes.iter().map(|(program, _)| self.end_of_log(program));
            panic!("{what}: {why}\n{}", logs.collect::<String>());
        }
    }
    fn end_of_log(&self, program: &str) -> String {
        let log = self.log(program);
        let from = log.len().saturating_sub(SHOWN);
        let from = (from..log.len()).find(|at| log.is_char_boundary(*at)).unwrap_or(log.len());
        format!("{program}: ...{}\n", &log[from..])
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        // The last one begun does not miss those before it.
        for (_, mut process) in self.processes.drain(..).rev() {
            drop(process.kill());
            drop(process.wait());
        }
        if std::thread::panicking()
            && let Some(folder) = self.folder.take()
        {
            let kept = folder.keep();
            let said = format!("logs of the control plane are in {}\n", kept.display());
            drop(std::io::Write::write_all(&mut std::io::stderr(), said.as_bytes()));
        }
    }
}

/// An object by its path; none when it is not there.
async fn get(client: &Client, path: &str) -> Option<Value> {
    let asked = Request::get(path).body(vec![]).unwrap();
    client.request(asked).await.ok()
}

/// Ports on which nobody listens. Control planes side by side begin to look at different places.
fn free_ports<const N: usize>() -> [u16; N] {
    static BEGUN: AtomicU16 = AtomicU16::new(0);
    let first = std::process::id() % 7000 + u32::from(BEGUN.fetch_add(10, SeqCst));
    let all = PORTS.cycle().skip(usize::try_from(first).unwrap()).take(PORTS.len());
    let mut free = all.filter(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok());
    std::array::from_fn(|_| free.next().unwrap())
}
