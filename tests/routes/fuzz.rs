//! Whatever a body holds, the answer is one that the contract knows, and it comes.
use super::{block_volumes, id, nodes, only_cluster};
use crate::harness::TestApp;
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};
use std::time::Duration;

const STATUSES: [u16; 10] = [200, 201, 202, 204, 400, 404, 409, 413, 422, 429];

/// Every POST route with a body that it takes; `{...}` stands for ids of things that are there.
const ROUTES: [(&str, &str); 14] = [
    ("/clusters", r#"{"file":true,"block":true}"#),
    ("/clusters/{cluster}/flags", r#"{"file":true,"block":true}"#),
    (
        "/nodes",
        r#"{"zone":1,"cluster":"{cluster}","tags":{"a":"b"},"hostnames":{"manage":["m"],"storage":["s"]}}"#,
    ),
    ("/nodes/{node}/state", r#"{"state":"online","healcheck":"enable"}"#),
    ("/nodes/{node}/tags", r#"{"change_type":"set","tags":{"a":"b"}}"#),
    ("/devices", r#"{"node":"{node}","name":"/dev/sdx","tags":{"a":"b"},"destroydata":true}"#),
    ("/devices/{device}/state", r#"{"state":"online","healcheck":"disable"}"#),
    ("/devices/{device}/tags", r#"{"change_type":"delete","tags":{"a":"b"}}"#),
    (
        "/volumes",
        r#"{"size":1,"name":"x","clusters":["{cluster}"],"durability":{"type":"replicate","replicate":{"replica":2},"disperse":{"data":2,"redundancy":1}},"gid":1,"glustervolumeoptions":["user.heketi.zone-checking none"],"block":false,"snapshot":{"enable":true,"factor":1.5}}"#,
    ),
    ("/volumes/{volume}/expand", r#"{"expand_size":1}"#),
    ("/blockvolumes", r#"{"size":1,"name":"x","clusters":["{cluster}"],"hacount":2,"auth":true}"#),
    ("/blockvolumes/{block}/expand", r#"{"new_size":2}"#),
    ("/volumes/{hosting}/block-restriction", r#"{"restriction":""}"#),
    ("/admin", r#"{"state":"normal"}"#),
];

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop::sample::select(vec![-1_i64, 0, 1, 2, 3, 4, 1 << 31, 1 << 53]).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[a-z0-9/._;$`'\"-]{0,40}".prop_map(Value::from),
        prop::sample::select(vec![
            "none",
            "disperse",
            "failed",
            "user.heketi.arbiter true",
            "\u{0}"
        ])
        .prop_map(Value::from),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("[a-z]{0,6}", inner, 0..4)
                .prop_map(|map| map.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

/// What is done to a body that would be taken.
#[derive(Clone, Debug)]
enum Change {
    /// The nth value of all in it becomes another.
    Value(prop::sample::Index, Value),
    /// A byte becomes another.
    Byte(prop::sample::Index, u8),
    /// It ends early.
    Cut(prop::sample::Index),
    /// Something quite different.
    Other(Vec<u8>),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        6 => (any::<prop::sample::Index>(), value()).prop_map(|(at, v)| Change::Value(at, v)),
        1 => (any::<prop::sample::Index>(), any::<u8>()).prop_map(|(at, b)| Change::Byte(at, b)),
        1 => any::<prop::sample::Index>().prop_map(Change::Cut),
        1 => prop::collection::vec(any::<u8>(), 0..64).prop_map(Change::Other),
    ]
}

/// All values in it, itself and those in lists and objects.
fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(members) => members.values().map(count).sum(),
        _ => 0,
    }
}

/// Puts another value in the place of the nth; how many are still to be passed over.
fn replace(value: &mut Value, nth: usize, new: &Value) -> Option<usize> {
    if nth == 0 {
        *value = new.clone();
        return None;
    }
    let inner: Vec<&mut Value> = match value {
        Value::Array(items) => items.iter_mut().collect(),
        Value::Object(members) => members.values_mut().collect(),
        _ => vec![],
    };
    inner.into_iter().try_fold(nth - 1, |left, v| replace(v, left, new))
}

fn changed(body: &str, change: &Change) -> Vec<u8> {
    let mut bytes = body.as_bytes().to_vec();
    match change {
        Change::Value(at, new) => {
            let mut value: Value = serde_json::from_str(body).unwrap();
            let nth = at.index(count(&value));
            assert_eq!(replace(&mut value, nth, new), None);
            bytes = value.to_string().into_bytes();
        }
        Change::Byte(at, byte) => {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        Change::Cut(at) => bytes.truncate(at.index(bytes.len())),
        Change::Other(other) => bytes.clone_from(other),
    }
    bytes
}

/// Everything that the routes name.
struct Things(Vec<(&'static str, String)>);

impl Things {
    async fn of(app: &TestApp) -> Self {
        let node = nodes(app).await[0].clone();
        let device = id(&super::devices(app, &node).await[0]);
        let volume = id(&app.create_volume(json!({"size": 1})).await);
        let block = block_volumes::create(app, json!({"size": 1})).await;
        let hosting = block["blockhostingvolume"].as_str().unwrap().to_owned();
        let cluster = only_cluster(app).await;
        Self(vec![
            ("{block}", id(&block)),
            ("{hosting}", hosting),
            ("{cluster}", cluster),
            ("{node}", node),
            ("{device}", device),
            ("{volume}", volume),
        ])
    }
    fn fill(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (name, id)| text.replace(name, id))
    }
}

async fn ask(app: &TestApp, path: &str, body: &[u8]) -> Result<(), String> {
    let asked = async {
        let answer = app.client.send("POST", path, &[], Some(body)).await;
        let queue = answer.header("location").map(str::to_owned);
        match queue {
            Some(queue) if answer.status == 202 => (answer, Some(app.client.poll(&queue).await)),
            _ => (answer, None),
        }
    };
    let (answer, end) = tokio::time::timeout(Duration::from_mins(1), asked)
        .await
        .map_err(|_| "no answer within a minute".to_owned())?;
    for answer in std::iter::once(answer).chain(end) {
        let text = answer.text();
        let known = STATUSES.contains(&answer.status) || [303, 500, 503].contains(&answer.status);
        let defect = ["panic", "internal error", "RUST_BACKTRACE", "database of the server"];
        if !known || defect.iter().any(|words| text.contains(words)) {
            return Err(format!("{} {text}", answer.status));
        }
        if answer.status >= 400
            && answer.header("content-type") != Some("text/plain; charset=utf-8")
        {
            return Err(format!("{} of type {:?}", answer.status, answer.header("content-type")));
        }
    }
    Ok(())
}

#[test]
fn any_body_is_answered() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (app, things) = runtime.block_on(async {
        let app = block_volumes::with_three_nodes().await;
        let things = Things::of(&app).await;
        (app, things)
    });
    // The routes themselves are right: each unchanged body is taken.
    for (path, body) in ROUTES {
        let (path, body) = (things.fill(path), things.fill(body));
        let answer = runtime.block_on(app.client.send("POST", &path, &[], Some(body.as_bytes())));
        assert!(answer.status < 300, "{path}: {} {}", answer.status, answer.text());
        if answer.status == 202 {
            let end = runtime.block_on(app.client.poll(&answer.location()));
            assert!(end.status < 400, "{path}: {}", end.text());
        }
    }
    let cases = (prop::sample::select(ROUTES.to_vec()), change());
    let config = Config { cases: 400, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&cases, |((path, body), change)| {
            let body = changed(&things.fill(body), &change);
            let path = things.fill(path);
            let asked = runtime.block_on(ask(&app, &path, &body));
            // A word that was hit by chance must not close the door for all that follow.
            app.app.gate.set(brickyard::app::Mode::Normal);
            asked.map_err(|why| {
                let body = String::from_utf8_lossy(&body).into_owned();
                TestCaseError::fail(format!("{path} {body}: {why}"))
            })
        })
        .unwrap();
    assert_eq!(runtime.block_on(app.client.get("/volumes")).status, 200, "it still serves");
    runtime.block_on(app.end());
}
