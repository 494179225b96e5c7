//! Databases of Heketi 4, 6 and 10, as Heketi 10 exported them, and the dump and check of a server.
use super::exchanges;
use brickyard::{
    api::{
        database::{AttributeEntry, Check, Dump, PendingOperationEntry},
        json,
    },
    database::{self, Import, Problems},
    domain::Part,
    lenient,
};
use serde_json::Value;

const V10: &str = include_str!("../data/heketi/databases/v10-mixed.json");
const V6: &str = include_str!("../data/heketi/databases/v6x.json");
const V4: &str = include_str!("../data/heketi/databases/v40.json");

fn read(text: &str) -> Dump {
    lenient::from_slice(text.as_bytes()).unwrap()
}

fn recorded(path: &str) -> String {
    exchanges().into_iter().find(|exchange| exchange.path == path).unwrap().response
}

/// Every member of every entry, in its place and order, is one that we know: nothing is lost.
#[test]
fn what_heketi_wrote_is_written_again_to_the_byte() {
    for text in [V10, V6, V4, &recorded("/db/dump")] {
        assert_eq!(json::indented(&read(text)).unwrap() + "\n", text);
    }
}

/// Heketi looks for the bricks of a clone in a list that is not sorted, by a search for sorted
/// ones, and counts their thin pools twice: none of that is wrong. The rest is.
#[test]
fn the_check_finds_what_heketi_finds() {
    let theirs: Check = lenient::from_slice(recorded("/db/check").as_bytes()).unwrap();
    let ours = database::check(&read(&recorded("/db/dump")));
    let lost = "Brick 75b1526feb4d626a62bb2489227ff650 no link back to brick from device \
                061c79769df930a9a1dec8250bc90f45";
    assert!(theirs.bricks.inconsistencies.unwrap().contains(&lost.to_owned()));
    assert_eq!(ours.bricks.inconsistencies.unwrap(), [lost]);
    assert_eq!((ours.bricks.total, ours.bricks.notok), (theirs.bricks.total, 1));
    assert_eq!((ours.devices.total, ours.devices.notok), (theirs.devices.total, 0));
    assert_eq!(ours.totalinconsistencies, 1);
    for (ours, theirs) in [
        (&ours.clusters, &theirs.clusters),
        (&ours.volumes, &theirs.volumes),
        (&ours.nodes, &theirs.nodes),
        (&ours.blockvolumes, &theirs.blockvolumes),
        (&ours.dbattributes, &theirs.dbattributes),
        (&ours.pendingoperations, &theirs.pendingoperations),
    ] {
        assert_eq!(ours, theirs);
    }
}

/// The same to the byte; the first line that differs otherwise.
#[track_caller]
fn assert_same(got: &Dump, expected: &Dump) {
    let [got, expected] = [got, expected].map(|dump| json::indented(dump).unwrap());
    for (number, (got, expected)) in got.lines().zip(expected.lines()).enumerate() {
        assert_eq!(got, expected, "line {}", number + 1);
    }
    assert_eq!(got.len(), expected.len());
}

/// What is exported after an import, as Heketi's JSON.
fn there_and_back(dump: Dump) -> (Dump, Import) {
    let import = database::import(dump).unwrap_or_else(|problems| panic!("{problems}"));
    (database::dump(&import.snapshot), import)
}

#[test]
fn a_database_of_the_last_version_comes_out_as_it_went_in() {
    let mut expected = read(V10);
    let (mut got, import) = there_and_back(expected.clone());
    for dump in [&mut expected, &mut got] {
        dump.dbattributeentries.clear();
    }
    assert_same(&got, &expected);
    assert!(import.notes.is_empty(), "{:?}", import.notes);
    // Bricks that Heketi has moved keep the names of their thin pools.
    let moved = import.snapshot.bricks.iter().filter(|brick| brick.cloned.is_some()).count();
    assert_eq!(moved, 6);
}

