//! What a start does with a database that is lost, there, or not what it should be.
use super::{DATABASE, Kept, NOTE, PACE, SECRET, heketis, lose, settings};
use crate::harness::kube::{FakeKube, Trouble};
use brickyard::{
    backup::{RestoreError, Settings, begin, bundle::Note},
    store::{Store, operations},
};
use sqlx::Executor;
use std::path::Path;

/// Larger than one part, once compressed.
const BULK: &str = "INSERT INTO attributes (key, value) VALUES ('bulk', hex(randomblob(1500000)))";

/// A backup of a database with a cluster, and with more if that is wanted; the database is lost.
async fn backed_up(kube: &FakeKube, database: &Path, rows: Option<&'static str>) {
    let kept = Kept::start(&settings(kube), database).await.unwrap();
    kept.add_cluster().await;
    if let Some(rows) = rows {
        let mut tx = kept.store.write().await.unwrap();
        tx.execute(sqlx::raw_sql(rows)).await.unwrap();
        tx.commit().await.unwrap();
    }
    kept.end().await;
    lose(database);
}

async fn refused(settings: &Settings, database: &Path) -> RestoreError {
    let error = begin(settings, database).await.err().unwrap();
    assert!(!database.exists(), "{error}");
    let left = std::fs::read_dir(database.parent().unwrap()).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    let ours = ["brickyard.lock", "heketi.db.gz"];
    assert!(left.iter().all(|name| ours.iter().any(|our| name == our)), "{left:?}");
    assert!(error.to_string().contains("Nothing was changed"), "{error}");
    error
}

#[tokio::test]
async fn a_lost_database_comes_back() {
    for rows in [None, Some(BULK)] {
        let (folder, kube) = (tempfile::tempdir().unwrap(), FakeKube::start().await);
        let database = folder.path().join("brickyard.db");
        backed_up(&kube, &database, rows).await;
        assert_eq!(kube.names().len() > 1, rows.is_some(), "{:?}", kube.names());
        let kept = Kept::start(&settings(&kube), &database).await.unwrap();
        assert_eq!(kept.clusters().await.len(), 1);
        let mut tx = kept.store.read().await.unwrap();
        let bulk: i64 = sqlx::query_scalar("SELECT count(*) FROM attributes WHERE key = 'bulk'")
            .fetch_one(&mut *tx)
            .await
            .unwrap();
        assert_eq!(bulk == 1, rows.is_some());
        drop(tx);
        // It is backed up further, as the same database.
        kept.until("saved").await;
        assert!(!kube.names().iter().any(|name| name.contains("-of-")), "{:?}", kube.names());
        kept.end().await;
    }
}

/// What was changed after the backup is there, whatever the backup says.
#[tokio::test]
async fn a_database_that_is_there_is_kept() {
    let (folder, kube) = (tempfile::tempdir().unwrap(), FakeKube::start().await);
    let database = folder.path().join("brickyard.db");
    let kept = Kept::start(&settings(&kube), &database).await.unwrap();
    kept.until("saved").await;
    kube.trouble(Trouble::Answers(500));
    kept.add_cluster().await;
    kept.kill().await;
    kube.trouble(Trouble::None);
    let kept = Kept::start(&settings(&kube), &database).await.unwrap();
    assert_eq!(kept.clusters().await.len(), 1);
    kept.until_number(2).await;
    kept.kill().await;
    // The API server is away: that keeps no server with a database from its work.
    kube.trouble(Trouble::Hangs);
    let kept = Kept::start(&settings(&kube), &database).await.unwrap();
    assert_eq!(kept.clusters().await.len(), 1);
    kept.kill().await;
}

/// An old copy lies in the place of the database, by a restored volume for instance.
#[tokio::test]
async fn a_database_that_is_older_than_its_backup_is_not_used() {
    let (folder, kube) = (tempfile::tempdir().unwrap(), FakeKube::start().await);
    let database = folder.path().join("brickyard.db");
    let kept = Kept::start(&settings(&kube), &database).await.unwrap();
    kept.end().await;
    let old = std::fs::read(&database).unwrap();
    let kept = Kept::start(&settings(&kube), &database).await.unwrap();
    kept.add_cluster().await;
    kept.end().await;
    std::fs::write(&database, &old).unwrap();
    for _ in 0..2 {
        // Also the second time: looking at it does not make it later.
        let error = begin(&settings(&kube), &database).await.err().unwrap();
        assert!(matches!(error, RestoreError::Older { .. }), "{error}");
    }
    lose(&database);
    let kept = Kept::start(&settings(&kube), &database).await.unwrap();
    assert_eq!(kept.clusters().await.len(), 1);
    kept.kill().await;
}

