//! `brickyard adopt`, by the real binary.
use crate::harness::{
    heketi::{Pair, databases, packed, spoil},
    names,
};
use brickyard::{
    api::{
        database::{Dump, PendingAction, PendingOperationEntry},
        json,
    },
    database,
};
use std::{
    collections::BTreeSet,
    fs::{self, File},
    path::Path,
    process::{Command, Output, Stdio},
};

fn run(folder: &Path, words: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_brickyard"));
    command.current_dir(folder).env_clear().env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
    command.args(words.split(' ')).output().unwrap()
}

/// What a command prints and tells, and how it ends.
fn told(folder: &Path, words: &str) -> (String, String, i32) {
    let output = run(folder, words);
    let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    (out, err, output.status.code().unwrap())
}

fn read(text: &str) -> Dump {
    brickyard::lenient::from_slice(text.as_bytes()).unwrap()
}

/// A database of ours, as Heketi's JSON without what is its own.
#[track_caller]
fn exported(folder: &Path, name: &str) -> Dump {
    let (out, err, status) = told(folder, &format!("db export --dbfile {name} --jsonfile -"));
    assert_eq!(status, 0, "{err}");
    let mut dump = read(&out);
    assert!(dump.brickyard.take().is_some());
    dump.dbattributeentries.clear();
    dump
}

/// The same of what an export of Heketi is made into, which `compat::database` looks at in detail.
fn expected(export: &str) -> Dump {
    let mut dump = database::dump(&database::import(read(export)).unwrap().snapshot);
    dump.dbattributeentries.clear();
    dump
}

#[test]
fn without_a_word_of_yes_it_only_tells() {
    for Pair { name, file, export } in databases() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        fs::write(folder.join("heketi.db"), &file).unwrap();
        for words in ["adopt heketi.db", "adopt --dry-run heketi.db"] {
            let (report, err, status) = told(folder, words);
            assert_eq!((err.as_str(), status), ("Nothing was made; --yes makes brickyard.db\n", 0));
            let dump = read(&export);
            for (count, what) in [
                (dump.volumeentries.len(), "volume(s)"),
                (dump.brickentries.len(), "brick(s)"),
                (dump.blockvolumeentries.len(), "block volume(s)"),
            ] {
                assert!(report.contains(&format!("  {count} {what}\n")), "{name}: {report}");
            }
            for secret in dump.blockvolumeentries.values().map(|b| &b.info.blockvolume.password) {
                assert!(secret.expose().is_empty() || !report.contains(secret.expose()));
            }
        }
        assert_eq!(names(folder), ["heketi.db"]);
    }
}

/// What Heketi would change at its start is told, each with a reason and an example.
#[test]
fn what_is_set_right_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let report = |name: &str| {
        let (report, _, status) = told(folder.path(), &format!("adopt {}", packed(name).display()));
        assert_eq!(status, 0);
        report
    };
    let v10 = report("v10-mixed");
    assert!(!v10.contains("Will be set right") && !v10.contains("Contradicts"), "{v10}");
    let v4 = report("v40");
    for words in [
        "cluster: Info.block of 1 (earlier versions had no such flag): for ",
        " false becomes true",
        "brick: Info.volume of 13 (the volume that lists it): for ",
        "brick: LvmThinPool of 13 (the usual name, ",
        "Contradicts itself or looks strange, and stays as it is",
        " has a path that nobody gives bricks: /mockpath",
    ] {
        assert!(v4.contains(words), "{words}: {v4}");
    }
    let v6 = report("v6x");
    for words in [
        "volume: Info.blockinfo.reservedsize of 1 (2 % are kept back, ",
        "volume: Info.blockinfo.restriction of 1 ",
        "\"locked-by-update\"",
        "block volume: Info.usablesize of 5 (earlier versions did not tell it): for ",
    ] {
        assert!(v6.contains(words), "{words}: {v6}");
    }
}

#[test]
fn with_yes_it_is_made_beside_and_the_source_stays() {
    for Pair { name, file, export } in databases() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let gz = fs::read(packed(name)).unwrap();
        for (source, bytes) in [
            ("heketi.db", &file),
            ("heketi.db.gz", &gz),
            ("all.json", &export.clone().into_bytes()),
        ] {
            fs::write(folder.join(source), bytes).unwrap();
            let (_, err, status) = told(folder, &format!("adopt --yes {source}"));
            assert_eq!(
                (err.lines().last(), status),
                (Some(format!("brickyard.db was made; {source} is as it was").as_str()), 0)
            );
            assert_eq!(&fs::read(folder.join(source)).unwrap(), bytes);
            assert_eq!(exported(folder, "brickyard.db"), expected(&export), "{name}: {source}");
            // Neither is it made a second time.
            let before = fs::read(folder.join("brickyard.db")).unwrap();
            let (_, err, status) = told(folder, &format!("adopt --yes {source}"));
            assert!(err.contains("brickyard.db exists already") && status == 1, "{err}");
            assert_eq!(fs::read(folder.join("brickyard.db")).unwrap(), before);
            fs::remove_file(folder.join("brickyard.db")).unwrap();
        }
        let (_, err, status) = told(folder, "adopt --yes --database other.db heketi.db");
        assert_eq!(status, 0, "{err}");
        assert_eq!(exported(folder, "other.db"), expected(&export));
        assert!(!names(folder).contains(&"brickyard.db".to_owned()));
    }
}

