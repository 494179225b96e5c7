//! Bodies of requests: how lenient and how strict they are read (api.md 3.1), and how long they
//! may be.
use super::{assert_error, assert_json, send, wire};
use crate::harness::TestApp;
use brickyard::http::BODY_LIMIT;
use serde_json::json;

const UNPARSABLE: &str = "request unable to be parsed";

/// Every route with a body of its own, with something it says to an empty object.
const ROUTES: [&str; 11] = [
    "/clusters",
    "/clusters/abc/flags",
    "/nodes",
    "/nodes/abc/state",
    "/devices",
    "/devices/abc/tags",
    "/volumes",
    "/volumes/abc/expand",
    "/volumes/abc/block-restriction",
    "/blockvolumes",
    "/blockvolumes/abc/expand",
];

#[tokio::test]
async fn no_object() {
    let app = TestApp::start().await;
    let bad = ["", " ", "{", "}", "[]", "[{}]", "1", "\"x\"", "true", "{}x", "{} {}", "{},", "nul"];
    let more =
        ["\u{feff}{}", "{'a':1}", "{a:1}", "{\"a\":1,}", "// x\n{}", "{\"a\":\"\n\"}", "NaN"];
    for path in ROUTES {
        for body in bad.iter().chain(&more) {
            let answer = send(&app.client, "POST", path, body).await;
            assert_error(&answer, 422, UNPARSABLE);
        }
        // Go would read U+FFFD for what is no UTF-8; a name or path changed behind one's back helps nobody.
        let invalid = app.client.send("POST", path, &[], Some(b"{\"a\xff\":1}")).await;
        assert_error(&invalid, 422, UNPARSABLE);
        assert_error(&app.client.send("POST", path, &[], None).await, 422, UNPARSABLE);
    }
}

/// `null` is an object with nothing in it; what comes around the object does not matter.
#[tokio::test]
async fn an_empty_object() {
    let app = TestApp::start().await;
    for path in ROUTES {
        let empty = send(&app.client, "POST", path, "{}").await;
        assert_ne!(empty.status, 422, "{path}");
        for body in ["null", " \r\n\t{}\n ", r#"{"what":{"EVER":[1,null,"x"]}}"#] {
            let answer = send(&app.client, "POST", path, body).await;
            assert_eq!(answer.status, empty.status, "{path} {body}");
            if answer.status != 201 {
                assert_eq!(answer.text(), empty.text(), "{path} {body}");
            }
        }
    }
}

