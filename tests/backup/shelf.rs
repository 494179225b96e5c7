//! The order of writing: whatever happens, a whole backup lies there.
use super::{DATABASE, NOTE, SECRET, heketis, secrets};
use crate::harness::kube::{FakeKube, Trouble};
use brickyard::{
    backup::{
        bundle::{Content, Note, PART_SIZE},
        shelf::{Fresh, Shelf, ShelfError},
    },
    store::{copy::Essence, origin::Origin},
};
use std::collections::BTreeSet;

/// Bytes that do not get smaller, others for each seed.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// Something to back up: seed, size in parts.
fn fresh(seed: u64, parts: usize) -> (Fresh, Vec<u8>) {
    fresh_of(seed, parts, "ours", 10)
}
fn fresh_of(seed: u64, parts: usize, generation_id: &str, epoch: u64) -> (Fresh, Vec<u8>) {
    let content = noise(seed, PART_SIZE * (parts - 1) + 1000);
    let origin = Origin { generation_id: generation_id.into(), epoch };
    let essence = Essence { content: content.clone(), origin, unfinished: 0 };
    (Fresh::new(&essence, epoch - 1, false).unwrap(), content)
}

async fn shelf(kube: &FakeKube) -> Shelf {
    Shelf::new(secrets(kube).await, SECRET)
}

/// What a restore would take.
async fn restored(shelf: &Shelf) -> Option<Vec<u8>> {
    match shelf.look().await.unwrap() {
        Content::Ours(backup, first) => {
            let rest = shelf.parts(&backup).await.unwrap();
            Some(backup.join(&first, &rest).unwrap())
        }
        Content::Nothing => None,
        other => panic!("{other:?}"),
    }
}

/// Cut off after each write, with and without the write itself, from nothing, from one part and
/// from several to one and to several; then written again.
#[tokio::test]
async fn an_interrupted_write_leaves_a_whole_backup() {
    let mut cases = 0;
    let (last, of_last) = fresh(3, 2);
    for (before, after) in [(0, 1), (0, 3), (1, 2), (3, 1), (3, 2)] {
        let former = (before > 0).then(|| fresh(1, before));
        let (new, of_new) = fresh(2, after);
        for number in 0.. {
            let mut complete = false;
            for trouble in [Trouble::Refuses(number), Trouble::Silent(number)] {
                let kube = FakeKube::start().await;
                let shelf = shelf(&kube).await;
                if let Some((former, _)) = &former {
                    shelf.put(former, &mut BTreeSet::new()).await.unwrap();
                }
                kube.trouble(trouble);
                let put = shelf.put(&new, &mut BTreeSet::new()).await;
                complete = put.is_ok_and(|written| written.left.is_none());
                kube.trouble(Trouble::None);
                let found = restored(&shelf).await;
                let is_new = found.as_ref() == Some(&of_new);
                let is_former = found.as_ref() == former.as_ref().map(|(_, content)| content);
                assert!(is_new || (is_former && !complete), "{before} {after} {trouble:?}");
                // A server that knows nothing of it comes to the end, and leaves nothing behind.
                shelf.put(&last, &mut BTreeSet::new()).await.unwrap();
                assert_eq!(restored(&shelf).await.as_ref(), Some(&of_last));
                let left = kube.names();
                assert_eq!(left.len(), 2, "{before} {after} {trouble:?}: {left:?}");
                cases += 1;
            }
            if complete {
                break;
            }
        }
    }
    assert!(cases > 30, "{cases}");
}

/// Two servers at the same moment: one of them is told, and what lies there is of one of them.
#[tokio::test]
async fn two_writers_never_mix() {
    let kube = FakeKube::start().await;
    let (left, right) = (shelf(&kube).await, shelf(&kube).await);
    let mut refused = 0;
    for round in 0..6 {
        let (a, of_a) = fresh(100 + round, 2);
        let (b, of_b) = fresh(200 + round, 2);
        let (mut none, mut nothing) = (BTreeSet::new(), BTreeSet::new());
        let (first, second) = tokio::join!(left.put(&a, &mut none), right.put(&b, &mut nothing));
        for error in [first.as_ref().err(), second.as_ref().err()].into_iter().flatten() {
            assert!(error.to_string().contains("changed by somebody else"), "{error}");
            refused += 1;
        }
        let found = restored(&left).await;
        assert!(found.as_ref() == Some(&of_a) || found.as_ref() == Some(&of_b));
    }
    assert!(refused > 0);
}