/// A brick whose entry cannot be read: nobody loses it by the way.
#[test]
fn what_would_be_lost_needs_a_decision() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let [Pair { mut file, export, .. }, ..] = databases();
    let dump = read(&export);
    let id = dump.brickentries.keys().next().unwrap();
    spoil(&mut file, id);
    fs::write(folder.join("heketi.db"), &file).unwrap();
    for words in ["adopt heketi.db", "adopt heketi.db --yes"] {
        let (report, err, status) = told(folder, words);
        assert!(report.contains("Cannot be read, and would be lost"), "{report}");
        assert!(report.contains(&format!("  BRICK: {id}: ")), "{report}");
        assert!(err.contains("something would be lost: nothing was made. --leave-out"), "{err}");
        assert_eq!((status, names(folder)), (1, vec!["heketi.db".to_owned()]));
    }
    let (out, err, status) = told(folder, "db export --dbfile heketi.db --jsonfile -");
    assert!(err.contains(&format!("cannot be read: BRICK: {id}: ")), "{err}");
    assert_eq!((status, read(&out).brickentries.len()), (0, dump.brickentries.len() - 1));
    let (report, err, status) = told(folder, "adopt heketi.db --yes --leave-out");
    assert_eq!(status, 0, "{report}{err}");
    let left = exported(folder, "brickyard.db").brickentries;
    assert!(!left.contains_key(id) && left.len() == dump.brickentries.len() - 1);
}

#[test]
fn what_does_not_hold_is_told_and_nothing_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let [Pair { file, export, .. }, ..] = databases();
    let wrong = export.replace("\"zone\": 1,", "\"zone\": 0,");
    let newer = export.replace("\"DB_DEVICE_HAS_ID_META\": {", "\"DB_OF_THE_FUTURE\": {");
    for (name, bytes, in_report, in_error) in [
        ("wrong.json", wrong.as_bytes(), "zone 0 is below 1", "cannot be taken over: nothing was"),
        ("newer.json", newer.as_bytes(), "attribute DB_OF_THE_FUTURE", "nothing was made"),
        ("half.db", &file[..file.len() / 8], "the file ends at byte 32768, of", "nothing was made"),
        ("meta.db", &file[..100], "the file ends at byte 100, of", "nothing was made"),
        ("tiny.db", &file[..60], "", "tiny.db: the file ends at byte 60"),
        ("empty.db", &[], "", "empty.db: neither a database of Heketi"),
        ("half.gz", &[0x1f, 0x8b, 8, 0, 1], "", "half.gz: "),
        ("text.json", b"{\"nodeentries\": []}", "", "text.json: nodeentries: "),
    ] {
        fs::write(folder.join(name), bytes).unwrap();
        let (report, err, status) = told(folder, &format!("adopt --yes --leave-out {name}"));
        let (plain, _, plainly) = told(folder, &format!("adopt --yes {name}"));
        assert!(report.contains(in_report), "{name}: {report}");
        assert_eq!((plain == report, plainly), (true, 1), "{name}");
        assert!(err.contains(in_error) && status == 1, "{name}: {err}");
        fs::remove_file(folder.join(name)).unwrap();
        assert!(names(folder).is_empty(), "{name}: {:?}", names(folder));
    }
    let (_, err, _) = told(folder, "adopt nothere.db");
    assert!(err.contains("nothere.db: No such file"), "{err}");
}

/// BoltDB keeps others away by a lock on its file.
/// Any object would do for an empty estate, and a set that lacks a brick would look whole.
#[test]
fn what_is_no_export_and_what_is_half_of_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let [Pair { export, .. }, ..] = databases();
    let mut half: serde_json::Value = serde_json::from_str(&export).unwrap();
    let bricks = half["brickentries"].as_object_mut().unwrap();
    let lost = bricks.keys().next().unwrap().clone();
    bricks.remove(&lost);
    let half = half.to_string();
    for (text, why) in
        [("{\"a\": 1}", "it is JSON, but no export of a database"), (half.as_str(), "its brick \"")]
    {
        fs::write(folder.path().join("all.json"), text).unwrap();
        for command in [
            "adopt --yes --database new.db all.json",
            "db import --jsonfile all.json --dbfile new.db",
        ] {
            let (out, err, status) = told(folder.path(), command);
            assert_eq!(status, 1, "{out}{err}");
            assert!(format!("{out}{err}").contains(why), "{out}{err}");
            assert!(!folder.path().join("new.db").exists(), "{command}");
        }
    }
}

