//! Nodes whose gluster runs in pods: the API server carries scripts into their containers.
//!
//! A script is one exec. Pods come and go, and which of them serves a node is asked anew for each
//! script; many that ask at the same time share an answer.
mod pod;
mod shell;

use super::{Lane, Laps, NodeError, Ran, Remote, Result, Script, hear, lanes, link::Link, render};
use crate::{
    domain::Hostname,
    kube::{self, Cluster, Source},
};
use ::kube::Api;
use async_trait::async_trait;
use k8s_openapi::api::core::v1::Pod;
pub use pod::Lookup;
use pod::{NoPlace, Place};
use shell::{Closed, Shell};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

/// Beginning an exec is tried so often when the API server has too much to do, or the pod was
/// replaced a moment ago.
const TRIES: usize = 4;
/// The longest pause before the next try, whatever the API server wishes.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How pods are found and reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What says where the API server is, if anything does: who touches no node need not know.
    pub source: Option<Source>,
    /// Where the pods are; the namespace of the source when none.
    pub namespace: Option<String>,
    /// How the pod of a node is found.
    pub lookup: Lookup,
    /// Scripts that may be under way at the same time, on all nodes together; no limit when none.
    /// Probes of the monitor are not counted.
    pub max_connections: Option<usize>,
    /// Longest wait for an answer to a lookup, and for a shell that is ready.
    pub connect_timeout: Duration,
}

/// Nodes in pods.
pub struct Kube {
    api: Api<Pod>,
    namespace: String,
    lookup: Lookup,
    connect_timeout: Duration,
    connections: Option<Semaphore>,
    hosts: Mutex<HashMap<Hostname, Arc<Host>>>,
}

#[derive(Default)]
struct Host {
    lanes: lanes::Lanes,
    place: Link<Place>,
}

impl Kube {
    /// Nothing is connected yet.
    #[must_use]
    pub fn new(cluster: Cluster, settings: &Settings) -> Self {
        let most = |most: usize| Semaphore::new(most.min(Semaphore::MAX_PERMITS));
        Self {
            api: Api::namespaced(cluster.client, &cluster.namespace),
            namespace: cluster.namespace,
            lookup: settings.lookup,
            connect_timeout: settings.connect_timeout,
            connections: settings.max_connections.map(most),
            hosts: Mutex::default(),
        }
    }

    fn host(&self, name: &Hostname) -> Arc<Host> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.entry(name.clone()).or_default().clone()
    }

    /// A place among all connections. Probes have one of their own on each host: whether a node is
    /// well must not depend on how much there is to do on others.
    async fn connection(&self, lane: Lane) -> Result<Option<SemaphorePermit<'_>>> {
        match &self.connections {
            Some(places) if lane != Lane::Health => lanes::enter(places).await.map(Some),
            _ => Ok(None),
        }
    }

    /// The pod that serves this node now.
    async fn place(&self, name: &Hostname, host: &Host) -> Result<Place> {
        let find = async || {
            for again in (0..TRIES).rev() {
                let found = timeout(self.connect_timeout, self.lookup.find(&self.api, name)).await;
                let why = match found {
                    Ok(Ok(place)) => return Ok(place),
                    Ok(Err(NoPlace::Unfit(why))) => {
                        format!("{why} (in the namespace {})", self.namespace)
                    }
                    Ok(Err(NoPlace::Unanswered(error))) => {
                        if again > 0 && pause(&error).await {
                            continue;
                        }
                        self.explain(&error, self.lookup.right())
                    }
                    Err(_) => self.silent("the API server has not answered"),
                };
                return Err(unreachable(name, why));
            }
            Err(unreachable(name, "the API server has too much to do".into()))
        };
        host.place.fresh(find).await
    }

    /// A shell in the pod that serves this node.
    async fn shell(&self, name: &Hostname, host: &Host) -> Result<Shell> {
        for again in (0..TRIES).rev() {
            let place = self.place(name, host).await?;
            let Place { pod, container } = &place;
            let why = match timeout(self.connect_timeout, Shell::open(&self.api, &place)).await {
                Ok(Ok(shell)) => {
                    tracing::trace!(host = %name, pod, container, "a shell is ready");
                    return Ok(shell);
                }
                Ok(Err(Closed::Refused(error))) => {
                    // The pod went between two questions: another one may be there.
                    let gone = kube::status(&error) == Some(404);
                    if again > 0 && (gone || pause(&error).await) {
                        continue;
                    }
                    self.explain(&error, "get and create pods/exec")
                }
                Ok(Err(Closed::Ended(status, stderr))) => {
                    let (host, command) = (name.clone(), "/bin/sh".into());
                    return Err(NodeError::Failed { host, command, status, stderr });
                }
                Ok(Err(Closed::Lost(why))) => why,
                Err(_) => self.silent("no shell was ready"),
            };
            return Err(unreachable(name, format!("container {container} of pod {pod}: {why}")));
        }
        Err(unreachable(name, "its pod is replaced again and again".into()))
    }

    fn silent(&self, what: &str) -> String {
        format!("{what} within {} s", self.connect_timeout.as_secs_f32())
    }

    /// What the API server said, and what a person can do about the usual refusals.
    fn explain(&self, error: &::kube::Error, right: &str) -> String {
        let words = kube::told(error);
        match kube::status(error) {
            Some(403) => format!(
                "{words} (the right to {right} in the namespace {} is missing, see \
                 docs/KUBERNETES.md)",
                self.namespace
            ),
            Some(401) => format!("{words} (the API server does not take our token)"),
            _ => words,
        }
    }
}

fn unreachable(host: &Hostname, why: String) -> NodeError {
    NodeError::Unreachable { host: host.clone(), why }
}

/// Waits for as long as an API server wishes that has too much to do. False when it has said
/// something else.
async fn pause(error: &::kube::Error) -> bool {
    let ::kube::Error::Api(status) = error else { return false };
    if status.code != 429 {
        return false;
    }
    let wished = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
    tokio::time::sleep(Duration::from_secs(wished.max(1).into()).min(LONGEST_PAUSE)).await;
    true
}

#[async_trait]
impl Remote for Kube {
    async fn run(&self, name: &Hostname, script: &Script) -> Result<Vec<Ran>> {
        self.run_timed(name, script, &Laps::default()).await
    }

    async fn run_timed(&self, name: &Hostname, script: &Script, laps: &Laps) -> Result<Vec<Ran>> {
        let host = self.host(name);
        let rendered = render::Rendered::new(name, script)?;
        // First the host's own: whoever waits for a host that hangs takes no place from others.
        let _place = host.lanes.enter(script.lane).await?;
        let _connection = self.connection(script.lane).await?;
        let shell = self.shell(name, &host).await?;
        let ended = shell.run(&rendered.input(), script, rendered.marks(laps)).await;
        let (said, status) = ended.map_err(|deaf| deaf.told(name, script))?;
        said.read(&rendered, Some(status))
    }

    /// There is a pod that can be asked; whether its kubelet answers is not known before it is.
    async fn reach(&self, name: &Hostname) -> Result<()> {
        self.place(name, &self.host(name)).await.map(drop)
    }
}
