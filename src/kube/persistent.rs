//! `PersistentVolumes` that mount gluster volumes, and the Endpoints by which they do. They are only
//! ever read.
use super::{Asking, Cluster, Refusal, quantity};
use ::kube::{Api, Client, api::ListParams};
use futures_util::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::{Endpoints, PersistentVolume};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Where the provisioner in Kubernetes' tree remembers the id of the volume (api.md 15.2).
const VOLUME_ID: &str = "gluster.kubernetes.io/heketi-volume-id";
/// Objects in one answer: one of them has a kilobyte or two.
const PAGE: u32 = 250;
/// A cluster of Kubernetes is meant for 10,000 of them; more than ten times that is no list.
const PAGES: usize = 400;
/// Endpoints that are asked for side by side.
const AT_ONCE: usize = 8;

/// The way to them.
#[derive(Clone)]
pub struct PersistentVolumes {
    client: Client,
    asking: Asking,
}

/// A `PersistentVolume` that mounts a gluster volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GlusterVolume {
    /// Its name.
    pub name: String,
    /// No other ever has it.
    uid: String,
    /// The gluster volume that is mounted, by its name.
    pub volume: String,
    /// The id of that volume, where a provisioner has written it down.
    pub id: Option<String>,
    /// Bytes that Kubernetes believes it to have; none when that cannot be understood.
    pub capacity: Option<u64>,
    /// Where the addresses of the storage hosts stand; none as long as no claim says in which
    /// namespace.
    pub endpoints: Option<EndpointsName>,
    /// Namespace and name of the claim that it is bound to.
    pub claim: Option<EndpointsName>,
    /// Kubernetes is about to delete it.
    pub going: bool,
}

/// Namespace and name.
pub type EndpointsName = (String, String);

/// The addresses in Endpoints; none of those that are not there.
pub type Addresses = BTreeMap<EndpointsName, Option<BTreeSet<String>>>;

impl PersistentVolumes {
    /// All of the cluster; a request that takes longer than `patience` has failed.
    #[must_use]
    pub fn new(cluster: Cluster, patience: Duration) -> Self {
        Self { client: cluster.client, asking: Asking { patience } }
    }

    /// All that mount gluster volumes, by whomever they were made.
    ///
    /// # Errors
    /// Why they are not known, for people. A part of a list is no list.
    ///
    /// # Cancel safety
    /// Nothing is changed by asking.
    pub async fn list(&self) -> Result<Vec<GlusterVolume>, String> {
        let api: Api<PersistentVolume> = Api::all(self.client.clone());
        let (mut params, mut found) = (ListParams::default().limit(PAGE), vec![]);
        for _ in 0..PAGES {
            let page = self.asking.ask(api.list(&params)).await.map_err(words)?;
            found.extend(page.items.into_iter().filter_map(read));
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None => return Ok(found),
            }
        }
        Err(format!("the list has more than {PAGES} pages of {PAGE}"))
    }

    /// What stands in these Endpoints.
    ///
    /// # Errors
    /// Why it is not known, for people: of any of them.
    ///
    /// # Cancel safety
    /// Nothing is changed by asking.
    pub async fn addresses(&self, wanted: BTreeSet<EndpointsName>) -> Result<Addresses, String> {
        let one = |of: EndpointsName| async {
            // There can be none of such a name, and it must not become a part of a path.
            if !is_name(&of.0) || !is_name(&of.1) {
                return Ok((of, None));
            }
            let api: Api<Endpoints> = Api::namespaced(self.client.clone(), &of.0);
            let asked = self.asking.ask(api.get_opt(&of.1)).await;
            let found =
                asked.map_err(|refusal| format!("{}/{}: {}", of.0, of.1, words(refusal)))?;
            Ok((of, found.map(addresses)))
        };
        stream::iter(wanted).map(one).buffer_unordered(AT_ONCE).try_collect().await
    }
}

/// Whether this can be the name of a namespace or of Endpoints: whoever makes a `PersistentVolume`
/// may write anything there.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let inner = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.'
    };
    let outer = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.len() <= 253
        && bytes.iter().all(|&byte| inner(byte))
        && outer(bytes.first())
        && outer(bytes.last())
        && !text.contains("..")
}

fn words(refusal: Refusal) -> String {
    match refusal {
        Refusal::Changed => "it was changed at the same moment".into(),
        Refusal::Denied(why) => format!(
            "{why}. The service account of this server needs a ClusterRole with the verb list on \
             persistentvolumes and the verb get on endpoints \
             (k8s/additions/check-persistent-volumes)"
        ),
        Refusal::Failed(why) => why,
    }
}

