//! No route goes untested: each path with each method is in a recording, or is named here with
//! the test that asks for it.
use super::exchanges;
use crate::harness::TestApp;
use std::collections::BTreeSet;

/// What the server answers, in the order of api.md 7.
const ROUTES: [(&str, &str); 46] = [
    ("GET", "/queue/{id}"),
    ("POST", "/clusters"),
    ("GET", "/clusters"),
    ("GET", "/clusters/{id}"),
    ("POST", "/clusters/{id}/flags"),
    ("DELETE", "/clusters/{id}"),
    ("POST", "/nodes"),
    ("GET", "/nodes/{id}"),
    ("DELETE", "/nodes/{id}"),
    ("POST", "/nodes/{id}/state"),
    ("POST", "/nodes/{id}/tags"),
    ("POST", "/devices"),
    ("GET", "/devices/{id}"),
    ("DELETE", "/devices/{id}"),
    ("POST", "/devices/{id}/state"),
    ("GET", "/devices/{id}/resync"),
    ("POST", "/devices/{id}/tags"),
    ("POST", "/volumes"),
    ("GET", "/volumes"),
    ("GET", "/volumes/{id}"),
    ("DELETE", "/volumes/{id}"),
    ("POST", "/volumes/{id}/expand"),
    ("POST", "/volumes/{id}/clone"),
    ("POST", "/bricks/to-evict/{id}"),
    ("POST", "/volumes/{id}/block-restriction"),
    ("POST", "/blockvolumes"),
    ("GET", "/blockvolumes"),
    ("GET", "/blockvolumes/{id}"),
    ("DELETE", "/blockvolumes/{id}"),
    ("POST", "/blockvolumes/{id}/expand"),
    ("GET", "/operations"),
    ("GET", "/operations/pending"),
    ("POST", "/operations/pending/cleanup"),
    ("GET", "/operations/pending/{id}"),
    ("DELETE", "/operations/pending/{id}"),
    ("GET", "/internal/logging"),
    ("POST", "/internal/logging"),
    ("GET", "/backup"),
    ("GET", "/backup/db"),
    ("GET", "/db/dump"),
    ("GET", "/db/check"),
    ("GET", "/internal/state/examine/gluster"),
    ("GET", "/internal/state/check"),
    ("POST", "/internal/state/repair"),
    ("GET", "/admin"),
    ("POST", "/admin"),
];

/// Routes without a recorded success, and the file whose tests stand in for it.
const UNRECORDED: [(&str, &str, &str); 19] = [
    ("POST", "/clusters/{id}/flags", include_str!("../routes/clusters.rs")),
    ("DELETE", "/clusters/{id}", include_str!("../routes/clusters.rs")),
    ("DELETE", "/nodes/{id}", include_str!("../routes/nodes.rs")),
    ("DELETE", "/devices/{id}", include_str!("../routes/devices.rs")),
    ("DELETE", "/volumes/{id}", include_str!("../routes/volumes/delete.rs")),
    ("POST", "/volumes/{id}/clone", include_str!("../routes/volumes/clone.rs")),
    ("POST", "/bricks/to-evict/{id}", include_str!("../routes/bricks.rs")),
    ("POST", "/operations/pending/cleanup", include_str!("../routes/operations.rs")),
    ("GET", "/operations/pending/{id}", include_str!("../routes/operations.rs")),
    ("DELETE", "/operations/pending/{id}", include_str!("../routes/operations.rs")),
    ("POST", "/internal/logging", include_str!("../routes/logging.rs")),
    ("GET", "/backup", include_str!("../routes/database.rs")),
    ("GET", "/backup/db", include_str!("../routes/database.rs")),
    ("GET", "/db/dump", include_str!("../routes/database.rs")),
    ("GET", "/db/check", include_str!("../routes/database.rs")),
    ("GET", "/internal/state/examine/gluster", include_str!("../routes/examination.rs")),
    ("GET", "/internal/state/check", include_str!("../routes/reality.rs")),
    ("POST", "/internal/state/repair", include_str!("../routes/reality.rs")),
    ("POST", "/admin", include_str!("../routes/admin.rs")),
];

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

fn routes() -> BTreeSet<(&'static str, &'static str)> {
    ROUTES.into_iter().collect()
}

/// The path with `{id}` in place of ids.
fn pattern(path: &str) -> String {
    let is_id = |part: &&str| part.len() == 32 && part.bytes().all(|b| b.is_ascii_hexdigit());
    let parts: Vec<&str> =
        path.split('/').map(|part| if is_id(&part) { "{id}" } else { part }).collect();
    parts.join("/")
}

#[test]
fn the_list_has_every_path() {
    let listed: BTreeSet<&str> = routes().into_iter().map(|(_, path)| path).collect();
    assert_eq!(listed, brickyard::http::paths().into_iter().collect());
}

/// The list is the truth: these methods are answered, and no others.
#[tokio::test]
async fn the_list_has_every_method() {
    let app = TestApp::start().await;
    for path in brickyard::http::paths() {
        for method in METHODS {
            let answer = app.client.send(method, &path.replace("{id}", "abc"), &[], None).await;
            let routed = answer.status != 405;
            assert_eq!(routed, routes().contains(&(method, path)), "{method} {path}");
            assert_ne!(answer.text(), "Invalid path or request\n", "{method} {path}");
        }
    }
}

#[test]
fn every_route_is_recorded_or_tested() {
    let recorded: BTreeSet<(String, String)> = exchanges()
        .into_iter()
        .filter(|exchange| exchange.later().is_none() && exchange.status < 400)
        .map(|exchange| (exchange.method, pattern(&exchange.path)))
        .collect();
    let is_recorded =
        |(method, path): &(&str, &str)| recorded.contains(&((*method).into(), (*path).into()));
    let missing: BTreeSet<_> = routes().into_iter().filter(|route| !is_recorded(route)).collect();
    let elsewhere: BTreeSet<_> = UNRECORDED.into_iter().map(|(m, p, _)| (m, p)).collect();
    assert_eq!(missing, elsewhere);
    for (method, path, tests) in UNRECORDED {
        // The last word of the path, or for objects the call that removes them.
        let call = match method {
            "DELETE" => "client.delete(",
            _ => path.rsplit('/').next().unwrap(),
        };
        assert!(tests.contains(call), "{method} {path}");
    }
}
