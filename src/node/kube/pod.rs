//! Which pod serves a node, and which of its containers (config.md 7).
use crate::{domain::Hostname, kube};
use ::kube::{
    Api, ResourceExt,
    api::{ListParams, ObjectList},
};
use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus, Pod};

/// The label of gluster pods.
const LABEL: &str = "glusterfs-node";
/// Names the container that people mean who name none.
const CONTAINER: &str = "kubectl.kubernetes.io/default-container";
/// A node has one gluster pod, and perhaps one that is going: more are listed only to be named.
const MOST: u32 = 20;

/// How the pod of a node is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// It has the node's management name.
    Name,
    /// It has the label `glusterfs-node`, of any value, and runs on the Kubernetes node of that name.
    Daemonset,
    /// Its label `glusterfs-node` has the management name as its value.
    Label,
}

/// Where commands run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) pod: String,
    pub(super) container: String,
}

/// Why there is no place.
pub(super) enum NoPlace {
    /// What the API server, or the way to it, said.
    Unanswered(Box<::kube::Error>),
    /// There is no pod, or none that can be used, or there are several.
    Unfit(String),
}

impl From<::kube::Error> for NoPlace {
    fn from(error: ::kube::Error) -> Self {
        Self::Unanswered(Box::new(error))
    }
}

impl Lookup {
    /// The right that a lookup needs.
    pub(super) fn right(self) -> &'static str {
        match self {
            Self::Name => "get pods",
            Self::Daemonset | Self::Label => "list pods",
        }
    }

    /// The pod that serves this node now.
    ///
    /// # Errors
    /// [`NoPlace`].
    pub(super) async fn find(self, api: &Api<Pod>, host: &Hostname) -> Result<Place, NoPlace> {
        let list = ListParams::default().limit(MOST);
        let (pods, wanted) = match self {
            Self::Name => {
                let pod = match api.get(host.as_str()).await {
                    Err(error) if kube::status(&error) == Some(404) => None,
                    other => Some(other?),
                };
                (pod.into_iter().collect(), format!("the name {host}"))
            }
            Self::Daemonset => {
                let list = list.labels(LABEL).fields(&format!("spec.nodeName={host}"));
                let wanted = format!("the label {LABEL} on the Kubernetes node {host}");
                (items(api.list(&list).await?), wanted)
            }
            Self::Label => {
                let wanted = format!("{LABEL}={host}");
                (items(api.list(&list.labels(&wanted)).await?), format!("the label {wanted}"))
            }
        };
        choose(&pods, &wanted).map_err(NoPlace::Unfit)
    }
}

fn items(list: ObjectList<Pod>) -> Vec<Pod> {
    list.items
}

/// The one that can be used. Of several the one that is ready: the others are on their way in or
/// out. Between two that are alike nobody should guess.
fn choose(pods: &[Pod], wanted: &str) -> Result<Place, String> {
    let ready: Vec<_> = pods.iter().filter(|pod| usable(pod).is_ok() && is_ready(pod)).collect();
    let running: Vec<_> = pods.iter().filter(|pod| usable(pod).is_ok()).collect();
    match (ready.as_slice(), running.as_slice()) {
        ([pod], _) | ([], [pod]) => Ok(place(pod)),
        ([], []) => {
            let why: Vec<_> = pods.iter().filter_map(|pod| usable(pod).err()).collect();
            if why.is_empty() {
                return Err(format!("no pod has {wanted}"));
            }
            Err(why.join("; "))
        }
        ([], several) | (several, _) => {
            let names: Vec<_> = several.iter().map(|pod| pod.name_any()).collect();
            Err(format!(
                "{} pods have {wanted}, and only one may: {}",
                names.len(),
                names.join(", ")
            ))
        }
    }
}

/// Whether commands can run in it: why not.
fn usable(pod: &Pod) -> Result<(), String> {
    let name = pod.name_any();
    if pod.metadata.deletion_timestamp.is_some() {
        return Err(format!("pod {name} is being deleted"));
    }
    let status = pod.status.as_ref();
    let phase = status.and_then(|status| status.phase.as_deref()).unwrap_or("Unknown");
    if phase != "Running" {
        let more = status
            .and_then(|status| status.conditions.as_ref())
            .and_then(|all| all.iter().find(|one| one.status == "False" && one.message.is_some()))
            .and_then(|condition| condition.message.as_deref());
        let more = more.map(|words| format!(" ({words})")).unwrap_or_default();
        return Err(format!("pod {name} is not running but {phase}{more}"));
    }
    let container = container(pod);
    if let Some(state) = container_status(pod, &container).and_then(|it| it.state.as_ref())
        && state.running.is_none()
        && let Some(why) = rest(state)
    {
        return Err(format!("container {container} of pod {name} is not running: {why}"));
    }
    Ok(())
}

