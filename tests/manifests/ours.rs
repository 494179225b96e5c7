//! The manifests of k8s/: what they say fits together, and a server started by them has what it needs.
use super::{
    Kubernetes, ROOT,
    kubelet::{Container, list, text},
};
use serde_json::{Value, json};
use std::{fs, os::unix::fs::symlink, path::Path};

const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/default/deployments/brickyard";
const POLICIES: &str = "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies";
const BACKUP: &str = "/api/v1/namespaces/default/secrets/heketi-db-backup";

/// What an overlay may change or add. The claim stays: nobody here takes its finalizer off.
const OVERLAID: &str = "deployment,networkpolicy,role,rolebinding";

/// The Secrets that docs/KUBERNETES.md has made before anything is applied.
fn secrets(kubernetes: &Kubernetes) {
    let create = ["create", "secret", "generic"];
    let ssh = ["brickyard-ssh", "--from-literal=id_rsa=a key"];
    let keys = ["brickyard-keys", "--type=kubernetes.io/glusterfs"];
    let values = ["--from-literal=key=the admin's", "--from-literal=user-key=the user's"];
    kubernetes.kubectl(&[&create[..], &ssh].concat());
    kubernetes.kubectl(&[&create[..], &keys, &values].concat());
}

/// Ports that the policies let out of the server's pods.
async fn ports_out(kubernetes: &Kubernetes) -> Vec<u64> {
    let mut ports = vec![];
    for policy in list(&kubernetes.get(POLICIES).await.unwrap()["items"]) {
        assert_eq!(policy["spec"]["podSelector"]["matchLabels"], json!({"app": "brickyard"}));
        for rule in list(&policy["spec"]["egress"]) {
            assert!(rule["to"].is_null(), "{rule}");
            ports.extend(list(&rule["ports"]).iter().filter_map(|port| port["port"].as_u64()));
        }
    }
    ports.sort_unstable();
    ports.dedup();
    ports
}

/// What names something else names what is there.
async fn fits_together(kubernetes: &Kubernetes) {
    let deployment = kubernetes.get(DEPLOYMENT).await.unwrap();
    assert_eq!(deployment["spec"]["strategy"]["type"], "Recreate");
    let template = &deployment["spec"]["template"];
    let labels = json!({"app": "brickyard"});
    assert_eq!(template["metadata"]["labels"], labels);
    let container = &template["spec"]["containers"][0];
    let port = &container["ports"][0];
    for probe in ["readinessProbe", "livenessProbe", "startupProbe"] {
        assert_eq!(container[probe]["httpGet"]["port"], port["name"], "{probe}");
    }
    let service = "/api/v1/namespaces/default/services/brickyard";
    let service = kubernetes.get(service).await.unwrap();
    assert_eq!(service["spec"]["selector"], labels);
    assert_eq!(service["spec"]["ports"][0]["targetPort"], port["name"]);
    let policy = kubernetes.get(&format!("{POLICIES}/brickyard")).await.unwrap();
    let inward = &policy["spec"]["ingress"][0];
    assert_eq!(inward["ports"][0]["port"], port["containerPort"]);
    // Some who ask cannot be named by selectors: see the policy.
    assert!(inward["from"].is_null(), "{inward}");
    let claim = &list(&template["spec"]["volumes"]);
    let claim = claim.iter().find(|volume| volume["name"] == "db").unwrap();
    let claim = text(&claim["persistentVolumeClaim"]["claimName"]);
    let claim = format!("/api/v1/namespaces/default/persistentvolumeclaims/{claim}");
    assert!(kubernetes.get(&claim).await.is_some(), "{claim}");
    // What the image can do without: tests/image/run.
    assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
    assert_eq!(template["spec"]["securityContext"]["runAsUser"], 1000);
}

/// All rights that a server needs for its backups, and none to look around.
async fn rights(kubernetes: &Kubernetes, pods: bool) {
    for verb in ["get", "create", "update", "delete"] {
        assert!(kubernetes.may("brickyard", verb, "secrets").await, "{verb} secrets");
    }
    for verb in ["list", "watch"] {
        assert!(!kubernetes.may("brickyard", verb, "secrets").await, "{verb} secrets");
    }
    for (verb, resource) in
        [("get", "pods"), ("list", "pods"), ("get", "pods/exec"), ("create", "pods/exec")]
    {
        assert_eq!(kubernetes.may("brickyard", verb, resource).await, pods, "{verb} {resource}");
    }
    assert!(!kubernetes.may("brickyard", "delete", "pods").await);
}

