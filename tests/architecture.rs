//! The borders between the folders of src, kept by a machine (docs/ARCHITECTURE.md).
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Files below a folder of src, and words that must not stand in them.
const BORDERS: &[(&str, &[&str])] = &[
    (
        "domain",
        &[
            "crate::api",
            "crate::http",
            "crate::node",
            "crate::store",
            "crate::operation",
            "tokio",
            "sqlx",
        ],
    ),
    (
        "api",
        &[
            "crate::http",
            "crate::node",
            "crate::store",
            "crate::operation",
            "tokio",
            "sqlx",
            "axum",
        ],
    ),
    (
        "placement",
        &[
            "crate::api",
            "crate::node",
            "crate::store",
            "crate::operation",
            "tokio",
            "sqlx",
            "async fn",
        ],
    ),
    (
        "node",
        &[
            "crate::api",
            "crate::http",
            "crate::store",
            "crate::operation",
            "crate::placement",
            "sqlx",
        ],
    ),
    ("store", &["crate::api", "crate::http", "crate::node", "crate::operation", "axum"]),
    ("operation", &["crate::http", "axum", "openssh", "sqlx::query"]),
    ("inventory", &["crate::http", "crate::node", "crate::operation", "axum", "sqlx::query"]),
    ("examine", &["crate::http", "axum", "sqlx", "openssh"]),
    ("reality", &["crate::http", "axum", "sqlx", "openssh"]),
    ("database", &["crate::http", "axum", "sqlx", "openssh"]),
    ("adopt", &["crate::http", "crate::node", "axum", "sqlx", "openssh"]),
    (
        "heketi_db",
        &[
            "crate::http",
            "crate::node",
            "crate::store",
            "crate::operation",
            "crate::database",
            "tokio",
            "sqlx",
            "axum",
        ],
    ),
    ("http", &["crate::node", "crate::placement", "store::{", "store::nodes", "sqlx", "openssh"]),
    (
        "metrics",
        &[
            "crate::api",
            "crate::app",
            "crate::http",
            "crate::inventory",
            "crate::node",
            "crate::operation",
            "crate::store",
            "sqlx",
        ],
    ),
    (
        "kube",
        &[
            "crate::api",
            "crate::app",
            "crate::http",
            "crate::node",
            "crate::operation",
            "crate::store",
            "sqlx",
            "axum",
        ],
    ),
    ("backup", &["crate::http", "crate::node", "crate::operation", "axum", "sqlx", "::kube::"]),
    ("cli", &["crate::http", "crate::node", "crate::store", "crate::operation", "sqlx", "axum"]),
];

/// Words that may stand in one place only.
const ALONE: &[(&str, &str)] = &[
    ("openssh::", "node/ssh.rs"),
    ("quick_xml", "node/gluster.rs"),
    ("shlex::", "node/render.rs"),
    ("jsonwebtoken", "http/auth.rs cli/token.rs"),
    ("flate2::", "backup/bundle.rs heketi_db/mod.rs"),
    (
        "k8s_openapi::",
        "kube/lease.rs kube/persistent.rs kube/secret.rs node/kube/mod.rs node/kube/pod.rs node/kube/shell.rs",
    ),
    ("tokio_rustls::", "http/tls.rs"),
    (
        "prometheus::",
        "metrics/mod.rs metrics/commands.rs metrics/exposition.rs metrics/operations.rs",
    ),
];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// The text without its tests and comments: only what the product does counts.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let product = text.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = product.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn no_folder_knows_what_stands_above_it() {
    let mut crossed = vec![];
    for (folder, forbidden) in BORDERS {
        let all = files(&source().join(folder));
        assert!(!all.is_empty(), "{folder} is empty");
        for path in all.iter().filter(|path| !path.ends_with("tests.rs")) {
            let code = code(path);
            for word in forbidden.iter().filter(|word| code.contains(**word)) {
                crossed.push(format!("{}: {word}", path.display()));
            }
        }
    }
    assert!(crossed.is_empty(), "{crossed:#?}");
}

#[test]
fn each_library_has_one_door() {
    let mut strays = vec![];
    for (word, places) in ALONE {
        let mut found = 0;
        for path in files(&source()) {
            let relative = path.strip_prefix(source()).unwrap().display().to_string();
            if !code(&path).contains(word) {
                continue;
            }
            found += 1;
            if !places.split(' ').any(|place| place == relative) {
                strays.push(format!("{relative}: {word}"));
            }
        }
        assert!(found > 0, "{word} is not used any more: take it off the list");
    }
    assert!(strays.is_empty(), "{strays:#?}");
}

#[test]
fn no_file_grows_into_two() {
    let large: Vec<_> = files(&source())
        .into_iter()
        .map(|path| (fs::read_to_string(&path).unwrap().lines().count(), path))
        .filter(|(lines, _)| *lines > 600)
        .collect();
    assert!(large.is_empty(), "more than one thing in each of: {large:#?}");
}
