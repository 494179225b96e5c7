//! `/internal/state/check` with the `PersistentVolumes` of Kubernetes: each kind of drift is caused,
//! found and named, and nothing is found that cannot be known.
use crate::harness::{
    Start, TestApp,
    kube::{FakeKube, Trouble, volumes::Objects},
};
use serde_json::{Value, json};

const CHECK: &str = "/internal/state/check";
const HOSTS: [&str; 3] = ["10.0.0.1", "10.0.0.2", "10.0.0.3"];

/// Three nodes with two volumes, both of them claimed.
struct Site {
    app: TestApp,
    kube: FakeKube,
    /// As the server has them.
    volumes: Vec<Value>,
    /// Names of the `PersistentVolumes`.
    names: Vec<String>,
}

impl Site {
    async fn start() -> Self {
        let kube = FakeKube::start().await;
        let persistent_volumes = Some(kube.persistent_volumes().await);
        let start = Start { persistent_volumes, ..Start::default() };
        let app = TestApp::start_with(start).await.with_nodes(3, 1).await;
        let mut site = Self { app, kube, volumes: vec![], names: vec![] };
        for _ in 0..2 {
            let replica = json!({"type": "replicate", "replicate": {"replica": 3}});
            let body = json!({"size": 10, "durability": replica});
            let volume = site.app.create_volume(body).await;
            site.names.push(site.kube.objects(|all| all.provision(&volume, &HOSTS)));
            site.volumes.push(volume);
        }
        site
    }
    async fn check(&self) -> Value {
        let answer = self.app.client.get(CHECK).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }
    /// What is found; nothing is unknown.
    async fn differences(&self) -> Vec<Value> {
        let report = self.check().await;
        assert_eq!(report["unknown"], json!([]), "{report:#}");
        report["differences"].as_array().unwrap().clone()
    }
    /// The only difference there is; it has no repair.
    async fn only(&self, kind: &str) -> Value {
        let mut found = self.differences().await;
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!((&found[0]["kind"], &found[0]["repair"]), (&json!(kind), &Value::Null));
        found.remove(0)
    }
    /// The only thing that is not known; nothing is found.
    async fn doubt(&self) -> Value {
        let report = self.check().await;
        assert_eq!(report["differences"], json!([]), "{report:#}");
        let unknown = report["unknown"].as_array().unwrap();
        assert_eq!(unknown.len(), 1, "{report:#}");
        assert_eq!(unknown[0]["place"], "Kubernetes");
        unknown[0].clone()
    }
    fn objects<T>(&self, work: impl FnOnce(&mut Objects) -> T) -> T {
        self.kube.objects(work)
    }
    fn spec(&self, name: usize, change: impl FnOnce(&mut Value)) {
        self.objects(|all| change(all.spec(&self.names[name])));
    }
    /// A `PersistentVolume` as `volume create --persistent-volume` prints it.
    fn print(&self, name: &str, path: &str, endpoints: &str) {
        let object = json!({
            "metadata": {"name": name, "uid": name},
            "spec": {
                "capacity": {"storage": "10Gi"},
                "claimRef": {"namespace": "shop", "name": "data"},
                "glusterfs": {"endpoints": endpoints, "path": path},
                "persistentVolumeReclaimPolicy": "Retain",
            },
            "status": {"phase": "Bound"},
        });
        self.objects(|all| all.volumes.insert(name.to_owned(), object));
    }
}