#[tokio::test]
async fn a_damaged_backup_is_refused_as_a_whole() {
    let (folder, kube) = (tempfile::tempdir().unwrap(), FakeKube::start().await);
    let database = folder.path().join("brickyard.db");
    backed_up(&kube, &database, Some(BULK)).await;
    let part = kube.names().into_iter().find(|name| name != SECRET).unwrap();
    let text = async || refused(&settings(&kube), &database).await.to_string();
    let damages: [(&str, &str, &str); 4] = [
        (&part, "part", "damaged"),
        (SECRET, DATABASE, "its checksum is wrong"),
        (SECRET, NOTE, "brickyard.json: "),
        (SECRET, NOTE, "is missing"),
    ];
    for (number, (secret, key, words)) in damages.into_iter().enumerate() {
        let good = kube.data(secret, key).unwrap();
        let mut bad = good.clone();
        let middle = bad.len() / 2;
        bad[middle..middle + 8].fill(b'\x07');
        kube.put(secret, key, (number < 3).then_some(&bad));
        let text = text().await;
        assert!(text.contains(words) && text.contains("HEKETI_KUBE_DB_SECRET_NAME"), "{text}");
        kube.put(secret, key, Some(&good));
    }
    kube.remove(&part);
    let text = text().await;
    assert!(text.contains("a part of the backup, does not exist"), "{text}");
}

/// Checksums that hold, around what is no database.
#[tokio::test]
async fn a_backup_of_something_else_is_refused() {
    use brickyard::backup::bundle;
    let (folder, kube) = (tempfile::tempdir().unwrap(), FakeKube::start().await);
    let database = folder.path().join("brickyard.db");
    backed_up(&kube, &database, None).await;
    let mut note = Note::read(&kube.data(SECRET, NOTE).unwrap()).unwrap();
    let content = vec![7; 5000];
    let compressed = bundle::compress(&content).unwrap();
    let backup = note.backup.as_mut().unwrap();
    backup.size = compressed.len() as u64;
    backup.sha256 = bundle::sha256(&compressed);
    backup.database_size = content.len() as u64;
    kube.put(SECRET, DATABASE, Some(&compressed));
    kube.put(SECRET, NOTE, Some(&note.bytes()));
    let error = refused(&settings(&kube), &database).await;
    assert!(error.to_string().contains("not a database"), "{error}");
}

#[tokio::test]
async fn a_damaged_backup_of_heketi_is_refused_and_stays() {
    let (folder, kube) = (tempfile::tempdir().unwrap(), FakeKube::start().await);
    let database = folder.path().join("brickyard.db");
    kube.put(SECRET, DATABASE, Some(&heketis()));
    let error = refused(&settings(&kube), &database).await;
    assert!(error.to_string().contains("brickyard adopt"), "{error}");
    assert_eq!((kube.writes(), kube.data(SECRET, DATABASE)), (0, Some(heketis())));
}

#[tokio::test]
async fn without_an_answer_nobody_starts_empty() {
    let (folder, kube) = (tempfile::tempdir().unwrap(), FakeKube::start().await);
    let database = folder.path().join("brickyard.db");
    for trouble in [Trouble::Hangs, Trouble::Answers(500), Trouble::Answers(403)] {
        kube.trouble(trouble);
        let error = refused(&settings(&kube), &database).await;
        assert!(matches!(error, RestoreError::Unreachable { .. }), "{error}");
    }
    // An empty Secret, as Heketi's manifests make it, is no backup.
    kube.trouble(Trouble::None);
    kube.put(SECRET, "other", Some(b""));
    Kept::start(&settings(&kube), &database).await.unwrap().kill().await;
}

/// The Secret as files, with the API and without.
#[tokio::test]
async fn a_mounted_secret_is_enough_if_it_is_whole() {
    for rows in [None, Some(BULK)] {
        let (folder, kube) = (tempfile::tempdir().unwrap(), FakeKube::start().await);
        let database = folder.path().join("db/brickyard.db");
        backed_up(&kube, &database, rows).await;
        let mounted = folder.path().join("backupdb");
        std::fs::create_dir(&mounted).unwrap();
        for key in [DATABASE, NOTE] {
            std::fs::write(mounted.join(key), kube.data(SECRET, key).unwrap()).unwrap();
        }
        let without = Settings { on: None, source: None, mounted, ..settings(&kube) };
        let with = Settings { mounted: without.mounted.clone(), ..settings(&kube) };
        if rows.is_some() {
            let error = refused(&without, &database).await;
            assert!(matches!(error, RestoreError::OnlyFirst { parts: 3, .. }), "{error}");
            kube.trouble(Trouble::Answers(500));
            let error = refused(&with, &database).await;
            assert!(matches!(error, RestoreError::Unreachable { .. }), "{error}");
            kube.trouble(Trouble::None);
            assert!(begin(&with, &database).await.unwrap().is_some());
        } else {
            assert!(begin(&without, &database).await.unwrap().is_none());
            assert!(database.exists());
            lose(&database);
            // The API server is away: what is mounted will do.
            kube.trouble(Trouble::Answers(500));
            assert!(begin(&with, &database).await.unwrap().is_some());
            kube.trouble(Trouble::None);
            lose(&database);
            let mut bad = std::fs::read(without.mounted.join(DATABASE)).unwrap();
            bad.truncate(100);
            std::fs::write(without.mounted.join(DATABASE), bad).unwrap();
            let error = refused(&without, &database).await;
            assert!(error.to_string().contains("bytes and should have"), "{error}");
            std::fs::write(without.mounted.join(DATABASE), heketis()).unwrap();
            std::fs::remove_file(without.mounted.join(NOTE)).unwrap();
            let error = refused(&without, &database).await;
            assert!(matches!(error, RestoreError::Heketi { .. }), "{error}");
        }
    }
}

