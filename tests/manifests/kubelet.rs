//! What a kubelet makes of a pod, as far as the program in it can tell: files of volumes, environment,
//! the token of the service account. Paths of the container lie in a folder.
use super::{Kubernetes, PATIENCE};
use crate::harness::free_port;
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs::{self, File, Permissions},
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Instant,
};
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_brickyard");
/// Where the image has things of which a manifest need not speak, by the variables for them.
const USUAL: [(&str, &str); 4] = [
    ("HEKETI_PATH", "/var/lib/heketi"),
    ("HEKETI_CONFIG", "/etc/heketi/heketi.json"),
    ("BACKUPDB_PATH", "/backupdb"),
    ("TMPDIR", "/tmp"),
];

/// The container of a pod, ready to be started.
pub struct Container {
    folder: TempDir,
    spec: Value,
    environment: BTreeMap<String, String>,
    port: u16,
}

impl Container {
    /// Of what the API server has as the template of pods there: a Deployment, a Job.
    ///
    /// # Panics
    /// A kubelet would not start it: something that it names is not there.
    pub async fn of(kubernetes: &Kubernetes, path: &str) -> Self {
        let object = kubernetes.get(path).await.unwrap_or_else(|| panic!("{path} is not there"));
        let pod = object["spec"]["template"]["spec"].clone();
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let spec = pod["containers"][0].clone();
        let mut container = Self { folder, spec, environment: BTreeMap::new(), port };
        container.mount(kubernetes, &pod).await;
        container.give_environment(kubernetes).await;
        let account = pod["serviceAccountName"].as_str().unwrap_or("default");
        if pod["automountServiceAccountToken"] != false {
            container.give_token(kubernetes, account).await;
        }
        container
    }