#[test]
fn a_database_of_version_6_comes_out_as_heketi_would_upgrade_it() {
    let (mut got, _) = there_and_back(read(V6));
    let mut expected = read(V6);
    for (id, brick) in &mut expected.brickentries {
        brick.thin_pool = format!("tp_{id}");
        brick.sub_type = 1;
    }
    for block in expected.blockvolumeentries.values_mut() {
        block.info.usablesize = block.info.size;
    }
    // One hosting volume has room for the 2 % that are kept back since version 9, one has not.
    let [roomy, full] = ["375fa236fd9abe634a9d4374e93cabaf", "53a7e243d5348aa0f3f426b593e4f452"];
    let info = |dump: &mut Dump, id: &str| {
        dump.volumeentries.get_mut(id).map(|volume| std::mem::take(&mut volume.info.blockinfo))
    };
    let found = info(&mut got, roomy).unwrap();
    assert_eq!((found.freesize, found.reservedsize, found.restriction.as_str()), (146, 4, ""));
    let found = info(&mut got, full).unwrap();
    let locked = "locked-by-update";
    assert_eq!((found.freesize, found.reservedsize, found.restriction.as_str()), (0, 0, locked));
    for id in [roomy, full] {
        let blocks = info(&mut expected, id).unwrap().blockvolume;
        assert!(!blocks.is_empty());
    }
    expected.dbattributeentries = got.dbattributeentries.clone();
    assert_same(&got, &expected);
}

#[test]
fn a_database_of_version_4_gets_flags_and_back_references() {
    let (got, import) = there_and_back(read(V4));
    let mut expected = read(V4);
    // How to mount is worked out anew for every answer, from the nodes there are.
    for (id, volume) in &mut expected.volumeentries {
        volume.info.mount = got.volumeentries[id].info.mount.clone();
        assert_eq!(volume.info.mount.glusterfs.hosts.len(), 4);
    }
    for cluster in expected.clusterentries.values_mut() {
        (cluster.info.file, cluster.info.block) = (true, true);
    }
    for (id, volume) in &expected.volumeentries {
        for brick in &volume.bricks {
            expected.brickentries.get_mut(brick).unwrap().info.volume.clone_from(id);
        }
    }
    for (id, brick) in &mut expected.brickentries {
        brick.thin_pool = format!("tp_{id}");
        brick.sub_type = 1;
    }
    expected.dbattributeentries = got.dbattributeentries.clone();
    assert_same(&got, &expected);
    // It was made by a simulation of Heketi's, which gave all bricks one path.
    let strange = import.notes.iter().filter(|note| note.ends_with(": /mockpath")).count();
    assert_eq!(strange, import.snapshot.bricks.len());
}

/// What is wrong with the dump, after this was done to it.
fn damaged(damage: impl FnOnce(&mut Dump)) -> Vec<String> {
    let mut dump = read(V10);
    damage(&mut dump);
    let Problems(problems) = database::import(dump).expect_err("it was taken over");
    problems
}

/// The first entry of a map.
macro_rules! first {
    ($map:expr) => {
        $map.values_mut().next().unwrap()
    };
}

