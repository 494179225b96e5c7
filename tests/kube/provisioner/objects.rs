//! What Kubernetes has of claims, and what its provisioner has made for them.
use k8s_openapi::api::core::v1::{
    Endpoints, Event, PersistentVolume, PersistentVolumeClaim, Service,
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
    time::{Duration, Instant},
};

/// One claim after the other takes a second or two, on a loaded machine ten times that.
const PATIENCE: Duration = Duration::from_mins(2);
const PAUSE: Duration = Duration::from_millis(100);
const NAMESPACE: &str = "default";
/// Where the provisioner remembers which volume it has got.
const VOLUME_ID: &str = "gluster.kubernetes.io/heketi-volume-id";

/// A volume of Kubernetes with what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    pub name: String,
    pub claim: String,
    pub gib: u64,
    /// Its id in Brickyard.
    pub volume: String,
    /// The gluster volume that is mounted.
    pub path: String,
    /// Name of Endpoints and Service.
    pub endpoints: String,
}

pub struct Objects {
    claims: Api<PersistentVolumeClaim>,
    volumes: Api<PersistentVolume>,
    endpoints: Api<Endpoints>,
    services: Api<Service>,
    events: Api<Event>,
}

impl Objects {
    pub fn new(client: &Client) -> Self {
        Self {
            claims: Api::namespaced(client.clone(), NAMESPACE),
            volumes: Api::all(client.clone()),
            endpoints: Api::namespaced(client.clone(), NAMESPACE),
            services: Api::namespaced(client.clone(), NAMESPACE),
            events: Api::namespaced(client.clone(), NAMESPACE),
        }
    }

    pub async fn claim(&self, name: &str, class: &str, gib: u64) {
        let claim = json!({
            "metadata": {"name": name},
            "spec": {
                "storageClassName": class,
                "accessModes": ["ReadWriteMany"],
                "resources": {"requests": {"storage": format!("{gib}Gi")}},
            },
        });
        let claim = serde_json::from_value(claim).unwrap();
        self.claims.create(&PostParams::default(), &claim).await.unwrap();
    }
    pub async fn expand(&self, name: &str, gib: u64) {
        let size = json!({"spec": {"resources": {"requests": {"storage": format!("{gib}Gi")}}}});
        let patch = Patch::Merge(size);
        self.claims.patch(name, &PatchParams::default(), &patch).await.unwrap();
    }
    pub async fn delete(&self, names: &[String]) {
        for name in names {
            self.claims.delete(name, &DeleteParams::default()).await.unwrap();
        }
    }
    pub async fn names(&self) -> Vec<String> {
        all(&self.claims).await.iter().map(ResourceExt::name_any).collect()
    }

    /// Volumes of these claims, when all of them are bound.
    pub async fn bound(&self, names: &[String]) -> BTreeMap<String, Made> {
        let is_bound = async || {
            let claims = all(&self.claims).await;
            let phase = |claim: &PersistentVolumeClaim| claim.status.clone()?.phase;
            let bound = claims.iter().filter(|c| phase(c).as_deref() == Some("Bound"));
            let bound: BTreeSet<_> = bound.map(ResourceExt::name_any).collect();
            names.iter().filter(|name| !bound.contains(*name)).cloned().collect::<Vec<_>>()
        };
        until_none("claims are not bound", is_bound).await;
        let made = self.made().await.into_iter().map(|made| (made.claim.clone(), made));
        made.filter(|(claim, _)| names.contains(claim)).collect()
    }
    /// Waits until a claim and its volume have grown to this.
    pub async fn grown(&self, name: &str, gib: u64) {
        let smaller = async || {
            let claim = self.claims.get(name).await.unwrap();
            let shown =
                claim.status.and_then(|s| s.capacity).and_then(|c| c.get("storage").cloned());
            let shown = shown.map(|quantity| quantity.0).unwrap_or_default();
            let volume = self.made().await.into_iter().find(|made| made.claim == name).unwrap();
            let grown = volume.gib == gib && shown == format!("{gib}Gi");
            if grown { vec![] } else { vec![(shown, volume)] }
        };
        until_none("a claim does not grow", smaller).await;
    }
    /// Waits until these claims are gone, with all that was made for them.
    pub async fn gone(&self, made: impl IntoIterator<Item = &Made>) {
        let made: Vec<&Made> = made.into_iter().collect();
        let names = |part: fn(&Made) -> &String| made.iter().map(|m| part(m).clone()).collect();
        let left = async || {
            [
                left(&self.claims, names(|m| &m.claim)).await,
                left(&self.volumes, names(|m| &m.name)).await,
                left(&self.endpoints, names(|m| &m.endpoints)).await,
                left(&self.services, names(|m| &m.endpoints)).await,
            ]
            .concat()
        };
        until_none("deleted claims leave something", left).await;
    }