    /// Where a path of the container lies.
    pub fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join("root").join(path.trim_start_matches('/'))
    }
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(String::as_str)
    }
    /// What somebody changes in the manifest.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.insert(name.into(), value.into());
    }

    async fn mount(&self, kubernetes: &Kubernetes, pod: &Value) {
        // Of the image itself.
        for folder in ["/var/lib/heketi", "/tmp"] {
            fs::create_dir_all(self.at(folder)).unwrap();
        }
        for mount in list(&self.spec["volumeMounts"]) {
            let place = self.at(text(&mount["mountPath"]));
            fs::create_dir_all(&place).unwrap();
            let all = list(&pod["volumes"]);
            let volume = all.iter().find(|volume| volume["name"] == mount["name"]);
            let volume = volume.unwrap_or_else(|| panic!("no volume {}", mount["name"]));
            let (kind, source, name) = if volume["secret"].is_object() {
                ("secrets", &volume["secret"], text(&volume["secret"]["secretName"]))
            } else if volume["configMap"].is_object() {
                ("configmaps", &volume["configMap"], text(&volume["configMap"]["name"]))
            } else {
                continue;
            };
            let found = kubernetes.get(&format!("/api/v1/namespaces/default/{kind}/{name}")).await;
            let Some(object) = found else {
                assert_eq!(source["optional"], true, "{name} is not there: the pod does not start");
                continue;
            };
            let mode = u32::try_from(source["defaultMode"].as_u64().unwrap_or(0o644)).unwrap();
            for (file, content) in object["data"].as_object().into_iter().flatten() {
                let content = text(content);
                let bytes = if kind == "secrets" {
                    BASE64.decode(content).unwrap()
                } else {
                    content.as_bytes().to_vec()
                };
                fs::write(place.join(file), bytes).unwrap();
                fs::set_permissions(place.join(file), Permissions::from_mode(mode)).unwrap();
            }
        }
    }

    async fn give_environment(&mut self, kubernetes: &Kubernetes) {
        let mounts: Vec<String> =
            list(&self.spec["volumeMounts"]).iter().map(|m| text(&m["mountPath"]).into()).collect();
        for (name, path) in USUAL {
            self.environment.insert(name.into(), self.at(path).display().to_string());
        }
        for variable in list(&self.spec["env"]) {
            let key = &variable["valueFrom"]["secretKeyRef"];
            let mut value = if key.is_object() {
                let path = format!("/api/v1/namespaces/default/secrets/{}", text(&key["name"]));
                let secret = kubernetes.get(&path).await.unwrap_or_else(|| panic!("no {path}"));
                let bytes = BASE64.decode(text(&secret["data"][text(&key["key"])])).unwrap();
                String::from_utf8(bytes).unwrap()
            } else {
                text(&variable["value"]).to_owned()
            };
            if mounts.iter().any(|mount| Path::new(&value).starts_with(mount)) {
                value = self.at(&value).display().to_string();
            }
            self.environment.insert(text(&variable["name"]).into(), value);
        }
        // Pods have an address each; here a port has to do.
        self.set("HEKETI_HTTP_PORT", &self.port.to_string());
    }

    /// A kubeconfig stands for the files that a pod has of its service account.
    async fn give_token(&mut self, kubernetes: &Kubernetes, account: &str) {
        let path = format!("/api/v1/namespaces/default/serviceaccounts/{account}/token");
        let asked = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
            "spec": {"expirationSeconds": 3600}});
        let token = kubernetes.post(&path, &asked).await["status"]["token"].clone();
        let plane = &kubernetes.plane;
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "pod",
            "clusters": [{"name": "c", "cluster":
                {"server": plane.url(), "certificate-authority": plane.certificate()}}],
            "users": [{"name": "u", "user": {"token": token}}],
            "contexts": [{"name": "pod", "context":
                {"cluster": "c", "user": "u", "namespace": "default"}}],
        });
        let file = self.folder.path().join("kubeconfig");
        fs::write(&file, config.to_string()).unwrap();
        self.set("KUBECONFIG", file.to_str().unwrap());
    }

    /// The entry point of the image with the arguments of the manifest, whose paths are mapped.
    pub fn command(&self) -> Command {
        assert!(self.spec["command"].is_null(), "another entry point: {}", self.spec["command"]);
        let programs = self.folder.path().join("bin");
        if !programs.exists() {
            fs::create_dir(&programs).unwrap();
            for name in ["brickyard", "heketi", "heketi-cli"] {
                symlink(BINARY, programs.join(name)).unwrap();
            }
        }
        let mut command = Command::new("sh");
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/container/heketi-start.sh"));
        for argument in list(&self.spec["args"]) {
            let argument = text(&argument);
            let mapped = argument
                .split_once("=/")
                .map(|(flag, path)| format!("{flag}={}", self.at(path).display()));
            command.arg(mapped.unwrap_or_else(|| argument.to_owned()));
        }
        command.current_dir(self.at("/var/lib/heketi")).env_clear().envs(&self.environment);
        command.env("PATH", format!("{}:/usr/bin:/bin", programs.display())).stdin(Stdio::null());
        command
    }

    /// Starts it, and waits until its readiness probe succeeds.
    pub async fn start(&self) -> Running<'_> {
        let log = self.folder.path().join("log");
        let file = File::options().create(true).append(true).open(&log).unwrap();
        let mut command = self.command();
        let process = command.stdout(file.try_clone().unwrap()).stderr(file).spawn().unwrap();
        let mut running = Running { container: self, process };
        let probe = &self.spec["readinessProbe"]["httpGet"];
        let ports = list(&self.spec["ports"]);
        let named =
            |port: &&Value| port["name"] == probe["port"] || port["containerPort"] == probe["port"];
        let port = ports.iter().find(named).unwrap_or_else(|| panic!("no port for {probe}"));
        assert_eq!(port["containerPort"], 8080, "the server listens elsewhere");
        let url = format!("{}{}", self.url(), text(&probe["path"]));
        let limit = Instant::now() + PATIENCE;
        while !reqwest::get(&url).await.is_ok_and(|answer| answer.status() == 200) {
            let ended = running.process.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < limit, "{ended:?}: {}", running.log());
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        running
    }

    /// As when the pod comes up on another machine, without the volumes that were the machine's.
    pub fn lose(&self, path: &str) {
        fs::remove_dir_all(self.at(path)).unwrap();
        fs::create_dir_all(self.at(path)).unwrap();
    }
}

/// A container that runs; it is killed when this is dropped.
pub struct Running<'a> {
    container: &'a Container,
    process: Child,
}

impl Running<'_> {
    /// What it has said, in all its starts.
    pub fn log(&self) -> String {
        fs::read_to_string(self.container.folder.path().join("log")).unwrap()
    }
    /// The command line of the administrator; whether it succeeded, and what it printed.
    pub fn cli(&self, arguments: &[&str]) -> (bool, String) {
        let mut command = Command::new(BINARY);
        command.args(["cli", "--server", &self.container.url()]).args(arguments).env_clear();
        if let Some(key) = self.container.variable("HEKETI_ADMIN_KEY") {
            command.args(["--user", "admin", "--secret", key]);
        }
        let done = command.output().unwrap();
        let printed = [done.stdout, done.stderr].concat();
        (done.status.success(), String::from_utf8(printed).unwrap())
    }
    /// The same; it must succeed.
    pub fn done(&self, arguments: &[&str]) -> String {
        let (success, printed) = self.cli(arguments);
        assert!(success, "{arguments:?}: {printed}\n{}", self.log());
        printed
    }
    /// SIGTERM, as for a pod that is deleted; it must end in order.
    pub fn end(mut self) -> String {
        let told = Command::new("kill").arg(self.process.id().to_string()).status().unwrap();
        assert!(told.success() && self.process.wait().unwrap().success(), "{}", self.log());
        self.log()
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

pub fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}
