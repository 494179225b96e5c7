//! The look after the nodes, beside all work.
use crate::harness::{Start, TestApp};
use brickyard::{domain::Hostname, monitor};
use std::{collections::BTreeSet, time::Duration};
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn who_does_not_answer_is_unwell_until_he_does() {
    let app = TestApp::start_with(Start::default()).await.with_nodes(4, 1).await;
    let soon = Duration::from_millis(10);
    let ending = CancellationToken::new();
    let nodes = app.app.operations.nodes().clone();
    let (store, rhythm) = (app.app.store.clone(), (soon, soon));
    let running = tokio::spawn(monitor::run(store, nodes.clone(), rhythm, ending.clone()));
    let unwell = async |expected: &[&str]| {
        let expected: BTreeSet<Hostname> = expected.iter().map(|h| h.parse().unwrap()).collect();
        let reached = async {
            while nodes.health().unwell() != expected {
                tokio::time::sleep(soon).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), reached).await.expect("it never came");
    };
    app.sim.world().down.insert("n1.example.com".into());
    app.sim.world().no_glusterd.insert("n2.example.com".into());
    unwell(&["n1.example.com", "n2.example.com"]).await;
    let n1 = nodes.health().of(&"n1.example.com".parse().unwrap()).unwrap();
    let why = n1.complaint.unwrap();
    assert!(why.contains("the node is down"), "{why}");
    app.sim.world().down.clear();
    unwell(&["n2.example.com"]).await;
    app.sim.world().no_glusterd.clear();
    unwell(&[]).await;
    ending.cancel();
    running.await.unwrap();
}