    /// Every volume of Kubernetes.
    pub async fn made(&self) -> Vec<Made> {
        all(&self.volumes).await.iter().map(made).collect()
    }
    /// Fails unless clients find the volume on just these nodes.
    pub async fn is_reachable(&self, made: &Made, addresses: &[String]) {
        let endpoints = self.endpoints.get(&made.endpoints).await.unwrap();
        let subsets = endpoints.subsets.unwrap_or_default();
        let mut found: Vec<_> = subsets
            .iter()
            .flat_map(|subset| subset.addresses.iter().flatten())
            .map(|address| address.ip.clone())
            .collect();
        found.sort();
        assert_eq!(found, addresses, "addresses in the Endpoints of {made:?}");
        let ports = subsets.iter().flat_map(|subset| subset.ports.iter().flatten());
        assert!(ports.clone().count() > 0 && ports.clone().all(|port| port.port == 1));
        let service = self.services.get(&made.endpoints).await.unwrap();
        assert_eq!(service.spec.and_then(|spec| spec.selector), None, "nodes are no pods");
    }
    /// Endpoints and Services that the provisioner has made.
    pub async fn dynamic(&self) -> (BTreeSet<String>, BTreeSet<String>) {
        let ours = |name: &String| name.starts_with("glusterfs-dynamic-");
        let endpoints = all(&self.endpoints).await;
        let services = all(&self.services).await;
        (
            endpoints.iter().map(ResourceExt::name_any).filter(ours).collect(),
            services.iter().map(ResourceExt::name_any).filter(ours).collect(),
        )
    }

    /// Waits for an event of this claim that tells of a failure, and is told what it says.
    pub async fn failure(&self, claim: &str) -> String {
        let limit = Instant::now() + PATIENCE;
        loop {
            if let Some(told) = self.failures(claim).await.pop() {
                return told;
            }
            assert!(Instant::now() < limit, "no event tells why {claim} is not bound");
            tokio::time::sleep(PAUSE).await;
        }
    }
    /// Waits until it is bound, or has failed.
    pub async fn is_bound(&self, claim: &str) -> bool {
        let limit = Instant::now() + PATIENCE;
        loop {
            let status = self.claims.get(claim).await.unwrap().status;
            if status.and_then(|status| status.phase).as_deref() == Some("Bound") {
                return true;
            }
            if !self.failures(claim).await.is_empty() {
                return false;
            }
            assert!(Instant::now() < limit, "{claim} is neither bound nor refused");
            tokio::time::sleep(PAUSE).await;
        }
    }
    async fn failures(&self, claim: &str) -> Vec<String> {
        let about = format!("involvedObject.name={claim},reason=ProvisioningFailed");
        let events = self.events.list(&ListParams::default().fields(&about)).await.unwrap().items;
        let told = events.into_iter().map(|event| event.message.unwrap_or_default());
        // A controller that has not yet heard of a new class says so, and asks again.
        told.filter(|told| !told.starts_with("storageclass.storage.k8s.io ")).collect()
    }
}

async fn all<K>(api: &Api<K>) -> Vec<K>
where
    K: Clone + DeserializeOwned + Debug,
{
    api.list(&ListParams::default()).await.unwrap().items
}

/// Those of these that are there.
async fn left<K>(api: &Api<K>, names: BTreeSet<String>) -> Vec<String>
where
    K: Clone + DeserializeOwned + Debug + Resource<DynamicType = ()>,
{
    let there = all(api).await;
    let names = there.iter().map(ResourceExt::name_any).filter(|name| names.contains(name));
    names.map(|name| format!("{} {name}", K::kind(&()))).collect()
}

fn made(volume: &PersistentVolume) -> Made {
    let spec = serde_json::to_value(&volume.spec).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let gib = text(&spec["capacity"]["storage"]);
    let gib = gib.strip_suffix("Gi").and_then(|gib| gib.parse().ok());
    Made {
        name: volume.name_any(),
        claim: text(&spec["claimRef"]["name"]),
        gib: gib.unwrap_or_else(|| panic!("{}", spec["capacity"])),
        volume: volume.annotations().get(VOLUME_ID).cloned().unwrap_or_default(),
        path: text(&spec["glusterfs"]["path"]),
        endpoints: text(&spec["glusterfs"]["endpoints"]),
    }
}

async fn until_none<T: Debug>(what: &str, look: impl AsyncFn() -> Vec<T>) {
    let limit = Instant::now() + PATIENCE;
    loop {
        let found = look().await;
        if found.is_empty() {
            return;
        }
        assert!(Instant::now() < limit, "{what} within {PATIENCE:?}: {found:#?}");
        tokio::time::sleep(PAUSE).await;
    }
}
