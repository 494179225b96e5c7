//! The way to the API server of Kubernetes: from the service account of the pod, or a kubeconfig.
//!
//! The kubeconfig in a home folder is not looked for: it is a person's, and whatever it happens to
//! point at must not get backups or commands of this server by accident.
pub mod lease;
pub mod persistent;
mod quantity;
pub mod secret;

use crate::error::chain;
use ::kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use std::{path::PathBuf, time::Duration};

/// Where a pod finds its namespace (config.md 7).
const NAMESPACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";
/// A server that does not even take the connection for this long is not there.
const CONNECT: Duration = Duration::from_secs(10);

/// What says where the API server is and who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// `KUBECONFIG`: files, of which earlier ones win.
    Kubeconfig(Vec<PathBuf>),
    /// The service account of the pod that this process runs in.
    Pod,
}

/// A way to the API server.
#[derive(Clone)]
pub struct Cluster {
    /// Asks. It repeats nothing by itself and waits for an answer for ever: both are for the caller
    /// to decide, who knows what is being asked.
    pub client: Client,
    /// Where this server's objects and pods are.
    pub namespace: String,
}

/// Why there is no way to the API server.
#[derive(Debug, thiserror::Error)]
pub enum NoWay {
    /// Nothing says where the API server is.
    #[error(
        "nothing says where the API server of Kubernetes is: this process does not run in a pod \
         (KUBERNETES_SERVICE_HOST is not set), and KUBECONFIG names no file"
    )]
    Nowhere,
    /// A kubeconfig cannot be used.
    #[error("KUBECONFIG={files}: {why}")]
    Kubeconfig {
        /// As the variable names them.
        files: String,
        /// What is wrong, with its causes.
        why: String,
    },
    /// The pod has no service account.
    #[error(
        "the service account of this pod cannot be used: {why}; give the pod a service account, \
         and do not set automountServiceAccountToken to false"
    )]
    Pod {
        /// What is wrong, with its causes.
        why: String,
    },
    /// The client cannot be made.
    #[error("the client for the API server cannot be made: {why}")]
    Client {
        /// What is wrong, with its causes.
        why: String,
    },
}

impl Source {
    /// What the environment names: a kubeconfig wins, since somebody said so explicitly.
    #[must_use]
    pub fn of(variable: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let set = |name| variable(name).filter(|text| !text.is_empty());
        if let Some(files) = set("KUBECONFIG") {
            let files = std::env::split_paths(&files).filter(|file| !file.as_os_str().is_empty());
            return Some(Self::Kubeconfig(files.collect()));
        }
        set("KUBERNETES_SERVICE_HOST").map(|_| Self::Pod)
    }

    /// Makes a client; nothing is sent yet. `namespace` beats what the source says.
    ///
    /// # Errors
    /// [`NoWay`], with what is missing.
    pub async fn connect(&self, namespace: Option<&str>) -> Result<Cluster, NoWay> {
        let mut config = match self {
            Self::Kubeconfig(files) => kubeconfig(files).await?,
            Self::Pod => pod().map_err(|why| NoWay::Pod { why })?,
        };
        config.connect_timeout = Some(CONNECT);
        config.default_retry = false;
        if let Some(namespace) = namespace {
            namespace.clone_into(&mut config.default_namespace);
        }
        let namespace = config.default_namespace.clone();
        let client =
            Client::try_from(config).map_err(|error| NoWay::Client { why: chain(&error) })?;
        Ok(Cluster { client, namespace })
    }
}

async fn kubeconfig(files: &[PathBuf]) -> Result<Config, NoWay> {
    let wrong = |error: ::kube::config::KubeconfigError| {
        let files: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
        NoWay::Kubeconfig { files: files.join(":"), why: chain(&error) }
    };
    let mut all = Kubeconfig::default();
    for file in files {
        all = all.merge(Kubeconfig::read_from(file).map_err(wrong)?).map_err(wrong)?;
    }
    let options = KubeConfigOptions::default();
    Config::from_custom_kubeconfig(all, &options).await.map_err(wrong)
}

/// As Heketi reads it: an empty file with the namespace means `default`, a missing one is an error.
fn pod() -> Result<Config, String> {
    let mut config = Config::incluster_env().map_err(|error| {
        format!("{}; its folder is /var/run/secrets/kubernetes.io/serviceaccount", chain(&error))
    })?;
    let namespace =
        std::fs::read_to_string(NAMESPACE).map_err(|error| format!("{NAMESPACE}: {error}"))?;
    let namespace = namespace.trim();
    config.default_namespace = if namespace.is_empty() { "default" } else { namespace }.into();
    Ok(config)
}

