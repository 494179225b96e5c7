//! The Lease that says which of several servers works (`coordination.k8s.io/v1`).
use super::{Asking, Cluster, Refusal};
use ::kube::{
    Api,
    api::{ObjectMeta, PostParams},
};
use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use std::time::Duration;

/// The Lease of one name.
#[derive(Clone)]
pub struct Leases {
    api: Api<Lease>,
    namespace: String,
    name: String,
    asking: Asking,
}

/// What the Lease says, in the terms of Kubernetes' own leader election.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    /// Who works; empty when nobody does any more.
    pub holder: String,
    /// So long after the last sign of life another may take it, seconds.
    pub term: u32,
    /// Since when.
    pub acquired: Timestamp,
    /// The last sign of life, by the holder's clock.
    pub renewed: Timestamp,
    /// How often the holder changed.
    pub transitions: i32,
}

/// The Lease as it was read or written: it can be changed while it still is so.
#[derive(Clone, Debug)]
pub struct Found(Lease);

/// Why the Lease could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// Another server was faster.
    #[error("Lease {0} was changed by another server at the same moment")]
    Changed(String),
    /// The server may not do this.
    #[error(
        "Lease {name}: {why}. The service account of this server needs a Role with the verbs get, \
         create and update on leases of coordination.k8s.io"
    )]
    Denied {
        /// Which Lease.
        name: String,
        /// The API server's words.
        why: String,
    },
    /// Anything else; whether it was written is not known.
    #[error("Lease {name}: {why}")]
    Failed {
        /// Which Lease.
        name: String,
        /// What happened.
        why: String,
    },
}

impl Leases {
    /// The Lease of this name in the cluster's namespace; a request that takes longer than
    /// `patience` has failed.
    #[must_use]
    pub fn new(cluster: Cluster, name: &str, patience: Duration) -> Self {
        let Cluster { client, namespace } = cluster;
        let (name, asking) = (name.to_owned(), Asking { patience });
        Self { api: Api::namespaced(client, &namespace), namespace, name, asking }
    }

    /// Namespace and name, for people.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// The Lease, if there is one.
    ///
    /// # Errors
    /// [`LeaseError`], but never `Changed`.
    pub async fn get(&self) -> Result<Option<Found>, LeaseError> {
        Ok(self.ask(self.api.get_opt(&self.name)).await?.map(Found))
    }

    /// Writes the Lease if it is still as it was found, or still is not there.
    ///
    /// # Errors
    /// [`LeaseError`]; `Changed` when another was faster.
    pub async fn write(
        &self,
        found: Option<&Found>,
        holding: &Holding,
    ) -> Result<Found, LeaseError> {
        let post = PostParams::default();
        let metadata = ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() };
        let new = || Lease { metadata, ..Lease::default() };
        let mut lease = found.map_or_else(new, |found| found.0.clone());
        lease.spec = Some(LeaseSpec {
            holder_identity: Some(holding.holder.clone()),
            lease_duration_seconds: i32::try_from(holding.term).ok(),
            acquire_time: Some(MicroTime(holding.acquired)),
            renew_time: Some(MicroTime(holding.renewed)),
            lease_transitions: Some(holding.transitions),
            ..LeaseSpec::default()
        });
        let written = match found {
            Some(_) => self.ask(self.api.replace(&self.name, &post, &lease)).await,
            None => self.ask(self.api.create(&post, &lease)).await,
        };
        written.map(Found)
    }

    async fn ask<T>(
        &self,
        request: impl Future<Output = ::kube::Result<T>>,
    ) -> Result<T, LeaseError> {
        let name = self.full_name();
        self.asking.ask(request).await.map_err(|refusal| match refusal {
            Refusal::Changed => LeaseError::Changed(name),
            Refusal::Denied(why) => LeaseError::Denied { name, why },
            Refusal::Failed(why) => LeaseError::Failed { name, why },
        })
    }
}

impl Found {
    /// What it says; whatever is missing is as if nobody held it.
    #[must_use]
    pub fn holding(&self) -> Holding {
        let spec = self.0.spec.clone().unwrap_or_default();
        let time = |time: Option<MicroTime>| time.map_or(Timestamp::UNIX_EPOCH, |time| time.0);
        Holding {
            holder: spec.holder_identity.unwrap_or_default(),
            term: spec
                .lease_duration_seconds
                .and_then(|term| u32::try_from(term).ok())
                .unwrap_or(0),
            acquired: time(spec.acquire_time),
            renewed: time(spec.renew_time),
            transitions: spec.lease_transitions.unwrap_or(0),
        }
    }
    /// Another one whenever anything of it was written.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.0.metadata.resource_version.as_deref()
    }
}
