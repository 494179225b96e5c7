//! A deployment of Heketi in which only the name of the image has changed.
use super::{Kubernetes, kubelet::Container};
use std::process::Output;

const MANIFEST: &str = include_str!("../data/kube/heketi-deployment.yaml");
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/default/deployments/heketi";
const BACKUP: &str = "/api/v1/namespaces/default/secrets/heketi-db-backup";

/// With these variables more than it has; all that a first deployment finds.
async fn deployed(kubernetes: &Kubernetes, authentication: &[(&str, &str)]) -> Container {
    let lines: Vec<_> = authentication
        .iter()
        .map(|(name, value)| format!("            - {{name: {name}, value: \"{value}\"}}"))
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let manifest = MANIFEST.replace("{AUTHENTICATION}", &lines.join("\n"));
    kubernetes.run(&["delete", "--wait", "deployment/heketi", "secret/heketi-db-backup"]);
    kubernetes.apply(folder.path(), &manifest);
    Container::of(kubernetes, DEPLOYMENT).await
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What is done is in the Secret, and comes back from there without the volume of the database.
async fn lives(kubernetes: &Kubernetes, container: &Container) {
    let server = container.start().await;
    let made = server.done(&["cluster", "create"]);
    let id = made.split("id: ").nth(1).unwrap().trim().to_owned();
    let backed_up = |secret: &serde_json::Value| secret["data"]["heketi.db.gz"].is_string();
    kubernetes.until(BACKUP, backed_up).await;
    // The last word is said at the end.
    let log = server.end();
    assert!(!log.contains("ERROR") && !log.contains("Forbidden"), "{log}");
    container.lose("/var/lib/heketi");
    let server = container.start().await;
    assert!(server.done(&["cluster", "list"]).contains(&id), "{}", server.log());
    server.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_of_heketi_with_another_image() {
    let Some(kubernetes) = Kubernetes::start().await else { return };
    let key = "--from-literal=id_rsa=a key that no node will see";
    kubernetes.kubectl(&["create", "secret", "generic", "heketi-id-rsa", key]);

    // Heketi took everybody when it was told nothing: that has to be said now, and both ways are told.
    let container = deployed(&kubernetes, &[]).await;
    let refused = container.command().output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let told = said(&refused);
    assert!(
        told.contains("HEKETI_ADMIN_KEY") && told.contains("HEKETI_DISABLE_AUTH=true"),
        "{told}"
    );

    let keys = [("HEKETI_ADMIN_KEY", "the admin's"), ("HEKETI_USER_KEY", "the user's")];
    let container = deployed(&kubernetes, &keys).await;
    lives(&kubernetes, &container).await;
    let server = container.start().await;
    let answer = reqwest::get(format!("{}/clusters", container.url())).await.unwrap();
    assert_eq!(answer.status(), 401);
    server.end();

    let container = deployed(&kubernetes, &[("HEKETI_DISABLE_AUTH", "true")]).await;
    lives(&kubernetes, &container).await;
    let server = container.start().await;
    let answer = reqwest::get(format!("{}/clusters", container.url())).await.unwrap();
    assert_eq!(answer.status(), 200);
    // The key is the one that is mounted: ssh has got as far as a port at which nobody listens.
    assert_eq!(std::fs::read(container.at("/key/id_rsa")).unwrap(), b"a key that no node will see");
    server.end();
}
