//! Who works: the rules by themselves.
use crate::harness::kube::{FakeKube, Trouble};
use brickyard::election::{Candidate, Leadership, Settings};
use std::time::{Duration, Instant};
use tokio::sync::watch;

const TERM: Duration = Duration::from_secs(2);

fn settings(kube: &FakeKube, name: &str) -> Settings {
    let (lease, source) = ("brickyard".into(), kube.source());
    Settings { lease, term: TERM, source, namespace: None, name: name.into() }
}
async fn candidate(kube: &FakeKube, name: &str) -> Candidate {
    Candidate::new(&settings(kube, name)).await.unwrap()
}
/// Who is elected, and how long that took.
async fn elected(kube: &FakeKube, name: &str) -> (Leadership, Duration) {
    let begun = Instant::now();
    let leader = watch::Sender::default();
    let elected = candidate(kube, name).await.elected(&leader).await;
    (elected, begun.elapsed())
}
async fn is_lost(leadership: &Leadership) -> bool {
    tokio::time::timeout(Duration::from_millis(1), leadership.lost()).await.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_works_until_it_says_that_it_does_not() {
    let kube = FakeKube::start().await;
    let (first, _) = elected(&kube, "first").await;
    assert!(first.name().starts_with("first_"));
    assert_eq!(kube.holder("brickyard"), first.name());
    let (known, mut told) = watch::channel(String::new());
    let waiting = candidate(&kube, "second").await;
    let second = tokio::spawn(async move { waiting.elected(&known).await });
    told.wait_for(|leader| leader == first.name()).await.unwrap();
    // Much longer than a term.
    tokio::time::sleep(TERM * 2).await;
    assert!(!second.is_finished() && !is_lost(&first).await);
    let begun = Instant::now();
    first.resign().await;
    let second = second.await.unwrap();
    assert!(begun.elapsed() < TERM, "it waited although nobody worked");
    assert_eq!(kube.holder("brickyard"), second.name());
    second.resign().await;
    assert_eq!(kube.holder("brickyard"), "");
}

/// Who is not heard of for a term is replaced, and has given up before that.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_cannot_say_that_it_lives_gives_up_before_another_begins() {
    let kube = FakeKube::start().await;
    let (first, _) = elected(&kube, "first").await;
    let waiting = candidate(&kube, "second").await;
    let second = tokio::spawn(async move { waiting.elected(&watch::Sender::default()).await });
    tokio::time::sleep(TERM / 2).await;
    for trouble in [Trouble::Hangs, Trouble::Answers(500)] {
        kube.trouble(trouble);
        tokio::time::sleep(TERM / 3).await;
        assert!(!is_lost(&first).await, "a short trouble is none");
        kube.trouble(Trouble::None);
        tokio::time::sleep(TERM / 2).await;
        assert!(!is_lost(&first).await && !second.is_finished());
    }
    kube.trouble(Trouble::Hangs);
    let begun = Instant::now();
    first.lost().await;
    assert!(begun.elapsed() < TERM, "{:?}", begun.elapsed());
    assert!(!second.is_finished());
    kube.trouble(Trouble::None);
    let second = second.await.unwrap();
    assert_eq!(kube.holder("brickyard"), second.name());
}

/// The write was done and its answer was lost: the Lease is ours all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_no_lost_lease() {
    let kube = FakeKube::start().await;
    kube.trouble(Trouble::Silent(1));
    let asked = candidate(&kube, "first").await;
    let first = tokio::spawn(async move { asked.elected(&watch::Sender::default()).await });
    while kube.writes() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    kube.trouble(Trouble::None);
    let begun = Instant::now();
    let first = first.await.unwrap();
    assert!(begun.elapsed() < TERM, "it waited for itself");
    kube.trouble(Trouble::Silent(1));
    while kube.writes() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    kube.trouble(Trouble::None);
    tokio::time::sleep(TERM).await;
    assert!(!is_lost(&first).await);
}
