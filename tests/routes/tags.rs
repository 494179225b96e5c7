//! `POST .../tags` of nodes and devices (api.md 9.5, 9.6).
use super::{assert_error, assert_json, id, keys, send};
use crate::harness::TestApp;
use serde_json::{Value, json};

async fn with_both() -> (TestApp, [String; 2]) {
    let app = TestApp::start().await.with_nodes(1, 1).await;
    let node = super::nodes(&app).await[0].clone();
    let device = id(&super::devices(&app, &node).await[0]);
    (app, [format!("/nodes/{node}"), format!("/devices/{device}")])
}

#[tokio::test]
async fn changes() {
    let (app, objects) = with_both().await;
    for object in objects {
        for (body, after) in [
            (r#"{"change_type":"update","tags":{"b":"2","a":"1"}}"#, json!({"a": "1", "b": "2"})),
            (r#"{"change_type":"update","tags":{"a":"9"}}"#, json!({"a": "9", "b": "2"})),
            (r#"{"change_type":"update"}"#, json!({"a": "9", "b": "2"})),
            (r#"{"change_type":"delete","tags":{"a":"","zz":"x"}}"#, json!({"b": "2"})),
            (r#"{"change_type":"set","tags":{"B":"3"}}"#, json!({"B": "3"})),
            (r#"{"Change_Type":"set","TAGS":{"c":null}}"#, json!({"c": ""})),
            (r#"{"change_type":"set","tags":null}"#, json!({})),
            (r#"{"change_type":"delete","tags":{"c":""}}"#, json!({})),
            (r#"{"change_type":"set","tags":{"x":"<a&b>"}}"#, json!({"x": "<a&b>"})),
            (r#"{"change_type":"set"}"#, json!({})),
        ] {
            let answer = send(&app.client, "POST", &format!("{object}/tags"), body).await;
            assert_eq!(assert_json(&answer, 200), after, "{body}");
            let shown = app.client.get(&object).await.json();
            let expected = if after == json!({}) { Value::Null } else { after };
            assert_eq!(shown["tags"], expected, "left out when empty: {body}");
        }
    }
}

#[tokio::test]
async fn special_characters_are_escaped_as_go_does() {
    let (app, [node, _]) = with_both().await;
    let body = r#"{"change_type":"set","tags":{"x":"<a&b>"}}"#;
    let answer = send(&app.client, "POST", &format!("{node}/tags"), body).await;
    assert_eq!(answer.text(), "{\"x\":\"\\u003ca\\u0026b\\u003e\"}\n");
}

fn tags(pairs: impl IntoIterator<Item = (String, String)>) -> Value {
    pairs.into_iter().map(|(k, v)| (k, Value::String(v))).collect::<serde_json::Map<_, _>>().into()
}

#[tokio::test]
async fn rules() {
    let (app, objects) = with_both().await;
    let many = |n: usize| tags((0..n).map(|i| (format!("t{i}"), String::new())));
    let one = |name: &str, value: &str| tags([(name.to_owned(), value.to_owned())]);
    let long = "n".repeat(33);
    let table = [
        (many(33), "too many tags specified (33), up to 32 supported".to_owned()),
        (one("", "x"), "tag names may not be empty".to_owned()),
        (one(&long, ""), format!("tag name {long}: the length must be between 1 and 32")),
        (
            one("a", &"ä".repeat(65)),
            "value of tag a: the length must be no more than 64".to_owned(),
        ),
        (one("a b", "x"), "invalid characters in tag name a b".to_owned()),
        (one("ä", "x"), "invalid characters in tag name ä".to_owned()),
        (one("a=b", "x"), "invalid characters in tag name a=b".to_owned()),
    ];
    for object in &objects {
        let path = format!("{object}/tags");
        for (tags, text) in &table {
            for change in ["set", "update", "delete"] {
                let body = json!({"change_type": change, "tags": tags});
                let text = format!("validation failed: tags: {text}.");
                assert_error(&app.client.post(&path, body).await, 400, &text);
            }
        }
        for (body, text) in [
            ("{}", "change_type: cannot be blank"),
            (r#"{"change_type":"replace"}"#, "change_type: must be a valid value"),
            (r#"{"change_type":"SET"}"#, "change_type: must be a valid value"),
            (
                r#"{"tags":{"":""}}"#,
                "change_type: cannot be blank; tags: tag names may not be empty",
            ),
        ] {
            let answer = send(&app.client, "POST", &path, body).await;
            assert_error(&answer, 400, &format!("validation failed: {text}."));
        }
        assert_eq!(app.client.get(object).await.json()["tags"], Value::Null, "nothing changed");
        let fine = [many(32), one(&"n".repeat(32), &"ä".repeat(64)), one("A.b-c_9", "any thing\n")];
        for tags in fine {
            let body = json!({"change_type": "set", "tags": tags});
            assert_eq!(assert_json(&app.client.post(&path, body).await, 200), tags);
        }
        // The limit is one of the request, not of what comes of it.
        app.client.post(&path, json!({"change_type": "set", "tags": many(32)})).await;
        let more = json!({"change_type": "update", "tags": {"one-more": "x"}});
        let all = assert_json(&app.client.post(&path, more).await, 200);
        assert_eq!(keys(&all).len(), 33);
    }
}