/// The server as it is deployed, with the token of its own service account.
async fn over_ssh(kubernetes: &Kubernetes) {
    // Over what there was before.
    kubernetes.kubectl(&["apply", "-f", "tests/data/kube/brickyard-before-overlays.yaml"]);
    let container = async || {
        let deployment = kubernetes.get(DEPLOYMENT).await.unwrap();
        deployment["spec"]["template"]["spec"]["containers"][0].clone()
    };
    assert_eq!(container().await["args"], json!(["serve"]));
    kubernetes.kubectl(&["apply", "-k", "k8s/overlays/ssh"]);
    // Through the start script, which keeps archives and adopts a database of Heketi.
    let container = container().await;
    assert!(container["args"].is_null(), "{container}");
    let names = list(&container["env"]).into_iter().map(|variable| variable["name"].clone());
    assert!(!names.into_iter().any(|name| name == "BRICKYARD_DATABASE"), "{container}");
    fits_together(kubernetes).await;
    rights(kubernetes, false).await;
    assert_eq!(ports_out(kubernetes).await, [22, 53, 443, 6443]);
    let container = Container::of(kubernetes, DEPLOYMENT).await;
    let server = container.start().await;
    let log = server.log();
    assert!(log.contains("topology.json is not there"), "{log}");
    server.done(&["cluster", "create"]);
    let backed_up = |secret: &Value| secret["data"]["heketi.db.gz"].is_string();
    kubernetes.until(BACKUP, backed_up).await;
    let log = server.end();
    let wrong = |line: &&str| line.contains("ERROR") || line.contains("WARN");
    let wrong: Vec<_> = log.lines().filter(wrong).collect();
    assert!(wrong.len() == 1 && wrong[0].contains("there is no database yet"), "{log}");
    // Everything again changes nothing.
    let again = kubernetes.kubectl(&["apply", "-k", "k8s/overlays/ssh"]);
    assert!(again.lines().all(|line| line.ends_with("unchanged")), "{again}");
    kubernetes.kubectl(&["delete", OVERLAID, "--all"]);
    kubernetes.kubectl(&["delete", "secret", "heketi-db-backup"]);
}

/// The same server, whose database lies on a volume of its own making.
async fn on_gluster(kubernetes: &Kubernetes) {
    kubernetes.kubectl(&["apply", "-k", "k8s/overlays/ssh-database-on-gluster"]);
    let deployment = kubernetes.get(DEPLOYMENT).await.unwrap();
    let pod = &deployment["spec"]["template"]["spec"];
    let volumes = list(&pod["volumes"]);
    let db = volumes.iter().find(|volume| volume["name"] == "db").unwrap();
    let gluster = json!({"endpoints": "heketi-storage-endpoints", "path": "heketidbstorage"});
    assert_eq!(*db, json!({"name": "db", "glusterfs": gluster}));
    assert_eq!((&pod["securityContext"]["runAsUser"], volumes.len()), (&json!(0), 4));
    // And back again.
    kubernetes.kubectl(&["apply", "-k", "k8s/overlays/ssh"]);
    fits_together(kubernetes).await;
    kubernetes.kubectl(&["delete", OVERLAID, "--all"]);
}