fn text(difference: &Value, part: &str) -> String {
    difference[part].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn nothing_is_asked_unless_somebody_wants_it() {
    let app = TestApp::start().await.with_nodes(1, 1).await;
    let report = app.client.get(CHECK).await.json();
    assert!(report.get("persistent_volumes").is_none(), "{report}");
}

#[tokio::test]
async fn what_agrees() {
    let site = Site::start().await;
    // Others, and what is mounted by other means, is passed by.
    let nfs = json!({"metadata": {"name": "nfs"}, "spec": {"nfs": {"path": "/"}}});
    site.objects(|all| all.volumes.insert("nfs".into(), nfs));
    // One that was made by hand, for the same volume; of another namespace.
    let name = site.volumes[0]["name"].as_str().unwrap();
    site.print("by-hand", name, "shared");
    site.objects(|all| all.endpoints("shop", "shared", Some(&["10.0.0.2"])));
    assert_eq!(site.differences().await, [] as [Value; 0]);
    let report = site.check().await;
    let nobody = json!({"compared": 3, "under_way": 0, "elsewhere": [], "volumes_without": []});
    assert_eq!(report["persistent_volumes"], nobody);
    // Four, in pages of two, before and after.
    site.objects(|all| all.pages = 0);
    site.check().await;
    assert_eq!(site.objects(|all| all.pages), 4);
}

/// Told, and no difference: many volumes are for others than Kubernetes.
#[tokio::test]
async fn a_volume_that_none_names_is_told() {
    let site = Site::start().await;
    let hosting = json!({"size": 10, "block": true});
    site.app.create_volume(hosting).await;
    site.app.create_volume(json!({"size": 2, "name": "heketidbstorage"})).await;
    site.objects(|all| all.volumes.remove(&site.names[1]));
    let report = site.check().await;
    assert_eq!((&report["differences"], &report["unknown"]), (&json!([]), &json!([])));
    let without = &report["persistent_volumes"]["volumes_without"];
    let of = |part: &str| site.volumes[1][part].clone();
    let told = json!({"id": of("id"), "name": of("name"), "size": 10, "cluster": of("cluster")});
    assert_eq!(*without, json!([told]));
    // One that is about to go names it still.
    let name = site.objects(|all| all.provision(&site.volumes[1], &HOSTS));
    site.objects(|all| all.volumes.get_mut(&name).unwrap()["status"]["phase"] = "Released".into());
    let report = site.check().await;
    let shown = &report["persistent_volumes"];
    assert_eq!((&shown["volumes_without"], &shown["under_way"]), (&json!([]), &json!(1)));
}

#[tokio::test]
async fn a_volume_that_is_not_there() {
    let site = Site::start().await;
    let id = text(&site.volumes[0], "id");
    let deleted = site.app.client.delete(&format!("/volumes/{id}")).await;
    assert_eq!(site.app.client.finish(deleted).await.status, 204);
    let found = site.only("persistent-volume-without-volume").await;
    assert_eq!(found["id"], format!("persistent-volume-without-volume/{}", site.names[0]));
    assert!(text(&found, "text").contains(&format!("volume \"vol_{id}\" (id \"{id}\") of hosts")));
    assert!(text(&found, "advice").contains("for a later backup"), "{found}");

    // A name without an id.
    site.objects(|all| all.volumes.remove(&site.names[0]));
    site.print("by-hand", &format!("/vol_{id}/folder"), "shared");
    site.objects(|all| all.endpoints("shop", "shared", Some(&["10.0.0.2", "192.0.2.1"])));
    let found = site.only("persistent-volume-without-volume").await;
    assert!(text(&found, "text").contains(&format!("volume \"vol_{id}\" of hosts")), "{found}");
}

/// Several servers may serve one Kubernetes: what has none of our hosts is not ours to judge.
#[tokio::test]
async fn volumes_of_another_server() {
    let site = Site::start().await;
    let strange = |all: &mut Objects, endpoints| {
        all.endpoints("shop", endpoints, Some(&["192.0.2.1", "192.0.2.2"]));
    };
    let other = json!({"id": "0".repeat(32), "name": "vol_other", "size": 1});
    let name = site.objects(|all| all.provision(&other, &["192.0.2.1"]));
    assert_eq!(site.differences().await, [] as [Value; 0]);
    let report = site.check().await;
    assert_eq!(report["persistent_volumes"]["elsewhere"], json!([name]));
    assert_eq!(report["persistent_volumes"]["compared"], 3);
    site.objects(|all| all.volumes.remove(&name));

    // Nobody can tell whose it is without Endpoints.
    site.print("by-hand", "data", "nowhere");
    let doubt = site.doubt().await;
    assert_eq!(doubt["what"], "PersistentVolume by-hand");
    assert!(text(&doubt, "why").contains("whether it is of another one"), "{doubt}");

    // It has only the name of one of ours: what to do depends on whose it is.
    site.print("by-hand", site.volumes[0]["name"].as_str().unwrap(), "shared");
    site.objects(|all| strange(all, "shared"));
    let found = site.only("endpoints-stale").await;
    assert!(text(&found, "advice").starts_with("if it is meant to be of this server"), "{found}");
}

#[tokio::test]
async fn an_id_and_a_path_that_differ() {
    let site = Site::start().await;
    let (one, other) = (text(&site.volumes[0], "name"), text(&site.volumes[1], "name"));
    site.spec(0, |spec| spec["glusterfs"]["path"] = other.clone().into());
    let found = site.only("persistent-volume-mismatch").await;
    assert!(text(&found, "text").contains(&format!("mounts volume {other:?}, and names {one}")));
    // The id of nobody does not become that of the volume which has the name now.
    site.spec(0, |spec| spec["glusterfs"]["path"] = one.into());
    let key = "gluster.kubernetes.io/heketi-volume-id";
    site.objects(|all| {
        let object = all.volumes.get_mut(&site.names[0]).unwrap();
        object["metadata"]["annotations"][key] = "0".repeat(32).into();
    });
    let found = site.only("persistent-volume-without-volume").await;
    assert!(text(&found, "advice").contains("volume-not-in-database"), "{found}");
}

#[tokio::test]
async fn a_size_that_differs() {
    let site = Site::start().await;
    let set = |size: &str| site.spec(0, |spec| spec["capacity"]["storage"] = size.into());
    // Kubernetes' sizes are rounded up to GiB when they are ordered.
    for same in ["10Gi", "9500Mi", "10G", "10737418240"] {
        set(same);
        assert_eq!(site.differences().await, [] as [Value; 0], "{same}");
    }
    let id = text(&site.volumes[0], "id");
    set("12Gi");
    let found = site.only("persistent-volume-size").await;
    assert!(text(&found, "text").contains("capacity of 12 GiB"), "{found}");
    let advice = text(&found, "advice");
    assert!(advice.contains(&format!("volume expand --volume={id} --expand-size=2")), "{advice}");
    set("10240.5Mi");
    assert!(text(&site.only("persistent-volume-size").await, "text").contains("of 11 GiB"));
    set("4Gi");
    let advice = text(&site.only("persistent-volume-size").await, "advice");
    assert!(advice.contains("ask for 10Gi in claim shop/claim-"), "{advice}");
    set("much");
    let doubt = site.doubt().await;
    assert_eq!(doubt["what"], format!("PersistentVolume {}", site.names[0]));
    assert_eq!(doubt["why"], "its capacity is no size");
}

/// Kubernetes' provisioner has written `20G` for a volume of 20 GiB.
#[tokio::test]
async fn a_size_in_powers_of_ten() {
    let site = Site::start().await;
    let volume = site.app.create_volume(json!({"size": 20})).await;
    let name = site.objects(|all| all.provision(&volume, &HOSTS));
    let set = |size: &str| {
        site.objects(|all| all.spec(&name)["capacity"]["storage"] = size.into());
    };
    for same in ["20Gi", "20G", "20000000000", "20000M"] {
        set(same);
        assert_eq!(site.differences().await, [] as [Value; 0], "{same}");
    }
    for (other, shown) in [("19G", 18), ("20000000001", 19), ("22G", 21)] {
        set(other);
        let found = site.only("persistent-volume-size").await;
        let words = format!("capacity of {shown} GiB");
        assert!(text(&found, "text").contains(&words), "{other}: {found}");
    }
}

#[tokio::test]
async fn endpoints_that_lead_nowhere() {
    let site = Site::start().await;
    let id = text(&site.volumes[0], "id");
    let name = format!("glusterfs-dynamic-{id:.8}");
    let set =
        |addresses: Option<&[&str]>| site.objects(|all| all.endpoints("shop", &name, addresses));
    // One host less is no fault: whoever mounts needs one of them.
    set(Some(&HOSTS[1..]));
    assert_eq!(site.differences().await, [] as [Value; 0]);
    // A node was replaced.
    set(Some(&["10.0.0.1", "10.0.0.2", "10.0.0.9"]));
    let found = site.only("endpoints-stale").await;
    assert!(text(&found, "text").contains("any more: 10.0.0.9; PersistentVolume pvc-"), "{found}");
    let patch = format!(
        "kubectl --namespace shop patch endpoints {name} --patch \"$(brickyard cli \
                         volume endpoint patch {id})\""
    );
    assert_eq!(found["advice"], patch);
    // All of them were.
    set(Some(&["10.0.0.8", "10.0.0.9"]));
    let found = site.only("endpoints-stale").await;
    assert!(text(&found, "text").contains("no address of a storage host of cluster"), "{found}");
    set(Some(&[]));
    site.only("endpoints-stale").await;
    set(None);
    let found = site.only("endpoints-missing").await;
    assert!(text(&found, "text").contains(&format!("Endpoints shop/{name} are not there")));
    // Nothing that somebody wrote into a PersistentVolume becomes a path or a command.
    site.spec(0, |spec| spec["glusterfs"]["endpoints"] = "x/../../secrets/y; rm".into());
    let found = site.only("endpoints-missing").await;
    assert!(!text(&found, "advice").contains("rm"), "{found}");
}

/// One thing that is wrong for many is one thing.
#[tokio::test]
async fn endpoints_that_many_share() {
    let site = Site::start().await;
    for n in 0..3 {
        let name = site.volumes[n % 2]["name"].as_str().unwrap();
        site.print(&format!("by-hand-{n}"), name, "shared");
    }
    site.objects(|all| all.endpoints("shop", "shared", Some(&["10.0.0.1", "10.0.0.9"])));
    let found = site.only("endpoints-stale").await;
    assert!(text(&found, "text").contains("PersistentVolume by-hand-0 and 2 others"), "{found}");
}

/// Hosts by name: which addresses they have nobody here knows.
#[tokio::test]
async fn hosts_that_have_names() {
    let site = Site::start().await;
    let mut tx = site.app.app.store.write().await.unwrap();
    let change = "UPDATE node_hostnames SET name = 'storage-1' WHERE name = '10.0.0.1'";
    sqlx::query(change).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    let report = site.check().await;
    // What gluster says of the renamed host is another matter.
    let found = report["differences"].as_array().unwrap().iter();
    let kinds: Vec<_> = found.map(|found| text(found, "kind")).collect();
    assert!(kinds.iter().all(|kind| !kind.starts_with("endpoints")), "{kinds:?}");
    let unknown = report["unknown"].as_array().unwrap();
    let found = unknown.iter().find(|unknown| unknown["place"] == "Kubernetes").unwrap();
    assert!(text(found, "what").ends_with(" and another one"), "{found}");
    assert!(text(found, "why").contains("some of these have names only"), "{found}");
}

#[tokio::test]
async fn what_may_not_be_asked_is_not_known() {
    let site = Site::start().await;
    site.objects(|all| all.endpoints("shop", "glusterfs-dynamic-x", None));
    site.objects(|all| all.refuse("persistentvolumes", 403));
    let doubt = site.doubt().await;
    assert_eq!(doubt["what"], "PersistentVolumes");
    let why = text(&doubt, "why");
    assert!(why.contains("persistentvolumes is forbidden"), "{why}");
    assert!(why.contains("k8s/additions/check-persistent-volumes"), "{why}");
    assert!(site.check().await.get("persistent_volumes").is_none());
    // The nodes are compared all the same.
    site.app.sim.world().nodes.get_mut("n0.example.com").unwrap().fstab.clear();
    let report = site.check().await;
    assert_eq!(report["differences"].as_array().unwrap().len(), 2, "{report:#}");
}

#[tokio::test]
async fn endpoints_that_may_not_be_read() {
    let site = Site::start().await;
    site.objects(|all| all.refuse("endpoints", 403));
    let doubt = site.doubt().await;
    assert_eq!(doubt["what"], "Endpoints of PersistentVolumes");
    assert!(text(&doubt, "why").contains("the verb get on endpoints"), "{doubt}");
    // What needs none of them is compared.
    site.spec(0, |spec| spec["capacity"]["storage"] = "11Gi".into());
    let report = site.check().await;
    assert_eq!(report["differences"][0]["kind"], "persistent-volume-size", "{report:#}");
    assert_eq!(report["persistent_volumes"]["compared"], 2);
    // Of a volume that nobody here knows it is not said that it has none.
    site.spec(0, |spec| spec["capacity"]["storage"] = "10Gi".into());
    let other = json!({"id": "0".repeat(32), "name": "vol_other", "size": 1});
    let strange = site.objects(|all| all.provision(&other, &["192.0.2.1"]));
    let report = site.check().await;
    let unknown = report["unknown"].as_array().unwrap().iter();
    let what = format!("PersistentVolume {strange}");
    let doubts: Vec<_> = unknown.filter(|unknown| unknown["what"] == what).collect();
    assert_eq!(doubts.len(), 1, "{report:#}");
    let why = text(doubts[0], "why");
    assert!(why.contains("its Endpoints could not be read"), "{why}");
    assert!(!why.contains("has no Endpoints"), "{why}");
}

/// A part of a list is no list: volumes on other pages would be called unclaimed.
#[tokio::test]
async fn a_list_that_breaks_off() {
    let site = Site::start().await;
    site.print("by-hand", site.volumes[0]["name"].as_str().unwrap(), "shared");
    site.objects(|all| all.refuse("continue", 410));
    assert!(text(&site.doubt().await, "why").contains("410"));
    site.objects(|all| all.refuse("nothing", 500));
    site.objects(Objects::never_ends);
    assert!(text(&site.doubt().await, "why").contains("more than 400 pages"));
}

#[tokio::test]
async fn an_api_server_that_does_not_answer() {
    let site = Site::start().await;
    site.kube.trouble(Trouble::Hangs);
    assert!(text(&site.doubt().await, "why").contains("no answer within 0.5 s"));
    site.kube.trouble(Trouble::Answers(500));
    assert!(text(&site.doubt().await, "why").contains("500"));
}

/// A claim is deleted between two questions: volume, Endpoints and `PersistentVolume` go one after
/// the other.
#[tokio::test]
async fn what_goes_meanwhile_is_not_judged() {
    let site = Site::start().await;
    let (id, name) = (text(&site.volumes[0], "id"), site.names[0].clone());
    site.objects(|all| {
        all.after_list(move |all| {
            all.endpoints("shop", &format!("glusterfs-dynamic-{id:.8}"), None);
            all.volumes.remove(&name);
        });
    });
    assert_eq!(site.differences().await, [] as [Value; 0]);
    let report = site.check().await;
    assert_eq!(report["persistent_volumes"]["compared"], 1);
    assert_eq!(report["persistent_volumes"]["volumes_without"].as_array().unwrap().len(), 1);
}