/// Where the Secret is all that is left of a Heketi, it is adopted: the real thing, from versions 4, 6
/// and 10, and however the Secret is reached.
#[tokio::test]
async fn the_backup_of_a_heketi_is_adopted() {
    for pair in crate::harness::heketi::databases() {
        let packed = std::fs::read(crate::harness::heketi::packed(pair.name)).unwrap();
        let ids = |text: &str| {
            let dump: serde_json::Value = serde_json::from_str(text).unwrap();
            dump["volumeentries"].as_object().unwrap().keys().cloned().collect::<Vec<_>>()
        };
        for mounted in [false, true] {
            let (folder, kube) = (tempfile::tempdir().unwrap(), FakeKube::start().await);
            let database = folder.path().join("data/brickyard.db");
            let mut settings = settings(&kube);
            if mounted {
                (settings.on, settings.mounted) = (None, folder.path().join("backupdb"));
                std::fs::create_dir(&settings.mounted).unwrap();
                std::fs::write(settings.mounted.join(DATABASE), &packed).unwrap();
            } else {
                kube.put(SECRET, DATABASE, Some(&packed));
            }
            drop(begin(&settings, &database).await.unwrap());
            let store = Store::open(&database).await.unwrap();
            let dump = brickyard::database::dump_text(&store).await.unwrap();
            assert_eq!(ids(&dump), ids(&pair.export), "{}", pair.name);
            store.close().await;
            // It is ours from now on.
            drop(begin(&settings, &database).await.unwrap());
        }
    }
}

const UNDER_WAY: &str = "INSERT INTO operations (id, kind, params, state, created_at) VALUES
    ('00000000000000000000000000000001', 'x', '{}', 'running', 0),
    ('00000000000000000000000000000002', 'x', '{}', 'accepted', 0)";

/// How far an operation went after the last backup is not known, if the server was lost as well:
/// taking it back could destroy what was finished long ago. After an orderly end it is known.
#[tokio::test]
async fn what_was_under_way_waits_for_a_person_unless_the_end_was_in_order() {
    for orderly in [true, false] {
        let (folder, kube) = (tempfile::tempdir().unwrap(), FakeKube::start().await);
        let database = folder.path().join("brickyard.db");
        let kept = Kept::start(&settings(&kube), &database).await.unwrap();
        kept.until("saved").await;
        let mut tx = kept.store.write().await.unwrap();
        tx.execute(sqlx::raw_sql(UNDER_WAY)).await.unwrap();
        tx.commit().await.unwrap();
        kept.until_number(2).await;
        kept.until("saved").await;
        if orderly {
            kept.end().await;
        } else {
            kept.kill().await;
        }
        lose(&database);
        begin(&settings(&kube), &database).await.unwrap();
        let store = Store::open(&database).await.unwrap();
        let mut tx = store.read().await.unwrap();
        let held = operations::held(&mut tx).await.unwrap();
        assert_eq!(held.len(), usize::from(!orderly));
        // On demand, but not by itself.
        assert_eq!(operations::stuck(&mut tx).await.unwrap(), held);
        let soon = operations::stuck_until(&mut tx, operations::HELD - 1).await.unwrap();
        assert!(soon.is_empty());
        if let Some(id) = held.first() {
            let progress = operations::progress(&mut tx, *id).await.unwrap().unwrap();
            assert!(progress.held && progress.error.unwrap().contains("restored from a backup"));
        }
    }
}

/// No way to the API server although one is named: told at once, before anything is opened.
#[tokio::test]
async fn a_way_that_leads_nowhere_is_told() {
    let (folder, kube) = (tempfile::tempdir().unwrap(), FakeKube::start().await);
    let database = folder.path().join("brickyard.db");
    let source = brickyard::kube::Source::Kubeconfig(vec![folder.path().join("none")]);
    let lost = Settings { source: Some(source), ..settings(&kube) };
    let error = begin(&lost, &database).await.err().unwrap().to_string();
    assert!(error.contains("backups are on (for a test), but KUBECONFIG="), "{error}");
    // Outside of Kubernetes the setting has no effect, as with Heketi, and that is logged.
    let outside = Settings { source: None, pace: PACE, ..settings(&kube) };
    assert!(begin(&outside, &database).await.unwrap().is_none());
}