/// Two servers with a disk each: what one has made the other has when the first ends.
async fn several(kubernetes: &Kubernetes) {
    kubernetes.run(&["delete", "secret", "heketi-db-backup"]);
    let built = kubernetes.kubectl(&["kustomize", "k8s/overlays/ssh-several"]);
    assert!(!built.contains("PersistentVolumeClaim"), "{built}");
    kubernetes.kubectl(&["apply", "-k", "k8s/overlays/ssh-several"]);
    rights(kubernetes, false).await;
    for (verb, may) in [("get", true), ("create", true), ("update", true), ("delete", false)] {
        let leases = "leases.coordination.k8s.io";
        assert_eq!(kubernetes.may("brickyard", verb, leases).await, may, "{verb}");
    }
    let deployment = kubernetes.get(DEPLOYMENT).await.unwrap();
    assert_eq!(deployment["spec"]["replicas"], 2);
    let volumes = list(&deployment["spec"]["template"]["spec"]["volumes"]);
    let db = volumes.iter().find(|volume| volume["name"] == "db").unwrap();
    assert_eq!(*db, json!({"name": "db", "emptyDir": {}}));

    let first = Container::of(kubernetes, DEPLOYMENT).await;
    let second = Container::of(kubernetes, DEPLOYMENT).await;
    let one = first.start().await;
    let made = one.done(&["cluster", "create"]);
    let cluster = made.split("id: ").nth(1).unwrap().trim();
    let hand_over = async {
        while !reqwest::get(format!("{}/ready", second.url()))
            .await
            .is_ok_and(|a| a.status() == 503)
        {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        one.end()
    };
    // It is ready as soon as it works, and not before.
    let (two, log) = tokio::join!(second.start(), hand_over);
    assert!(log.contains("another server may take over now"), "{log}");
    assert!(two.done(&["cluster", "list"]).contains(cluster));
    two.end();
    kubernetes.kubectl(&["delete", OVERLAID, "--all"]);
    kubernetes.kubectl(&["delete", "secret", "heketi-db-backup"]);
}

async fn in_pods(kubernetes: &Kubernetes) {
    kubernetes.kubectl(&["apply", "-k", "k8s/overlays/kubeexec"]);
    fits_together(kubernetes).await;
    rights(kubernetes, true).await;
    assert_eq!(ports_out(kubernetes).await, [53, 443, 6443]);
    let container = Container::of(kubernetes, DEPLOYMENT).await;
    let server = container.start().await;
    let made = server.done(&["cluster", "create"]);
    let cluster = made.split("id: ").nth(1).unwrap().trim();
    let names = ["--management-host-name", "n1", "--storage-host-name", "192.0.2.1"];
    let add = ["node", "add", "--zone", "1", "--cluster", cluster];
    let (added, printed) = server.cli(&[&add[..], &names].concat());
    assert!(!added, "{printed}");
    // It was allowed to look, and there is nothing.
    let log = server.end();
    assert!(log.contains("glusterfs-node") && log.contains("n1"), "{log}");
    assert!(!log.contains("the right to") && !log.contains("forbidden"), "{log}");
    kubernetes.kubectl(&["delete", OVERLAID, "--all"]);
}

/// The block of docs/KUBERNETES.md that begins with this line, without its indentation.
fn documented(beginning: &str) -> String {
    const DOCUMENT: &str = include_str!("../../docs/KUBERNETES.md");
    let from = DOCUMENT.find(&format!("\n{beginning}")).unwrap_or_else(|| panic!("{beginning}"));
    let lines = DOCUMENT[from + 1..].lines().map_while(|line| line.strip_prefix("    "));
    // Logs are what a kubelet has.
    let lines = lines.filter(|line| !line.starts_with("kubectl logs "));
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// One's own image and namespace, as the document has them.
fn adapted(kubernetes: &Kubernetes) {
    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for file in fs::read_dir(from).unwrap().map(|file| file.unwrap().path()) {
            let name = to.join(file.file_name().unwrap());
            if file.is_dir() {
                copy(&file, &name);
            } else {
                let _ = fs::copy(file, name).unwrap();
            }
        }
    }
    let folder = tempfile::tempdir().unwrap();
    copy(&Path::new(ROOT).join("k8s"), &folder.path().join("brickyard/k8s"));
    let overlay = documented("    apiVersion: kustomize.config.k8s.io/v1beta1\n");
    fs::write(folder.path().join("kustomization.yaml"), overlay).unwrap();
    let built = kubernetes.kubectl(&["kustomize", folder.path().to_str().unwrap()]);
    assert!(built.contains("image: registry.example.com/brickyard:1\n"), "{built}");
    assert!(!built.contains("image: brickyard"), "{built}");
    let (objects, named) =
        (built.matches("\nkind: ").count(), built.matches("namespace: storage").count());
    // Each object, and whom the one binding is for.
    assert_eq!(named, objects + 1, "{built}");
}

/// At the first start, and later by the Job; here on simulated nodes.
async fn topology(kubernetes: &Kubernetes) {
    let three = Path::new(ROOT).join("topology-examples/three-zones.json");
    let folder = tempfile::tempdir().unwrap();
    symlink(Path::new(ROOT).join("k8s"), folder.path().join("k8s")).unwrap();
    let file = folder.path().join("topology.json");
    fs::copy(&three, &file).unwrap();
    let [map, load] = ["    kubectl create configmap ", "    kubectl replace "].map(documented);
    kubernetes.shell(folder.path(), &map);
    kubernetes.kubectl(&["apply", "-k", "k8s/overlays/ssh"]);
    kubernetes.run(&["delete", "secret", "heketi-db-backup"]);
    let mut container = Container::of(kubernetes, DEPLOYMENT).await;
    container.set("HEKETI_EXECUTOR", "mock");
    let server = container.start().await;
    let nodes = || server.done(&["node", "list"]).matches("Id:").count();
    let limit = std::time::Instant::now() + super::PATIENCE;
    while !server.log().contains("was loaded") {
        assert!(std::time::Instant::now() < limit, "{}", server.log());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(nodes(), 3);

    let mut more: Value = serde_json::from_slice(&fs::read(three).unwrap()).unwrap();
    let mut fourth = more["clusters"][0]["nodes"][0].clone();
    fourth["node"]["hostnames"] = json!({"manage": ["n4"], "storage": ["192.168.10.14"]});
    more["clusters"][0]["nodes"].as_array_mut().unwrap().push(fourth);
    fs::write(&file, more.to_string()).unwrap();
    kubernetes.shell(folder.path(), &map);
    for _ in 0..2 {
        kubernetes.shell(folder.path(), &load);
        let job = "/apis/batch/v1/namespaces/default/jobs/brickyard-topology";
        let mut job = Container::of(kubernetes, job).await;
        assert_eq!(job.variable("HEKETI_CLI_SERVER"), Some("http://brickyard:8080"));
        job.set("HEKETI_CLI_SERVER", &container.url());
        assert!(job.variable("KUBECONFIG").is_none(), "it has no business with the API server");
        let done = job.command().output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        assert_eq!(nodes(), 4);
    }

    // A database that is lost comes back from its backup, and not from the topology.
    let shown = server.done(&["node", "list"]);
    let gone = shown.split("Id:").nth(1).unwrap().split_whitespace().next().unwrap();
    let shown: Value =
        serde_json::from_str(&server.done(&["node", "info", gone, "--json"])).unwrap();
    for device in list(&shown["devices"]) {
        for change in ["disable", "remove", "delete"] {
            server.done(&["device", change, text(&device["id"])]);
        }
    }
    server.done(&["node", "delete", gone]);
    server.end();
    container.lose("/var/lib/heketi");
    let server = container.start().await;
    let limit = std::time::Instant::now() + super::PATIENCE;
    while !server.log().contains("is not loaded") {
        assert!(std::time::Instant::now() < limit, "{}", server.log());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(server.done(&["node", "list"]).matches("Id:").count(), 3, "a node is back");
    server.end();
}

/// What `check` needs to compare the `PersistentVolumes` is granted apart: it reaches beyond the
/// namespace.
async fn compared(kubernetes: &Kubernetes) {
    const MAY: [(&str, &str, bool); 6] = [
        ("list", "persistentvolumes", true),
        ("get", "endpoints", true),
        ("watch", "persistentvolumes", false),
        ("patch", "persistentvolumes", false),
        ("list", "endpoints", false),
        ("patch", "endpoints", false),
    ];
    kubernetes.kubectl(&["apply", "-k", "k8s/overlays/ssh"]);
    let volume = json!({"apiVersion": "v1", "kind": "PersistentVolume",
        "metadata": {"name": "by-hand"},
        "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteMany"],
            "persistentVolumeReclaimPolicy": "Retain",
            "claimRef": {"namespace": "default", "name": "data"},
            "glusterfs": {"endpoints": "of-others", "path": "data"}}});
    kubernetes.post("/api/v1/persistentvolumes", &volume).await;
    let endpoints = json!({"apiVersion": "v1", "kind": "Endpoints",
        "metadata": {"name": "of-others"},
        "subsets": [{"addresses": [{"ip": "192.0.2.1"}], "ports": [{"port": 1}]}]});
    kubernetes.post("/api/v1/namespaces/default/endpoints", &endpoints).await;
    let mut container = Container::of(kubernetes, DEPLOYMENT).await;
    container.set("BRICKYARD_CHECK_PERSISTENT_VOLUMES", "true");
    let server = container.start().await;
    let check = || -> Value { serde_json::from_str(&server.done(&["--json", "check"])).unwrap() };
    let why = check()["unknown"][0]["why"].as_str().unwrap().to_owned();
    assert!(why.contains("forbidden"), "{why}");
    assert!(why.contains("k8s/additions/check-persistent-volumes"), "{why}");

    for (verb, resource, _) in MAY {
        assert!(!kubernetes.may("brickyard", verb, resource).await, "{verb} {resource}");
    }
    kubernetes.kubectl(&["apply", "-k", "k8s/additions/check-persistent-volumes"]);
    let limit = std::time::Instant::now() + super::PATIENCE;
    let report = loop {
        let report = check();
        if report["unknown"] == json!([]) {
            break report;
        }
        assert!(std::time::Instant::now() < limit, "{report:#}");
    };
    for (verb, resource, may) in MAY {
        assert_eq!(kubernetes.may("brickyard", verb, resource).await, may, "{verb} {resource}");
    }
    let found = json!({"compared": 1, "under_way": 0, "elsewhere": ["by-hand"],
        "volumes_without": []});
    assert_eq!((&report["persistent_volumes"], &report["differences"]), (&found, &json!([])));
    server.end();
    kubernetes.kubectl(&["delete", "-k", "k8s/additions/check-persistent-volumes"]);
    kubernetes.kubectl(&["delete", OVERLAID, "--all"]);
}

/// What not every cluster has is apart.
async fn additions(kubernetes: &Kubernetes) {
    let words = json!({"type": "string"});
    let text_map = json!({"type": "object", "additionalProperties": words});
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "servicemonitors.monitoring.coreos.com"},
        "spec": {
            "group": "monitoring.coreos.com", "scope": "Namespaced",
            "names": {"plural": "servicemonitors", "singular": "servicemonitor",
                "kind": "ServiceMonitor", "listKind": "ServiceMonitorList"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema":
                {"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object",
                    "required": ["selector", "endpoints"], "properties": {
                        "selector": {"type": "object", "properties": {"matchLabels": text_map}},
                        "endpoints": {"type": "array", "items": {"type": "object", "properties":
                            {"port": words, "path": words, "interval": words}}},
                }}}}}}],
        },
    });
    let folder = tempfile::tempdir().unwrap();
    kubernetes.apply(folder.path(), &definition.to_string());
    let monitors = "/apis/monitoring.coreos.com/v1/namespaces/default/servicemonitors";
    kubernetes.until(monitors, |_| true).await;
    // As kubectl would send it. 1.20 as it is built here (Go 1.19) dies of writing custom resources.
    let folder_of = ["-k", "k8s/additions/service-monitor"];
    let dry = ["create", "--dry-run=client", "--validate=false", "-o", "json"];
    let monitor: Value =
        serde_json::from_str(&kubernetes.kubectl(&[&dry[..], &folder_of].concat())).unwrap();
    assert_eq!(monitor["kind"], "ServiceMonitor");
    let service = "/api/v1/namespaces/default/services/brickyard";
    let service = kubernetes.get(service).await.unwrap();
    assert_eq!(monitor["spec"]["selector"]["matchLabels"], service["metadata"]["labels"]);
    let endpoint = &monitor["spec"]["endpoints"][0];
    assert_eq!(endpoint["port"], service["spec"]["ports"][0]["name"]);
    assert_eq!(endpoint["path"], "/metrics");

    // In 1.20 it is the same object by the name of an earlier version.
    let built = kubernetes.kubectl(&["kustomize", "k8s/additions/disruption-budget"]);
    let version = ["v1", "v1beta1"].into_iter().find(|version| {
        let known = kubernetes.kubectl(&["api-resources", "--api-group=policy", "--no-headers"]);
        known.contains(&format!("policy/{version} ")) && known.contains("PodDisruptionBudget")
    });
    let version = version.expect("no version of policy is known");
    assert!(built.contains("apiVersion: policy/v1\n"), "{built}");
    let fitting = built.replace("policy/v1\n", &format!("policy/{version}\n"));
    kubernetes.apply(folder.path(), &fitting);
    let budget =
        format!("/apis/policy/{version}/namespaces/default/poddisruptionbudgets/brickyard");
    let budget = kubernetes.get(&budget).await.unwrap();
    let deployment = kubernetes.get(DEPLOYMENT).await.unwrap();
    assert_eq!(budget["spec"]["selector"], deployment["spec"]["selector"]);
    assert_eq!(budget["spec"]["maxUnavailable"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_taken_and_the_server_lives_by_them() {
    let Some(kubernetes) = Kubernetes::start().await else { return };
    secrets(&kubernetes);
    adapted(&kubernetes);
    over_ssh(&kubernetes).await;
    on_gluster(&kubernetes).await;
    several(&kubernetes).await;
    in_pods(&kubernetes).await;
    compared(&kubernetes).await;
    topology(&kubernetes).await;
    additions(&kubernetes).await;
}

/// There is one Deployment of the server, in one place, which overlays change.
#[test]
fn nothing_is_written_twice() {
    fn files(folder: &Path) -> Vec<std::path::PathBuf> {
        let all = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        all.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
    }
    let all = files(&Path::new(ROOT).join("k8s"));
    let texts: Vec<_> = all.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    for line in ["  strategy: {type: Recreate}", "          startupProbe:"] {
        let found = texts.iter().filter(|text| text.lines().any(|l| l == line)).count();
        assert_eq!(found, 1, "{line}");
    }
}
