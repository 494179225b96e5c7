//! Databases of Heketi 4, 6 and 10 as they lay on disk, against what Heketi 10 exported of each.
use crate::harness::heketi::{Pair, databases, spoil};
use brickyard::{
    api::json,
    heketi_db::{self, Damage, Found},
};
use proptest::prelude::*;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

static ALL: LazyLock<[Pair; 3]> = LazyLock::new(databases);

fn read(bytes: &[u8]) -> Found {
    heketi_db::read(bytes).unwrap()
}

/// Every member of every entry, to the byte, without an exception.
#[test]
fn a_file_is_what_heketi_exports_of_it() {
    for Pair { name, file, export } in &*ALL {
        let found = read(file);
        assert_eq!((&found.damage, &found.strange), (&vec![], &BTreeSet::new()), "{name}");
        let text = json::indented(&found.dump).unwrap() + "\n";
        for (number, (got, expected)) in text.lines().zip(export.lines()).enumerate() {
            assert_eq!(got, expected, "{name}: line {}", number + 1);
        }
        assert_eq!(text.len(), export.len(), "{name}");
    }
}

/// The entries of a dump, each by its kind and id, as text.
fn entries(found: &Found) -> BTreeMap<(String, String), String> {
    let Value::Object(kinds) = serde_json::to_value(&found.dump).unwrap() else { panic!() };
    let all = kinds.into_iter().flat_map(|(kind, entries)| {
        let Value::Object(entries) = entries else { panic!() };
        entries.into_iter().map(move |(id, entry)| ((kind.clone(), id), entry.to_string()))
    });
    all.collect()
}

const PAGE: usize = 4096;
/// Of the transaction's number, in a meta page.
const TRANSACTION: usize = 16 + 48;

/// Heketi writes the two meta pages in turns: when one is damaged the state before is whole.
#[test]
fn one_of_two_meta_pages_is_enough() {
    for Pair { name, file, .. } in &*ALL {
        let whole = entries(&read(file));
        let newer = usize::from(file[PAGE + TRANSACTION] > file[TRANSACTION]);
        for lost in [0, 1] {
            let mut file = file.clone();
            file[lost * PAGE + 30] ^= 1;
            let found = read(&file);
            assert!(found.damage.is_empty(), "{name}: {:?}", found.damage);
            let same = entries(&found) == whole;
            assert!(same || lost == newer, "{name}: without meta page {lost}");
        }
        let mut file = file.clone();
        (file[30], file[PAGE + 30]) = (0xff, 0xff);
        let refused = heketi_db::read(&file).unwrap_err();
        assert!(refused.contains("damaged (checksum)"), "{refused}");
    }
}

#[test]
fn what_is_no_such_file_is_told() {
    let mut newer = ALL[0].file.clone();
    (newer[20], newer[PAGE + 20]) = (3, 3);
    let mut foreign = ALL[0].file.clone();
    for at in [16, PAGE + 16] {
        foreign[at..at + 4].reverse();
    }
    for (bytes, words) in [
        (&b""[..], "ends at byte 0"),
        (&ALL[0].file[..60], "ends at byte 60"),
        (&[7; 9000], "no database of BoltDB"),
        (&newer, "of version 3"),
        (&foreign, "big-endian"),
    ] {
        let refused = heketi_db::read(bytes).unwrap_err();
        assert!(refused.contains(words), "{refused}");
    }
}

/// What is read of a damaged file is what was there, and that something is missing is told.
#[track_caller]
fn honest(whole: &BTreeMap<(String, String), String>, found: &Found, case: &str) {
    let left = entries(found);
    assert!(left.iter().all(|(at, entry)| whole.get(at) == Some(entry)), "{case}");
    assert!(left.len() == whole.len() || !found.damage.is_empty(), "{case}: nothing is told");
}

#[test]
fn a_file_that_is_cut_off_is_read_as_far_as_it_goes() {
    for Pair { name, file, .. } in &*ALL {
        let whole = entries(&read(file));
        for end in (2 * PAGE..file.len()).step_by(PAGE / 2) {
            honest(&whole, &read(&file[..end]), &format!("{name} cut at {end}"));
        }
        let half = read(&file[..file.len() / 16]);
        assert!(
            half.damage[0].to_string().starts_with("the file ends at byte"),
            "{:?}",
            half.damage
        );
    }
}

