//! The task beside a server: when it writes, what it does about trouble, how it ends.
use super::{Kept, SECRET, settings};
use crate::harness::kube::{FakeKube, Trouble};
use std::time::Duration;

#[tokio::test]
async fn what_is_committed_is_saved_and_nothing_is_written_twice() {
    let (folder, kube) = (tempfile::tempdir().unwrap(), FakeKube::start().await);
    let kept = Kept::start(&settings(&kube), &folder.path().join("brickyard.db")).await.unwrap();
    kept.until_number(1).await;
    assert_eq!(kube.writes(), 1);
    kept.add_cluster().await;
    kept.until_number(2).await;
    kept.until("saved").await;
    let (writes, requests) = (kube.writes(), kube.requests());
    // A commit that changes nothing is not even a question.
    kept.store.write().await.unwrap().commit().await.unwrap();
    kept.until("saved").await;
    kept.add_cluster().await;
    kept.until_number(3).await;
    assert_eq!((kube.writes(), kube.requests()), (writes + 1, requests + 2));
    let status = kept.status.shown();
    assert_eq!((status.secret.as_str(), status.secrets), ("storage/heketi-db-backup", 1));
    assert!(status.size > 0 && status.size < status.limit && status.error.is_empty());
    kept.end().await;
    assert_eq!(kube.writes(), writes + 1, "the end had nothing to add");
}

#[tokio::test]
async fn trouble_is_shown_and_tried_again_until_it_is_over() {
    let (folder, kube) = (tempfile::tempdir().unwrap(), FakeKube::start().await);
    let kept = Kept::start(&settings(&kube), &folder.path().join("brickyard.db")).await.unwrap();
    kept.until("saved").await;
    for trouble in [
        Trouble::Answers(500),
        Trouble::Answers(403),
        Trouble::Answers(409),
        Trouble::Refuses(0),
        Trouble::Hangs,
    ] {
        kube.trouble(trouble);
        let before = kept.status.shown();
        kept.add_cluster().await;
        kept.until("failing").await;
        let shown = kept.status.shown();
        assert!(shown.failures > before.failures && shown.behind_since.is_some(), "{shown:?}");
        assert!(shown.error.contains("storage/heketi-db-backup"), "{shown:?}");
        assert_eq!(shown.number, before.number);
        kube.trouble(Trouble::None);
        kept.until("saved").await;
        let shown = kept.status.shown();
        assert_eq!((shown.number, shown.error.as_str()), (before.number + 1, ""), "{trouble:?}");
    }
    kept.end().await;
}

/// Somebody else changes or removes the Secret: the next write finds it as it is.
#[tokio::test]
async fn a_secret_that_vanishes_comes_back() {
    let (folder, kube) = (tempfile::tempdir().unwrap(), FakeKube::start().await);
    let kept = Kept::start(&settings(&kube), &folder.path().join("brickyard.db")).await.unwrap();
    kept.until("saved").await;
    kube.remove(SECRET);
    kept.add_cluster().await;
    let back = async {
        while kube.names().is_empty() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), back).await.unwrap();
    kept.until("saved").await;
    kept.end().await;
}

#[tokio::test]
async fn the_end_saves_the_last_state_and_does_not_wait_for_ever() {
    let (folder, kube) = (tempfile::tempdir().unwrap(), FakeKube::start().await);
    let database = folder.path().join("brickyard.db");
    let mut slow = settings(&kube);
    // Nothing would be saved before the end by itself.
    slow.pace.settle = Duration::from_hours(1);
    let kept = Kept::start(&slow, &database).await.unwrap();
    let cluster = kept.add_cluster().await;
    assert_eq!(kube.requests(), 1, "the look at the beginning");
    kept.end().await;
    super::lose(&database);
    let kept = Kept::start(&settings(&kube), &database).await.unwrap();
    assert_eq!(kept.clusters().await, [cluster].into());
    kept.until("saved").await;
    kept.add_cluster().await;
    kube.trouble(Trouble::Hangs);
    let mut hurried = settings(&kube);
    hurried.pace.goodbye = Duration::from_millis(50);
    kept.kill().await;
    let begun = std::time::Instant::now();
    let kept = Kept::start(&hurried, &database).await.unwrap();
    kept.end().await;
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}