/// The type of each field is exact, whatever else is wrong with the request.
#[tokio::test]
async fn types_of_fields() {
    let app = TestApp::start().await;
    let integers = ["1.0", "1e1", "1.5", "\"1\"", "true", "[]", "{}"];
    let overflow = ["9223372036854775808", "-9223372036854775809", "1e400"];
    let all = integers.iter().chain(&overflow);
    let mut bodies: Vec<(&str, String)> = vec![];
    for bad in all {
        bodies.push(("/volumes", format!(r#"{{"size":{bad}}}"#)));
        bodies.push(("/volumes", format!(r#"{{"gid":{bad}}}"#)));
        bodies
            .push(("/volumes", format!(r#"{{"durability":{{"replicate":{{"replica":{bad}}}}}}}"#)));
        bodies.push(("/volumes", format!(r#"{{"durability":{{"disperse":{{"data":{bad}}}}}}}"#)));
        bodies.push(("/nodes", format!(r#"{{"zone":{bad}}}"#)));
        bodies.push(("/volumes/abc/expand", format!(r#"{{"expand_size":{bad}}}"#)));
    }
    for bad in ["1", "0", "\"true\"", "[]"] {
        bodies.push(("/clusters", format!(r#"{{"file":{bad}}}"#)));
        bodies.push(("/volumes", format!(r#"{{"block":{bad}}}"#)));
        bodies.push(("/volumes", format!(r#"{{"snapshot":{{"enable":{bad}}}}}"#)));
        bodies.push(("/devices", format!(r#"{{"destroydata":{bad}}}"#)));
    }
    for bad in ["1", "true", "[]", "{}"] {
        bodies.push(("/volumes", format!(r#"{{"name":{bad}}}"#)));
        bodies.push(("/nodes/abc/state", format!(r#"{{"state":{bad}}}"#)));
        bodies.push(("/devices", format!(r#"{{"node":{bad}}}"#)));
        bodies.push(("/devices/abc/tags", format!(r#"{{"tags":{{"a":{bad}}}}}"#)));
    }
    for bad in ["\"x\"", "{}", "[1]", "1"] {
        bodies.push(("/volumes", format!(r#"{{"clusters":{bad}}}"#)));
        bodies.push(("/volumes", format!(r#"{{"glustervolumeoptions":{bad}}}"#)));
        bodies.push(("/nodes", format!(r#"{{"hostnames":{{"manage":{bad}}}}}"#)));
    }
    for bad in ["[]", "\"x\"", "1"] {
        bodies.push(("/volumes", format!(r#"{{"durability":{bad}}}"#)));
        bodies.push(("/nodes", format!(r#"{{"hostnames":{bad}}}"#)));
        bodies.push(("/nodes", format!(r#"{{"tags":{bad}}}"#)));
    }
    bodies.push(("/volumes", r#"{"snapshot":{"factor":"1"}}"#.to_owned()));
    for (path, body) in bodies {
        let answer = send(&app.client, "POST", path, &body).await;
        assert_eq!((answer.status, answer.text()), (422, format!("{UNPARSABLE}\n")), "{body}");
    }
}

/// Names of fields in any case, the last of duplicates, numbers up to the last digit.
#[tokio::test]
async fn fields_are_found() {
    let app = TestApp::start().await.with_nodes(1, 1).await;
    for (body, size, name) in [
        (r#"{"SIZE":2,"Name":"one"}"#, 2, "one"),
        (r#"{"size":1,"size":3,"name":"x","NAME":"two"}"#, 3, "two"),
        (r#"{"size":1,"name":"three","clusters":null,"durability":null,"gid":null}"#, 1, "three"),
        (r#"{"size":1,"name":"four","snapshot":{"factor":7.5}}"#, 1, "four"),
        (r#"{"size":1,"name":"fi\u0076e","durability":{"Type":"none"}}"#, 1, "five"),
    ] {
        let made = app.client.finish(send(&app.client, "POST", "/volumes", body).await).await;
        let volume = assert_json(&made, 200);
        assert_eq!((&volume["size"], &volume["name"]), (&json!(size), &json!(name)), "{body}");
    }
    let largest = send(&app.client, "POST", "/volumes", r#"{"size":9223372036854775807}"#).await;
    assert_error(&largest, 500, "Failed to allocate new volume: No space");
}

/// The content type says nothing: heketi-cli sends one, the Python client none.
#[tokio::test]
async fn content_types() {
    let app = TestApp::start().await;
    for content in ["application/json", "text/plain", "application/x-www-form-urlencoded", "x"] {
        let headers = [("content-type", content), ("accept", "image/png")];
        let answer = app.client.send("POST", "/clusters", &headers, Some(b"{}")).await;
        assert_json(&answer, 201);
    }
    assert_json(&wire::chunked(&app, "POST", "/clusters", b"{\"file\":true}").await, 201);
}

/// The Python client sends `{}` with every GET and DELETE.
#[tokio::test]
async fn bodies_that_nobody_asked_for() {
    let app = TestApp::start().await.with_nodes(1, 1).await;
    let volume = app.create_volume(json!({"size": 1})).await;
    let volume = format!("/volumes/{}", super::id(&volume));
    let node = &super::nodes(&app).await[0];
    let device = super::id(&super::devices(&app, node).await[0]);
    let cluster = app.add_cluster().await;
    for body in ["{}", "not json", ""] {
        for path in ["/clusters", "/volumes", "/admin", &volume, &format!("/nodes/{node}")] {
            assert_json(&send(&app.client, "GET", path, body).await, 200);
        }
        let resync = send(&app.client, "GET", &format!("/devices/{device}/resync"), body).await;
        let poll = send(&app.client, "GET", &resync.location(), body).await;
        assert!([200, 204].contains(&poll.status), "{}", poll.status);
        app.client.poll(&resync.location()).await;
    }
    let gone = send(&app.client, "DELETE", &format!("/clusters/{cluster}"), "{}").await;
    assert_eq!(gone.status, 200);
    let gone = app.client.finish(send(&app.client, "DELETE", &volume, "not json").await).await;
    assert_eq!(gone.status, 204);
}

#[tokio::test]
async fn the_longest_body() {
    let app = TestApp::start().await;
    let padded = |length: usize| format!("{{}}{}", " ".repeat(length - 2));
    let text = format!("request body exceeds {BODY_LIMIT} bytes");
    for path in ROUTES {
        let answer = send(&app.client, "POST", path, &padded(BODY_LIMIT)).await;
        assert!(![413, 422].contains(&answer.status), "{path}: {}", answer.status);
        let answer = send(&app.client, "POST", path, &padded(BODY_LIMIT + 1)).await;
        assert_error(&answer, 413, &text);
        let body = padded(BODY_LIMIT + 1);
        let answer = wire::chunked(&app, "POST", path, body.as_bytes()).await;
        assert_error(&answer, 413, &text);
    }
    for (method, path) in [("POST", "/admin"), ("DELETE", "/devices/abc")] {
        let answer = send(&app.client, method, path, &padded(BODY_LIMIT + 1)).await;
        assert_error(&answer, 413, &text);
    }
}

/// Deep nesting is refused, not followed until the stack ends.
#[tokio::test]
async fn deep_bodies() {
    let app = TestApp::start().await;
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = format!("{{\"x\":{}1{}}}", open.repeat(20_000), close.repeat(20_000));
        assert_error(&send(&app.client, "POST", "/clusters", &deep).await, 422, UNPARSABLE);
    }
}