/// Each page is lost in turn.
#[test]
fn a_page_that_is_lost_is_told_and_the_rest_is_read() {
    for Pair { name, file, .. } in &*ALL {
        let whole = entries(&read(file));
        let mut in_part = 0;
        for page in 2..file.len() / PAGE {
            let mut file = file.clone();
            file[page * PAGE..(page + 1) * PAGE].fill(0);
            let found = read(&file);
            honest(&whole, &found, &format!("{name} without page {page}"));
            let left = entries(&found).len();
            in_part += usize::from(left > 0 && left < whole.len());
        }
        assert!(in_part > 3, "{name}: {in_part}");
    }
}

/// Pages that are free have old entries, which nobody would notice.
#[test]
fn pages_of_the_past_are_not_taken_for_the_present() {
    let Pair { file, .. } = &ALL[0];
    let whole = entries(&read(file));
    let (mut of_the_past, mut told) = (0, 0);
    let kind = |page: usize| u16::from_le_bytes([file[page * PAGE + 8], file[page * PAGE + 9]]);
    let pages = 2..file.len() / PAGE;
    for branch in pages.clone().filter(|page| kind(*page) == 1) {
        for leaf in pages.clone().filter(|page| kind(*page) == 2) {
            // The first page below is another one.
            let mut file = file.clone();
            let at = branch * PAGE + 24;
            file[at..at + 8].copy_from_slice(&(leaf as u64).to_le_bytes());
            let found = read(&file);
            of_the_past += 1;
            let words = "is free, or is referred to more than once";
            told += usize::from(found.damage.iter().any(|d| d.why.contains(words)));
            // Free branches change nothing; what else is different is told.
            let same = entries(&found) == whole;
            assert!(same || !found.damage.is_empty(), "branch {branch}, leaf {leaf}");
        }
    }
    assert!(told > 10 && told < of_the_past, "{told} of {of_the_past}");
}

#[test]
fn a_tree_that_bites_its_tail_is_no_endless_one() {
    let Pair { file, .. } = &ALL[0];
    let pages = file.len() / PAGE;
    let mut file = file.clone();
    for branch in 2..pages {
        let header = branch * PAGE;
        if file[header + 8] == 1 {
            let count = usize::from(file[header + 10]);
            for element in 0..count {
                let at = header + 16 + element * 16 + 8;
                file[at..at + 8].copy_from_slice(&(branch as u64).to_le_bytes());
            }
        }
    }
    let found = read(&file);
    let bitten = found.damage.iter().filter(|d| d.why.contains("more than once")).count();
    assert!(bitten > 1, "{:?}", found.damage);
}

/// A value that cannot be read is named, and costs no other.
#[test]
fn an_entry_that_cannot_be_read_is_named() {
    let Pair { file, .. } = &ALL[0];
    let whole = entries(&read(file));
    for (kind, bucket) in [("brickentries", "BRICK"), ("volumeentries", "VOLUME")] {
        let of_kind: Vec<_> = whole.keys().filter(|(of, _)| of == kind).collect();
        for (_, id) in of_kind {
            let mut file = file.clone();
            spoil(&mut file, id);
            let found = read(&file);
            let named = |d: &Damage| d.bucket == bucket && d.key == *id;
            assert!(found.damage.iter().all(named), "{id}: {:?}", found.damage);
            let mut expected = whole.clone();
            assert!(expected.remove(&(kind.to_owned(), id.clone())).is_some());
            assert!(entries(&found) == expected && found.damage.len() == 1, "{id}");
        }
    }
}

proptest! {
    /// Whatever is in a file: it is read to an end, without a panic.
    #[test]
    fn no_damage_is_too_much(
        which in 0..3_usize,
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..200),
        pages in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..8),
        noise in prop::option::of((any::<prop::sample::Index>(), prop::collection::vec(any::<u8>(), PAGE))),
        end in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut file = ALL[which].file.clone();
        let count = file.len() / PAGE - 2;
        for (from, to) in pages {
            let [from, to] = [from, to].map(|page| (2 + page.index(count)) * PAGE);
            file.copy_within(from..from + PAGE, to);
        }
        if let Some((page, noise)) = noise {
            let at = (2 + page.index(count)) * PAGE;
            // Its header is kept, so that it is read.
            file[at + 16..at + PAGE].copy_from_slice(&noise[16..]);
        }
        for (at, byte) in flips {
            let at = 2 * PAGE + at.index(file.len() - 2 * PAGE);
            file[at] = byte;
        }
        if let Some(end) = end {
            file.truncate(2 * PAGE + end.index(file.len() - 2 * PAGE));
        }
        let found = read(&file);
        let values = entries(&found).len();
        prop_assert!(values < 1000, "{values} entries");
    }
}