#[test]
fn what_does_not_hold_is_told_with_its_place() {
    type Damage = fn(&mut Dump);
    let table: [(&str, Damage); 28] = [
        ("its own id is \"x\"", |d| first!(d.clusterentries).info.id = "x".into()),
        ("its cluster \"0\" is not there", |d| first!(d.nodeentries).info.cluster = "0".into()),
        ("its cluster \"\" is not there", |d| first!(d.volumeentries).info.cluster.clear()),
        ("its node \"n\" is not there", |d| first!(d.deviceentries).node = "n".into()),
        ("its device \"d\" is not there", |d| first!(d.brickentries).info.device = "d".into()),
        ("its volume \"v\" is not there", |d| first!(d.brickentries).info.volume = "v".into()),
        ("is not that of its device", |d| first!(d.brickentries).info.node = "n".into()),
        ("KiB in a thin pool of 1 KiB", |d| first!(d.brickentries).pool_size = 1),
        ("LvmThinPool \"--help\"", |d| first!(d.brickentries).thin_pool = "--help".into()),
        ("is not where brick_", |d| {
            let brick = first!(d.brickentries);
            brick.thin_pool = format!("tp_{}", brick.info.device);
            brick.info.path = "/srv/data/brick".into();
        }),
        ("LvmLv \"root\"", |d| first!(d.brickentries).lv = "root".into()),
        ("path \"/a b\"", |d| first!(d.brickentries).info.path = "/a b".into()),
        ("leads upwards", |d| first!(d.brickentries).info.path = "/a/../b".into()),
        ("SubType 3", |d| first!(d.brickentries).sub_type = 3),
        ("state \"away\"", |d| first!(d.nodeentries).state = "away".into()),
        ("zone 0 is below 1", |d| first!(d.nodeentries).info.zone = 0),
        ("hostnames.manage \"-x\"", |d| {
            first!(d.nodeentries).info.hostnames.manage = vec!["-x".into()];
        }),
        ("hostnames.storage is empty", |d| {
            first!(d.nodeentries).info.hostnames.storage.clear();
        }),
        ("name \"sdb\"", |d| first!(d.deviceentries).info.name = "sdb".into()),
        ("name \"a b\"", |d| first!(d.volumeentries).info.name = "a b".into()),
        ("size -1 is below 1", |d| first!(d.volumeentries).info.size = -1),
        ("its hosting volume \"\" is not there", |d| {
            first!(d.blockvolumeentries).info.blockhostingvolume.clear();
        }),
        ("hosts no block volumes", |d| {
            let volumes = d.volumeentries.values_mut();
            volumes.for_each(|volume| volume.info.block = false);
        }),
        ("hacount -1 is below 0", |d| first!(d.blockvolumeentries).info.hacount = -1),
        ("durability.type \"mirror\"", |d| {
            first!(d.volumeentries).info.durability.kind = "mirror".into();
        }),
        ("belongs to operation \"o\"", |d| first!(d.volumeentries).pending.id = "o".into()),
        ("attribute DB_OF_THE_FUTURE", |d| {
            d.dbattributeentries.insert("DB_OF_THE_FUTURE".into(), AttributeEntry::default());
        }),
        ("operation o is not finished (type 1, it changes ", |d| {
            d.pendingoperations
                .insert("o".into(), PendingOperationEntry { kind: 1, ..Default::default() });
        }),
    ];
    for (words, damage) in table {
        let problems = damaged(damage);
        assert!(problems.iter().any(|p| p.contains(words)), "{words}: {problems:?}");
    }
    let both = damaged(|d| {
        first!(d.nodeentries).info.zone = 0;
        first!(d.brickentries).sub_type = 3;
    });
    assert_eq!(both.len(), 2, "all at once: {both:?}");
}

#[test]
fn what_would_meet_itself_is_told() {
    let twins = damaged(|d| {
        let names: Vec<_> = d.nodeentries.keys().cloned().collect();
        let manage = d.nodeentries[&names[0]].info.hostnames.manage.clone();
        d.nodeentries.get_mut(&names[1]).unwrap().info.hostnames.manage = manage;
    });
    assert!(twins[0].contains("are both managed as"), "{twins:?}");
    let namesakes = damaged(|d| {
        for volume in d.volumeentries.values_mut() {
            volume.info.name = "one".into();
        }
    });
    assert_eq!(namesakes.iter().filter(|p| p.ends_with("are both one")).count(), 5);
}

/// One set: only that the arbiter is the last is known of the places. More sets: nothing is.
#[test]
fn bricks_are_put_in_their_places_as_far_as_they_are_known() {
    let (_, import) = there_and_back(read(V10));
    let places = |volume: &str| {
        let of = import.snapshot.bricks.iter().filter(|b| b.volume.to_string() == volume);
        let mut places: Vec<_> = of.map(|b| (b.set_index, b.position, b.part)).collect();
        places.sort_by_key(|(set, position, _)| (*set, *position));
        places
    };
    let one_set = places("e954c38043fa952cf2c0a12781f026a5");
    assert_eq!(one_set, [(0, -3, Part::Data), (0, -2, Part::Data), (0, -1, Part::Arbiter)]);
    let two_sets = places("1198c036e61b5d29427774895b69a099");
    assert!(two_sets.len() == 6 && two_sets.iter().all(|(set, ..)| *set == -1), "{two_sets:?}");
    let alone = places("e36840da36658e6ebc51597a50cf871a");
    assert_eq!(alone, [(0, 0, Part::Data)]);
}

/// A dump is text that people change: it is read as leniently as Heketi reads it.
#[test]
fn other_cases_and_unknown_members_are_read() {
    let changed = V4.replace("\"clusterentries\"", "\"ClusterEntries\"").replace(
        "\"volumeentries\"",
        "\"comment\": {\"by\": \"a person\"},\n    \"volumeentries\"",
    );
    assert_eq!(read(&changed), read(V4));
    let value: Value = serde_json::from_str(V4).unwrap();
    assert!(value["volumeentries"].as_object().unwrap().len() > 1);
}
