//! How paths and methods find their route, and what they get when there is none (api.md 1).
use super::{UNKNOWN, assert_error, assert_json, send, wire};
use crate::harness::TestApp;

/// Paths under which objects live, with a method that looks the object up.
const OBJECTS: [(&str, &str, &str); 18] = [
    ("GET", "/clusters/{id}", ""),
    ("DELETE", "/clusters/{id}", ""),
    ("POST", "/clusters/{id}/flags", "{}"),
    ("GET", "/nodes/{id}", ""),
    ("DELETE", "/nodes/{id}", ""),
    ("POST", "/nodes/{id}/state", r#"{"state":"online"}"#),
    ("POST", "/nodes/{id}/tags", r#"{"change_type":"set"}"#),
    ("GET", "/devices/{id}", ""),
    ("DELETE", "/devices/{id}", ""),
    ("GET", "/devices/{id}/resync", ""),
    ("POST", "/devices/{id}/state", r#"{"state":"failed"}"#),
    ("GET", "/volumes/{id}", ""),
    ("DELETE", "/volumes/{id}", ""),
    ("POST", "/volumes/{id}/expand", r#"{"expand_size":1}"#),
    ("POST", "/volumes/{id}/block-restriction", r#"{"restriction":"locked"}"#),
    ("GET", "/blockvolumes/{id}", ""),
    ("DELETE", "/blockvolumes/{id}", ""),
    ("POST", "/blockvolumes/{id}/expand", r#"{"new_size":1}"#),
];

#[tokio::test]
async fn a_path_of_no_route() {
    let app = TestApp::start().await;
    let mut all = vec!["/", "/nope", "/clusters/xyz", "/clusters/a-b", "/queue", "/queue/"];
    all.extend(["/clusters/abc/def", "/clusters/abc/flags/x", "/Clusters", "/admin/x", "/v1"]);
    all.extend(["/nodes/xyz/state", "/volumes/g", "/volumes/abc%2Fexpand/x", "/nope/", "/hello/x"]);
    // Go's own, which other programs do not have.
    all.extend(["/debug/pprof", "/debug/pprof/heap"]);
    for path in all {
        for method in ["GET", "POST", "DELETE", "PUT"] {
            let answer = send(&app.client, method, path, "").await;
            assert_error(&answer, 404, "Invalid path or request");
        }
        assert_eq!(app.client.send("HEAD", path, &[], None).await.status, 404);
    }
}

/// Hex digits of any number and case are an id; which of them exists is another question, with
/// another answer. Kubernetes' provisioner compares it.
#[tokio::test]
async fn an_id_that_nothing_has() {
    let app = TestApp::start().await.with_nodes(1, 0).await;
    let existing = super::only_cluster(&app).await;
    let upper = existing.to_uppercase();
    assert_ne!(existing, upper, "a random id without a single letter");
    let long = format!("{existing}0");
    for id in [UNKNOWN, "abc", "A", &upper, &long, &"0".repeat(32)] {
        for (method, path, body) in OBJECTS {
            let answer = send(&app.client, method, &path.replace("{id}", id), body).await;
            assert_error(&answer, 404, "Id not found");
        }
        let answer = app.client.get(&format!("/queue/{id}")).await;
        assert_error(&answer, 404, "Id not found");
        let tags = r#"{"change_type":"set"}"#;
        let answer = send(&app.client, "POST", &format!("/devices/{id}/tags"), tags).await;
        assert_error(&answer, 404, "Id not found");
    }
}

/// A body that cannot be read, or that the rules refuse, is told before the id is looked up -
/// whether or not the id has the form of one.
#[tokio::test]
async fn the_body_comes_before_the_id() {
    let app = TestApp::start().await;
    let unparsable = "request unable to be parsed";
    let health = "validation failed: healcheck: x is not valid heal info check.";
    let size = "validation failed: expand_size: cannot be blank.";
    let change = "validation failed: change_type: cannot be blank.";
    for id in [UNKNOWN, "abc", "ABC"] {
        for (path, body, status, text) in [
            ("/clusters/{id}/flags", "{", 422, unparsable),
            ("/nodes/{id}/state", "[]", 422, unparsable),
            ("/nodes/{id}/state", r#"{"healcheck":"x"}"#, 400, health),
            ("/devices/{id}/state", "", 422, unparsable),
            ("/devices/{id}/state", r#"{"healcheck":"x"}"#, 400, health),
            ("/nodes/{id}/tags", r#"{"tags":1}"#, 422, unparsable),
            ("/nodes/{id}/tags", "{}", 400, change),
            ("/devices/{id}/tags", "{}", 400, change),
            ("/volumes/{id}/expand", "", 422, unparsable),
            ("/volumes/{id}/expand", r#"{"size":1}"#, 400, size),
        ] {
            let answer = send(&app.client, "POST", &path.replace("{id}", id), body).await;
            assert_error(&answer, status, text);
        }
        let answer = send(&app.client, "DELETE", &format!("/devices/{id}"), "{").await;
        assert_error(&answer, 422, unparsable);
    }
}

#[tokio::test]
async fn a_method_of_no_route() {
    let app = TestApp::start().await;
    for (method, path) in [
        ("PUT", "/clusters"),
        ("DELETE", "/clusters"),
        ("PATCH", "/volumes"),
        ("OPTIONS", "/volumes"),
        ("POST", "/clusters/abc"),
        ("GET", "/nodes"),
        ("GET", "/devices"),
        ("GET", "/clusters/abc/flags"),
        ("POST", "/devices/abc/resync"),
        ("DELETE", "/queue/abc"),
        ("POST", "/queue/abc"),
        ("PUT", "/admin"),
        ("HEAD", "/clusters"),
        ("HEAD", "/clusters/abc"),
        ("HEAD", "/admin"),
        ("HEAD", "/queue/abc"),
        ("TRACE", "/volumes"),
    ] {
        let answer = wire::plain(&app, method, path).await;
        assert_eq!((answer.status, answer.text().as_str()), (405, ""), "{method} {path}");
        for absent in ["allow", "content-type", "x-content-type-options"] {
            assert_eq!(answer.header(absent), None, "{method} {path}: {absent}");
        }
        assert_eq!(answer.header("content-length"), Some("0"), "{method} {path}");
    }
}

#[tokio::test]
async fn paths_that_are_tidied_up() {
    let app = TestApp::start().await;
    for (path, to) in [
        ("/clusters/", "/clusters"),
        ("/volumes/", "/volumes"),
        ("/clusters/abc/", "/clusters/abc"),
        ("//clusters", "/clusters"),
        ("/clusters//abc", "/clusters/abc"),
        ("/./clusters", "/clusters"),
        ("/x/../clusters", "/clusters"),
        ("/../../clusters", "/clusters"),
        ("/%2e%2E/clusters", "/clusters"),
        ("/%2Fclusters", "/clusters"),
        ("/clusters/%2e", "/clusters"),
        ("//nope", "/nope"),
        // What would mean something to a browser or end the header is escaped again.
        ("/%5Cevil.example//x", "/%5Cevil.example/x"),
        ("//evil.example", "/evil.example"),
        ("/%2F%2Fevil.example", "/evil.example"),
        ("/a%0d%0aset-cookie:b//", "/a%0D%0Aset-cookie:b/"),
        ("/%3Cb%3E//", "/%3Cb%3E/"),
        ("/%C3%A4//", "/%C3%A4/"),
    ] {
        for method in ["GET", "POST", "DELETE"] {
            let answer = wire::plain(&app, method, path).await;
            assert_eq!((answer.status, answer.header("location")), (301, Some(to)), "{path}");
            let body = format!("<a href=\"{to}\">Moved Permanently</a>.\n\n");
            let body = if method == "GET" { body.as_str() } else { "" };
            assert_eq!(answer.text(), body, "{method} {path}");
        }
    }
    // A closing slash does not make a path known that is not.
    assert_error(&wire::plain(&app, "GET", "/nope/").await, 404, "Invalid path or request");
}

/// Escapes that need not be there change nothing, and neither does a query.
#[tokio::test]
async fn the_same_path_in_other_words() {
    let app = TestApp::start().await;
    for path in ["/%63lusters", "/cl%75ster%73", "/clusters?x=1&y", "/clusters?"] {
        assert_json(&wire::plain(&app, "GET", path).await, 200);
    }
    assert_error(&wire::plain(&app, "GET", "/clusters/%61bc").await, 404, "Id not found");
    let made = app.client.send("POST", "/%63lusters?a=b", &[], Some(b"{}")).await;
    let id = super::id(&assert_json(&made, 201));
    let escaped = format!("/clusters/%{:02x}{}", id.as_bytes()[0], &id[1..]);
    assert_json(&wire::plain(&app, "GET", &escaped).await, 200);
}

#[tokio::test]
async fn http_1_0() {
    let app = TestApp::start().await;
    let answer = wire::exchange(&app, b"GET /clusters HTTP/1.0\r\n\r\n").await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "{\"clusters\":[]}\n"));
}
