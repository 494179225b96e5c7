//! The same against a real API server, where one is at hand: `KUBEBUILDER_ASSETS` names the folder
//! with `kube-apiserver` and `etcd` (tests/kube/README.md).
use super::{DATABASE, Kept, PACE, SECRET, heketis, lose, settings};
use crate::{
    control_plane::{self, ControlPlane},
    harness::kube::FakeKube,
};
use brickyard::{backup::Settings, kube::Source};
use sqlx::Executor;
use std::time::Duration;

/// Whether Secrets can be read, which needs the namespace as well.
async fn is_served(client: &kube::Client) -> bool {
    use k8s_openapi::api::core::v1::Namespace;
    let namespaces: kube::Api<Namespace> = kube::Api::all(client.clone());
    let asked = tokio::time::timeout(Duration::from_secs(2), namespaces.get("default")).await;
    matches!(asked, Ok(Ok(_)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_api_server_keeps_and_gives_back() {
    let Some(assets) = control_plane::assets() else {
        eprintln!("SKIPPED: {} does not name a folder with kube-apiserver", control_plane::ASSETS);
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let plane = ControlPlane::without_controllers(&assets).await;
    let source = Source::Kubeconfig(vec![plane.kubeconfig()]);
    let client = plane.client().await;
    while !is_served(&client).await {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let mut pace = PACE;
    pace.patience = Duration::from_secs(15);
    pace.goodbye = Duration::from_mins(1);
    let fake = FakeKube::start().await;
    let settings = Settings { source: Some(source.clone()), pace, ..settings(&fake) };
    let database = folder.path().join("brickyard.db");

    // Heketi's own, as it left it.
    let cluster = source.connect(None).await.unwrap();
    let secrets = brickyard::kube::secret::Secrets::new(cluster, pace.patience);
    let heketi = [(DATABASE.to_owned(), heketis())];
    secrets.create(SECRET, &[("heketi", "db")], heketi.clone().into()).await.unwrap();
    let error = brickyard::backup::begin(&settings, &database).await.err().unwrap();
    assert!(error.to_string().contains("brickyard adopt"), "{error}");

    // A database of several parts.
    brickyard::store::Store::open(&database).await.unwrap().close().await;
    let kept = Kept::start(&settings, &database).await.unwrap();
    let first = kept.add_cluster().await;
    let mut tx = kept.store.write().await.unwrap();
    let bulk = "INSERT INTO attributes (key, value) VALUES ('bulk', hex(randomblob(2500000)))";
    tx.execute(bulk).await.unwrap();
    tx.commit().await.unwrap();
    kept.until_number(1).await;
    kept.until("saved").await;
    let second = kept.add_cluster().await;
    kept.end().await;
    let aside = secrets.get("heketi-db-backup-of-heketi").await.unwrap().unwrap();
    assert_eq!(aside.data(), heketi.into());
    lose(&database);
    let kept = Kept::start(&settings, &database).await.unwrap();
    assert_eq!(kept.clusters().await, [first, second].into());
    kept.until("saved").await;
    let shown = kept.status.shown();
    assert!(shown.secrets >= 3, "{shown:?}");
    // No part of an old backup is left.
    let all: kube::Api<k8s_openapi::api::core::v1::Secret> =
        kube::Api::namespaced(client, "default");
    let names = all.list(&kube::api::ListParams::default()).await.unwrap().items;
    let names: Vec<_> = names.into_iter().filter_map(|secret| secret.metadata.name).collect();
    let ours = names.iter().filter(|name| name.contains(SECRET)).count() as u64;
    assert_eq!(ours, shown.secrets + 1, "{names:?}");
    kept.end().await;
}