#[test]
fn a_heketi_that_runs_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let [Pair { file, .. }, ..] = databases();
    fs::write(folder.join("heketi.db"), &file).unwrap();
    let held = File::options().read(true).write(true).open(folder.join("heketi.db")).unwrap();
    held.lock().unwrap();
    let (_, err, status) = told(folder, "adopt heketi.db");
    assert!(err.contains("in use by another program, most likely Heketi") && status == 1, "{err}");
    drop(held);
    assert_eq!(told(folder, "adopt heketi.db").2, 0);
}

/// What Heketi asks of a file that it imports (storage.md 6.5, 6.8, 6.9): all eight maps, lists of
/// ids that are sorted, a kind of durability that it knows; it passes over members that it does not
/// know.
#[test]
fn what_was_adopted_can_go_back() {
    for Pair { name, file, export } in databases() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        fs::write(folder.join("heketi.db"), &file).unwrap();
        assert_eq!(told(folder, "adopt --yes heketi.db").2, 0);
        let (out, _, _) = told(folder, "db export --dbfile brickyard.db --jsonfile -");
        let value: serde_json::Value = serde_json::from_str(&out).unwrap();
        let theirs: serde_json::Value = serde_json::from_str(&export).unwrap();
        let members = |value: &serde_json::Value| {
            value.as_object().unwrap().keys().cloned().collect::<Vec<_>>()
        };
        let mut maps = members(&theirs);
        assert_eq!(maps.len(), 8);
        maps.push("brickyard".to_owned());
        assert_eq!(members(&value), maps);
        let dump = read(&out);
        for volume in dump.volumeentries.values() {
            let kind = volume.info.durability.kind.as_str();
            assert!(["none", "replicate", "disperse"].contains(&kind), "{name}: {kind}");
            assert!(volume.bricks.is_sorted());
        }
        for cluster in dump.clusterentries.values().map(|c| &c.info) {
            assert!(
                [&cluster.nodes, &cluster.volumes, &cluster.blockvolumes]
                    .iter()
                    .all(|l| l.is_sorted())
            );
        }
        assert!(dump.nodeentries.values().all(|n| n.devices.is_sorted()));
        assert!(dump.deviceentries.values().all(|d| d.bricks.is_sorted()));
        for key in ["DB_CLUSTER_HAS_FILE_BLOCK_FLAG", "DB_BRICK_HAS_SUBTYPE_FIELD"] {
            assert_eq!(dump.dbattributeentries[key].value, "yes");
        }
        // Without what only we know, it is written as Heketi writes it.
        let plain = Dump { brickyard: None, ..dump.clone() };
        assert_eq!(read(&json::indented(&plain).unwrap()), plain);
    }
}

/// A volume that Heketi was making when it ended, or deleting: which is settled when a server starts
/// (`operations::inherit`); until then it is hidden, and its operation is there.
#[test]
fn unfinished_operations_come_along() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let [Pair { export, .. }, ..] = databases();
    let operation = "0123456789abcdef0123456789abcdef";
    for (kind, of_volume, of_brick, words) in
        [(1, 2, 1, "was to make volume"), (2, 4, 3, "was to delete volume")]
    {
        let mut dump = read(&export);
        let volume = dump.volumeentries.values_mut().find(|v| !v.info.block).unwrap();
        volume.pending.id = operation.to_owned();
        let (volume, bricks) = (volume.info.id.clone(), volume.bricks.clone());
        for id in &bricks {
            let brick = dump.brickentries.get_mut(id).unwrap();
            brick.pending.id = operation.to_owned();
        }
        let action = |change, id: &String| PendingAction { change, id: id.clone(), delta: None };
        let mut actions: Vec<_> = bricks.iter().map(|id| action(of_brick, id)).collect();
        actions.push(action(of_volume, &volume));
        let entry = PendingOperationEntry {
            id: operation.to_owned(),
            timestamp: 1_700_000_000,
            kind,
            actions,
            status: "stale".to_owned(),
        };
        dump.pendingoperations.insert(operation.to_owned(), entry.clone());
        fs::write(folder.join("all.json"), json::compact(&dump).unwrap()).unwrap();
        let (report, err, status) = told(folder, "adopt --yes all.json");
        assert_eq!(status, 0, "{report}{err}");
        assert!(
            report.contains(&format!("  operation {operation} {words} {volume}: ")),
            "{report}"
        );
        let made = exported(folder, "brickyard.db");
        assert_eq!(made.volumeentries[&volume].pending.id, operation);
        let got = &made.pendingoperations[operation];
        let ids = |entry: &PendingOperationEntry| {
            entry.actions.iter().map(|a| (a.change, a.id.clone())).collect::<BTreeSet<_>>()
        };
        assert_eq!((got.kind, got.timestamp), (kind, entry.timestamp));
        assert_eq!(ids(got), ids(&entry));
        fs::remove_file(folder.join("brickyard.db")).unwrap();

        // What it has marked must be what it names.
        for spoilt in [0, 1] {
            let mut dump = dump.clone();
            if spoilt == 0 {
                dump.pendingoperations.get_mut(operation).unwrap().actions.remove(0);
            } else {
                dump.brickentries.get_mut(&bricks[0]).unwrap().pending.id.clear();
            }
            fs::write(folder.join("all.json"), json::compact(&dump).unwrap()).unwrap();
            let (report, _, status) = told(folder, "adopt --yes all.json");
            assert!(report.contains("what it names is not what it has marked"), "{report}");
            assert_eq!(status, 1);
        }
    }
}