/// How the API server is asked for one thing.
#[derive(Clone, Copy, Debug)]
struct Asking {
    /// How long one request may take.
    patience: Duration,
}

/// Why the API server did not do what it was asked for.
enum Refusal {
    /// Somebody else changed, made or removed the object meanwhile: nothing was written.
    Changed,
    /// The server may not do this.
    Denied(String),
    /// Anything else; whether something was written is not known.
    Failed(String),
}

impl Asking {
    async fn ask<T>(self, request: impl Future<Output = ::kube::Result<T>>) -> Result<T, Refusal> {
        match tokio::time::timeout(self.patience, request).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(match status(&error) {
                Some(409) => Refusal::Changed,
                Some(401 | 403) => Refusal::Denied(told(&error)),
                _ => Refusal::Failed(told(&error)),
            }),
            Err(_) => {
                let patience = self.patience.as_secs_f32();
                Err(Refusal::Failed(format!("no answer within {patience} s")))
            }
        }
    }
}

/// What the API server, or the way to it, says; in one line. Bodies of requests are not in it.
#[must_use]
pub fn told(error: &::kube::Error) -> String {
    match error {
        ::kube::Error::Api(status) if status.message.is_empty() => {
            format!("the API server answered {} {}", status.code, status.reason)
        }
        ::kube::Error::Api(status) => {
            format!("the API server answered {}: {}", status.code, status.message)
        }
        other => chain(other),
    }
}

/// The status of the answer, if there was one.
#[must_use]
pub fn status(error: &::kube::Error) -> Option<u16> {
    match error {
        ::kube::Error::Api(status) => Some(status.code),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn config(server: &str, namespace: &str) -> String {
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: here\n\
             clusters: [{{name: c, cluster: {{server: '{server}'}}}}]\n\
             contexts: [{{name: here, context: {{cluster: c, user: u, namespace: '{namespace}'}}}}]\n\
             users: [{{name: u, user: {{token: secret-token}}}}]\n"
        )
    }

    #[test]
    fn what_is_named_wins_over_the_pod() {
        const POD: (&str, &str) = ("KUBERNETES_SERVICE_HOST", "10.96.0.1");
        let of = |pairs: &'static [(&str, &str)]| {
            Source::of(|name| {
                pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).into())
            })
        };
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[("KUBECONFIG", "")]), None);
        assert_eq!(of(&[POD]), Some(Source::Pod));
        assert_eq!(
            of(&[POD, ("KUBECONFIG", "/a:/b")]),
            Some(Source::Kubeconfig(vec!["/a".into(), "/b".into()]))
        );
    }

    #[tokio::test]
    async fn a_kubeconfig_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config");
        fs::write(&file, config("http://127.0.0.1:1", "storage")).unwrap();
        let source = Source::Kubeconfig(vec![file]);
        assert_eq!(source.connect(None).await.unwrap().namespace, "storage");
        let cluster = source.connect(Some("other")).await.unwrap();
        assert_eq!(cluster.namespace, "other");
        // Nobody is there, and that is said without the token.
        let error = cluster.client.apiserver_version().await.unwrap_err();
        let told = told(&error);
        assert!(told.contains("refused") && !told.contains("secret-token"), "{told}");
        assert_eq!(status(&error), None);
    }

    #[tokio::test]
    async fn what_is_wrong_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let connect = async |text: Option<&str>| {
            let file = folder.path().join("config");
            let _ = fs::remove_file(&file);
            if let Some(text) = text {
                fs::write(&file, text).unwrap();
            }
            let source = Source::Kubeconfig(vec![file.clone()]);
            let error = source.connect(None).await.err().unwrap().to_string();
            assert!(error.contains(&format!("KUBECONFIG={}", file.display())), "{error}");
            error
        };
        let missing = connect(None).await;
        assert!(missing.contains("No such file"), "{missing}");
        let empty = connect(Some("apiVersion: v1\nkind: Config\n")).await;
        assert!(empty.contains("context"), "{empty}");
        let odd = connect(Some("{")).await;
        assert!(odd.contains("YAML"), "{odd}");
        let cut = config("http://127.0.0.1:1", "x").replace("cluster: c,", "cluster: d,");
        let cut = connect(Some(&cut)).await;
        assert!(cut.contains("cluster"), "{cut}");
    }
}
