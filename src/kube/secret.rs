//! Secrets by name: read, made, changed only as they were read, removed.
use super::{Asking, Cluster, Refusal, status};
use ::kube::{
    Api,
    api::{DeleteParams, ObjectMeta, PostParams},
};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use std::{collections::BTreeMap, time::Duration};

/// What a Secret holds, by key.
pub type Data = BTreeMap<String, Vec<u8>>;

/// The Secrets of one namespace.
#[derive(Clone)]
pub struct Secrets {
    api: Api<Secret>,
    namespace: String,
    asking: Asking,
}

/// A Secret as it was read or written: it can be changed while it still is so.
#[derive(Clone, Debug)]
pub struct Found {
    name: String,
    secret: Secret,
}

/// Why a Secret could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Somebody else changed, made or removed it meanwhile: nothing was written.
    #[error("Secret {0} was changed by somebody else at the same moment")]
    Changed(String),
    /// The server may not do this.
    #[error(
        "Secret {name}: {why}. The service account of this server needs a Role with the verbs get, \
         create, update and delete on secrets"
    )]
    Denied {
        /// Which Secret.
        name: String,
        /// The API server's words.
        why: String,
    },
    /// Anything else; whether something was written is not known.
    #[error("Secret {name}: {why}")]
    Failed {
        /// Which Secret.
        name: String,
        /// What happened.
        why: String,
    },
}

impl Secrets {
    /// Those of the cluster's namespace; a request that takes longer than `patience` has failed.
    #[must_use]
    pub fn new(cluster: Cluster, patience: Duration) -> Self {
        let Cluster { client, namespace } = cluster;
        Self { api: Api::namespaced(client, &namespace), namespace, asking: Asking { patience } }
    }

    /// Namespace and name, for people.
    #[must_use]
    pub fn full_name(&self, name: &str) -> String {
        format!("{}/{name}", self.namespace)
    }

    /// The Secret of this name, if there is one.
    ///
    /// # Errors
    /// [`SecretError`], but never `Changed`.
    pub async fn get(&self, name: &str) -> Result<Option<Found>, SecretError> {
        let found = self.ask(name, self.api.get_opt(name)).await?;
        Ok(found.map(|secret| Found { name: name.to_owned(), secret }))
    }

    /// Makes a Secret with these labels.
    ///
    /// # Errors
    /// [`SecretError`]; `Changed` when there is one of this name.
    pub async fn create(
        &self,
        name: &str,
        labels: &[(&str, &str)],
        data: Data,
    ) -> Result<Found, SecretError> {
        let labels = labels.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        let metadata =
            ObjectMeta { name: Some(name.into()), labels: Some(labels), ..ObjectMeta::default() };
        let secret = Secret {
            metadata,
            data: Some(data.into_iter().map(|(key, value)| (key, ByteString(value))).collect()),
            type_: Some("Opaque".into()),
            ..Secret::default()
        };
        let post = PostParams::default();
        let secret = self.ask(name, self.api.create(&post, &secret)).await?;
        Ok(Found { name: name.to_owned(), secret })
    }

    /// Gives a Secret other data, if it is still as it was found; labels and all else stay.
    ///
    /// # Errors
    /// [`SecretError`]; `Changed` when it is not as it was found any more.
    pub async fn replace(&self, found: &Found, data: Data) -> Result<Found, SecretError> {
        let mut secret = found.secret.clone();
        secret.data = Some(data.into_iter().map(|(key, value)| (key, ByteString(value))).collect());
        let name = &found.name;
        let post = PostParams::default();
        let asked = async {
            match self.api.replace(name, &post, &secret).await {
                // Removed meanwhile.
                Err(error) if status(&error) == Some(404) => Ok(None),
                other => other.map(Some),
            }
        };
        let answer = self.ask(name, asked).await?;
        let secret = answer.ok_or_else(|| SecretError::Changed(self.full_name(name)))?;
        Ok(Found { name: name.clone(), secret })
    }

    /// Removes a Secret; one that is not there is removed.
    ///
    /// # Errors
    /// [`SecretError`].
    pub async fn delete(&self, name: &str) -> Result<(), SecretError> {
        let delete = DeleteParams::default();
        let asked = async {
            match self.api.delete(name, &delete).await {
                Err(error) if status(&error) == Some(404) => Ok(()),
                other => other.map(drop),
            }
        };
        self.ask(name, asked).await
    }

    async fn ask<T>(
        &self,
        name: &str,
        request: impl Future<Output = ::kube::Result<T>>,
    ) -> Result<T, SecretError> {
        let name = self.full_name(name);
        self.asking.ask(request).await.map_err(|refusal| match refusal {
            Refusal::Changed => SecretError::Changed(name),
            Refusal::Denied(why) => SecretError::Denied { name, why },
            Refusal::Failed(why) => SecretError::Failed { name, why },
        })
    }
}

impl Found {
    /// What it holds.
    #[must_use]
    pub fn data(&self) -> Data {
        let data = self.secret.data.iter().flatten();
        data.map(|(key, value)| (key.clone(), value.0.clone())).collect()
    }
}