/// Number of a change, of what, and by how much.
type Change<'a> = (i64, &'a str, Option<i64>);

/// What becomes of each kind is told, as far as it can be known without the nodes.
#[test]
fn the_fate_of_each_unfinished_operation_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let export = databases().into_iter().find(|pair| pair.name == "v10-mixed").unwrap().export;
    let whole = read(&export);
    let (operation, clone) = ("0".repeat(32), "c".repeat(32));
    let large = whole.volumeentries.values().find(|v| v.bricks.len() > 3 && !v.info.block).unwrap();
    let (volume, bricks) = (large.info.id.clone(), large.bricks.clone());
    let block = whole.blockvolumeentries.values().next().unwrap().info.clone();
    let device = whole.deviceentries.keys().next().unwrap().clone();
    let to = block.size + 1;
    let old = bricks[0].clone();
    let cases: [(i64, Vec<Change<'_>>, Vec<String>); 7] = [
        (
            3,
            vec![(1, &bricks[1], None), (1, &bricks[2], None), (5, &volume, Some(7))],
            vec![format!("was to expand volume {volume} by 7 GiB: it is finished if gluster has")],
        ),
        (
            4,
            vec![(6, &block.id, None)],
            vec![format!("was to make block volume {}: it is taken back", block.id)],
        ),
        (
            6,
            vec![(8, &device, None), (12, &clone, None)],
            vec![format!("was to remove device {device}: it is forgotten, what was moved stays")],
        ),
        (
            7,
            vec![(9, &volume, None), (11, &clone, None)],
            vec![
                format!("was to clone volume {volume}: it is forgotten, and no node is touched"),
                "volume: Pending.Id of 1 (its operation is forgotten): for ".to_owned(),
            ],
        ),
        (
            8,
            vec![(3, &old, None)],
            vec![format!("was to move brick {old}, and had not begun: it is forgotten")],
        ),
        (
            8,
            vec![(3, &old, None), (1, &bricks[1], None), (13, &clone, None)],
            vec![format!("was to put brick {} in the place of brick {old}: ", bricks[1])],
        ),
        (
            9,
            vec![(14, &block.id, Some(to))],
            vec![format!("was to expand block volume {} to {to} GiB: it is finished if", block.id)],
        ),
    ];
    for (kind, changes, told_of) in cases {
        let mut dump = whole.clone();
        for (change, id, _) in &changes {
            let pending = match change {
                1 | 3 => &mut dump.brickentries.get_mut(*id).unwrap().pending,
                6 => &mut dump.blockvolumeentries.get_mut(*id).unwrap().pending,
                9 => &mut dump.volumeentries.get_mut(*id).unwrap().pending,
                _ => continue,
            };
            pending.id.clone_from(&operation);
        }
        let action =
            |(change, id, delta): Change<'_>| PendingAction { change, id: id.to_owned(), delta };
        let entry = PendingOperationEntry {
            id: operation.clone(),
            timestamp: 1_700_000_000,
            kind,
            actions: changes.into_iter().map(action).collect(),
            status: "stale".to_owned(),
        };
        dump.pendingoperations.insert(operation.clone(), entry);
        fs::write(folder.join("all.json"), json::compact(&dump).unwrap()).unwrap();
        let (report, err, status) = told(folder, "adopt --yes all.json");
        assert_eq!(status, 0, "{report}{err}");
        for words in told_of {
            assert!(report.contains(&words), "{words}: {report}");
        }
        let made = exported(folder, "brickyard.db");
        let forgotten = report.contains("it is forgotten");
        assert_eq!(made.pendingoperations.is_empty(), forgotten, "{kind}");
        if let Some(entry) = made.pendingoperations.get(&operation) {
            assert_eq!(entry.kind, kind, "it goes back as what it was");
        }
        fs::remove_file(folder.join("brickyard.db")).unwrap();
    }
}