/// None for what mounts something else.
fn read(object: PersistentVolume) -> Option<GlusterVolume> {
    let (meta, spec) = (object.metadata, object.spec?);
    let gluster = spec.glusterfs?;
    let claim =
        spec.claim_ref.and_then(|claim| Some((claim.namespace?, claim.name.unwrap_or_default())));
    let namespace = gluster.endpoints_namespace.filter(|namespace| !namespace.is_empty());
    // The kubelet looks in the namespace of the claim where nothing else is said.
    let namespace = namespace.or_else(|| claim.as_ref().map(|(namespace, _)| namespace.clone()));
    let capacity = spec.capacity.unwrap_or_default();
    // Of the volume a folder may be mounted.
    let volume = gluster.path.trim_start_matches('/').split('/').next().unwrap_or_default();
    let released = object.status.and_then(|status| status.phase).as_deref() == Some("Released");
    let deletes = spec.persistent_volume_reclaim_policy.as_deref() == Some("Delete");
    Some(GlusterVolume {
        name: meta.name.unwrap_or_default(),
        uid: meta.uid.unwrap_or_default(),
        volume: volume.to_owned(),
        id: meta.annotations.unwrap_or_default().remove(VOLUME_ID),
        capacity: capacity.get("storage").and_then(|size| quantity::bytes(&size.0)),
        endpoints: namespace.map(|namespace| (namespace, gluster.endpoints)),
        claim,
        going: meta.deletion_timestamp.is_some() || (released && deletes),
    })
}

/// Those that a kubelet takes: what is not ready is not mounted from.
fn addresses(endpoints: Endpoints) -> BTreeSet<String> {
    let subsets = endpoints.subsets.unwrap_or_default().into_iter();
    subsets.flat_map(|subset| subset.addresses.unwrap_or_default()).map(|a| a.ip).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn volume(change: impl FnOnce(&mut Value)) -> Option<GlusterVolume> {
        let mut object = json!({
            "metadata": {"name": "pvc-1", "uid": "u"},
            "spec": {
                "capacity": {"storage": "2Gi"},
                "glusterfs": {"endpoints": "e", "path": "vol_1"},
                "claimRef": {"namespace": "shop", "name": "data"},
                "persistentVolumeReclaimPolicy": "Delete",
            },
            "status": {"phase": "Bound"},
        });
        change(&mut object);
        read(serde_json::from_value(object).unwrap())
    }

    #[test]
    fn what_is_read_of_one() {
        let plain = volume(|_| {}).unwrap();
        assert_eq!((plain.volume.as_str(), plain.capacity), ("vol_1", Some(2 << 30)));
        assert_eq!(plain.endpoints, Some(("shop".into(), "e".into())));
        assert!(!plain.going && plain.id.is_none());
        let named = |object: &mut Value| {
            object["spec"]["glusterfs"]["endpointsNamespace"] = "other".into();
            object["spec"]["glusterfs"]["path"] = "/vol_1/folder".into();
            object["metadata"]["annotations"] = json!({(VOLUME_ID): "0a"});
        };
        let named = volume(named).unwrap();
        assert_eq!(named.endpoints, Some(("other".into(), "e".into())));
        assert_eq!((named.volume.as_str(), named.id.as_deref()), ("vol_1", Some("0a")));
        let unbound = volume(|object| object["spec"]["claimRef"] = Value::Null).unwrap();
        assert_eq!(unbound.endpoints, None);
        let odd = volume(|object| object["spec"]["capacity"]["storage"] = "much".into()).unwrap();
        assert_eq!(odd.capacity, None);
        assert_eq!(volume(|object| object["spec"]["glusterfs"] = Value::Null), None);
        assert_eq!(volume(|object| object["spec"] = Value::Null), None);
    }

    /// Released volumes are deleted by their provisioner, or kept for good.
    #[test]
    fn what_goes() {
        let released = |policy: &str| {
            volume(|object| {
                object["status"]["phase"] = "Released".into();
                object["spec"]["persistentVolumeReclaimPolicy"] = policy.into();
            })
        };
        assert!(released("Delete").unwrap().going);
        assert!(!released("Retain").unwrap().going);
        let time = "2026-01-01T00:00:00Z";
        let deleted = |object: &mut Value| object["metadata"]["deletionTimestamp"] = time.into();
        assert!(volume(deleted).unwrap().going);
    }

    #[test]
    fn names_are_no_paths() {
        for name in ["glusterfs-dynamic-1", "a", "a.b-c"] {
            assert!(is_name(name), "{name}");
        }
        for wrong in ["", "../secrets/x", "a/b", "A", "a..b", "-a", "a?b", "a b", "TYPE ENDPOINT"] {
            assert!(!is_name(wrong), "{wrong}");
        }
    }
}