/// Heketi's name, key and labels, and labels of others stay.
#[tokio::test]
async fn the_first_secret_is_heketis() {
    let kube = FakeKube::start().await;
    let shelf = shelf(&kube).await;
    shelf.put(&fresh(1, 3).0, &mut BTreeSet::new()).await.unwrap();
    assert_eq!(kube.labels(SECRET)["heketi"], "db");
    assert_eq!(kube.labels(SECRET)["glusterfs"], "heketi-db");
    assert!(kube.data(SECRET, DATABASE).unwrap().starts_with(&[0x1f, 0x8b]));
    let note = Note::read(&kube.data(SECRET, NOTE).unwrap()).unwrap();
    let backup = note.backup.unwrap();
    assert_eq!((backup.number, backup.parts.len()), (1, 2));
    let names: BTreeSet<_> = backup.parts.iter().map(|part| part.secret.clone()).collect();
    assert!(names.is_subset(&kube.names()) && kube.names().len() == 3);
}

#[tokio::test]
async fn what_a_heketi_left_is_kept_once() {
    let kube = FakeKube::start().await;
    kube.put(SECRET, DATABASE, Some(&heketis()));
    let shelf = shelf(&kube).await;
    assert!(matches!(shelf.look().await.unwrap(), Content::Heketi(_)));
    // Cut off in the middle of it, more than once.
    for writes in [1, 2, 2] {
        kube.trouble(Trouble::Refuses(writes));
        shelf.put(&fresh(1, 3).0, &mut BTreeSet::new()).await.unwrap_err();
    }
    kube.trouble(Trouble::None);
    let (last, content) = fresh(2, 1);
    let written = shelf.put(&last, &mut BTreeSet::new()).await.unwrap();
    assert_eq!(written.kept.unwrap(), "storage/heketi-db-backup-of-heketi");
    assert_eq!(kube.data("heketi-db-backup-of-heketi", DATABASE), Some(heketis()));
    assert_eq!(kube.data("heketi-db-backup-of-heketi", NOTE), None);
    assert_eq!(restored(&shelf).await, Some(content));
    assert_eq!(kube.names().len(), 2, "{:?}", kube.names());
    let again = shelf.put(&fresh(3, 1).0, &mut BTreeSet::new()).await.unwrap();
    assert!(again.kept.is_none());
}

/// A backup of another database, whose parts stay as well; and one that nobody understands.
#[tokio::test]
async fn what_is_not_ours_is_kept_aside() {
    let kube = FakeKube::start().await;
    let ours = shelf(&kube).await;
    let (theirs, content) = fresh_of(1, 3, "theirs", 99);
    ours.put(&theirs, &mut BTreeSet::new()).await.unwrap();
    let written = ours.put(&fresh(2, 3).0, &mut BTreeSet::new()).await.unwrap();
    assert_eq!(written.kept.unwrap(), "storage/heketi-db-backup-of-another");
    assert_eq!(written.described.number, 2);
    let aside = Shelf::new(secrets(&kube).await, "heketi-db-backup-of-another");
    assert_eq!(restored(&aside).await, Some(content));
    kube.put(SECRET, NOTE, Some(b"gone"));
    let written = ours.put(&fresh(3, 1).0, &mut BTreeSet::new()).await.unwrap();
    assert_eq!(written.kept.unwrap(), "storage/heketi-db-backup-unknown");
    assert_eq!(kube.data("heketi-db-backup-unknown", NOTE).unwrap(), b"gone");
}

/// Two servers on copies of one database: the one that was started first gives way.
#[tokio::test]
async fn a_later_server_is_not_written_over() {
    let kube = FakeKube::start().await;
    let shelf = shelf(&kube).await;
    let (later, content) = fresh_of(1, 1, "ours", 20);
    shelf.put(&later, &mut BTreeSet::new()).await.unwrap();
    let error = shelf.put(&fresh(2, 1).0, &mut BTreeSet::new()).await.unwrap_err();
    assert!(matches!(error, ShelfError::Later(_)), "{error}");
    assert_eq!(restored(&shelf).await, Some(content));
    // It was at work between our database's last start and this one: not ours, and kept.
    let origin = Origin { generation_id: "ours".into(), epoch: 30 };
    let essence = Essence { content: vec![1], origin, unfinished: 0 };
    let unaware = Fresh::new(&essence, 5, false).unwrap();
    let written = shelf.put(&unaware, &mut BTreeSet::new()).await.unwrap();
    assert!(written.kept.is_some());
}

#[tokio::test]
async fn what_is_denied_says_what_to_grant() {
    let kube = FakeKube::start().await;
    kube.trouble(Trouble::Answers(403));
    let error = shelf(&kube).await.put(&fresh(1, 1).0, &mut BTreeSet::new()).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("a Role with the verbs get, create, update and delete"), "{text}");
    assert!(text.contains("storage/heketi-db-backup") && !text.contains("top-secret"), "{text}");
}