/// Why a container does nothing.
fn rest(state: &ContainerState) -> Option<String> {
    let waiting = state.waiting.as_ref().and_then(|waiting| waiting.reason.clone());
    waiting.or_else(|| {
        let ended = state.terminated.as_ref()?;
        Some(format!("it ended with exit status {}", ended.exit_code))
    })
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.is_some_and(|all| all.iter().any(|one| one.type_ == "Ready" && one.status == "True"))
}

fn place(pod: &Pod) -> Place {
    Place { pod: pod.name_any(), container: container(pod) }
}

/// The first, or the one that the pod names for the purpose.
fn container(pod: &Pod) -> String {
    let containers = pod.spec.as_ref().map(|spec| spec.containers.as_slice()).unwrap_or_default();
    let named = pod.annotations().get(CONTAINER);
    let named = containers.iter().find(|container| Some(&container.name) == named);
    named.or(containers.first()).map(|container| container.name.clone()).unwrap_or_default()
}

fn container_status<'a>(pod: &'a Pod, name: &str) -> Option<&'a ContainerStatus> {
    let all = pod.status.as_ref()?.container_statuses.as_ref()?;
    all.iter().find(|status| status.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn pod(name: &str, phase: &str, ready: bool) -> Value {
        let ready = if ready { "True" } else { "False" };
        json!({
            "metadata": {"name": name, "annotations": {}},
            "spec": {"containers": [{"name": "glusterfs"}, {"name": "exporter"}]},
            "status": {"phase": phase, "conditions": [{"type": "Ready", "status": ready}]},
        })
    }
    fn chosen(pods: Vec<Value>) -> Result<Place, String> {
        let pods: Vec<Pod> =
            pods.into_iter().map(|it| serde_json::from_value(it).unwrap()).collect();
        choose(&pods, "the label glusterfs-node=n1")
    }
    fn with(mut pod: Value, pointer: &str, member: &str, value: Value) -> Value {
        pod.pointer_mut(pointer).unwrap()[member] = value;
        pod
    }

    #[test]
    fn one_that_runs_is_taken() {
        let one = Place { pod: "a".into(), container: "glusterfs".into() };
        assert_eq!(chosen(vec![pod("a", "Running", true)]), Ok(one.clone()));
        // glusterd may be what is to be mended: a pod need not be ready.
        assert_eq!(chosen(vec![pod("a", "Running", false)]), Ok(one.clone()));
        let going = json!("2026-11-20T10:00:00Z");
        let old = with(pod("b", "Running", true), "/metadata", "deletionTimestamp", going);
        let others = [old, pod("c", "Running", false), pod("d", "Failed", false)];
        for other in others {
            assert_eq!(chosen(vec![other.clone(), pod("a", "Running", true)]), Ok(one.clone()));
            assert_eq!(chosen(vec![pod("a", "Running", true), other]), Ok(one.clone()));
        }
    }
    #[test]
    fn the_container_that_the_pod_names() {
        let named = |name: &str| {
            let annotations = json!({CONTAINER: name});
            let pod = with(pod("a", "Running", true), "/metadata", "annotations", annotations);
            chosen(vec![pod]).unwrap().container
        };
        assert_eq!(named("exporter"), "exporter");
        assert_eq!(named("no-such"), "glusterfs");
    }
    #[test]
    fn what_is_wrong_is_said() {
        let why = |pods| chosen(pods).unwrap_err();
        assert_eq!(why(vec![]), "no pod has the label glusterfs-node=n1");
        let pending = why(vec![pod("a", "Pending", false)]);
        assert_eq!(pending, "pod a is not running but Pending");
        let conditions = json!([{"type": "PodScheduled", "status": "False", "message": "no node"}]);
        let pending = with(pod("a", "Pending", false), "/status", "conditions", conditions);
        assert_eq!(why(vec![pending]), "pod a is not running but Pending (no node)");
        let going = json!("2026-11-20T10:00:00Z");
        let going = with(pod("b", "Running", true), "/metadata", "deletionTimestamp", going);
        let both = why(vec![pod("a", "Succeeded", false), going]);
        assert_eq!(both, "pod a is not running but Succeeded; pod b is being deleted");
        for ready in [true, false] {
            let two = why(vec![pod("a", "Running", ready), pod("b", "Running", ready)]);
            let words = "2 pods have the label glusterfs-node=n1, and only one may: a, b";
            assert_eq!(two, words);
        }
        let waits = json!([{"name": "glusterfs", "ready": false, "restartCount": 3, "image": "",
            "imageID": "", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]);
        let waits = with(pod("a", "Running", false), "/status", "containerStatuses", waits);
        assert_eq!(
            why(vec![waits]),
            "container glusterfs of pod a is not running: CrashLoopBackOff"
        );
    }
}
