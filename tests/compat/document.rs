//! docs/COMPATIBILITY.md claims nothing without a proof: each row that says that something is kept,
//! improved or new names a test, and what is named is there.
use std::{collections::BTreeSet, fs, path::Path};

const DOCUMENT: &str = include_str!("../../docs/COMPATIBILITY.md");

/// Every test by its path, such as `routes::queue::failed`, and the modules that have any.
fn tests() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = BTreeSet::new();
    for folder in ["src", "tests"] {
        collect(&root.join(folder), &root.join(folder), &mut found);
    }
    found
}

fn collect(root: &Path, folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            collect(root, &entry, found);
        } else if entry.extension().is_some_and(|e| e == "rs") {
            let text = fs::read_to_string(&entry).unwrap();
            let module = module(entry.strip_prefix(root).unwrap());
            let inner = if text.contains("#[cfg(test)]\nmod tests {") { "::tests" } else { "" };
            for name in names(&text) {
                let whole = format!("{module}{inner}::{name}");
                let ends = whole.match_indices("::").map(|(at, _)| whole[..at].to_owned());
                found.extend(ends.collect::<Vec<_>>());
                found.insert(whole);
            }
        }
    }
}

/// `routes/volumes/mod.rs` is `routes::volumes`.
fn module(file: &Path) -> String {
    let path = file.with_extension("").display().to_string();
    path.trim_end_matches("/mod").replace('/', "::")
}

/// Functions that bear the mark of a test.
fn names(text: &str) -> Vec<&str> {
    let mut lines = text.lines().map(str::trim);
    let mut names = vec![];
    while let Some(line) = lines.next() {
        if line.starts_with("#[test") || line.starts_with("#[tokio::test") {
            let after = lines.by_ref().find(|line| line.contains("fn ")).unwrap_or_default();
            let name = after.split("fn ").nth(1).and_then(|rest| rest.split('(').next());
            names.extend(name);
        }
    }
    names
}

/// The cells of every row, with the number of its line.
fn rows() -> Vec<(usize, Vec<&'static str>)> {
    let rows = DOCUMENT.lines().enumerate().filter(|(_, line)| line.starts_with("| "));
    let cells = |line: &'static str| line.trim_matches('|').split('|').map(str::trim).collect();
    rows.map(|(number, line)| (number + 1, cells(line))).collect()
}

/// What stands between backticks.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// A test, a module of tests, or a file of them, as a whole path or its end.
fn is_there(tests: &BTreeSet<String>, proof: &str) -> bool {
    if proof.starts_with("tests/") {
        return Path::new(env!("CARGO_MANIFEST_DIR")).join(proof).exists();
    }
    let end = format!("::{proof}");
    tests.contains(proof) || tests.iter().any(|test| test.ends_with(&end))
}

#[test]
fn every_claim_names_its_proof() {
    let tests = tests();
    let mut unproven = vec![];
    for (line, cells) in rows() {
        let claims = ["kept", "improved", "new"];
        let claim = cells.get(1).is_some_and(|c| claims.iter().any(|word| c.starts_with(word)));
        let proven = || cells[2..].iter().flat_map(|c| quoted(c)).any(|p| is_there(&tests, p));
        if claim && !proven() {
            unproven.push(format!("{line}: {}", cells[0]));
        }
    }
    assert!(unproven.is_empty(), "rows without a test that is there: {unproven:#?}");
}

#[test]
fn every_proof_is_there() {
    let tests = tests();
    let mut missing = vec![];
    for (line, cells) in rows() {
        // The column of proofs, in the tables that have one.
        for proof in cells.get(3).map(|cell| quoted(cell)).unwrap_or_default() {
            if !is_there(&tests, proof) {
                missing.push(format!("{line}: {proof}"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    let claims = rows().iter().filter(|(_, cells)| cells.len() >= 4).count();
    assert!(claims > 60, "{claims}");
}
