//! Options that steer the placement, and options that only go through to gluster (api.md 11.5).
use super::{brick_sizes, of_bricks, replica};
use crate::{
    harness::{Start, TestApp, quick},
    routes::{assert_error, devices, id, nodes},
};
use brickyard::operation::Settings;
use serde_json::{Value, json};

const GIB: u64 = 1024 * 1024;

fn body(size: i64, options: &[&str]) -> Value {
    json!({"size": size, "durability": replica(3), "glustervolumeoptions": options})
}

fn option_of(app: &TestApp, volume: &Value, key: &str) -> Option<String> {
    let name = volume["name"].as_str().unwrap();
    let world = app.sim.world();
    world.volumes.iter().find(|v| v.name == name).unwrap().options.get(key).cloned()
}

#[tokio::test]
async fn arbiter() {
    let app = TestApp::start().await.with_nodes(3, 1).await;
    for (options, smallest) in [
        (&["user.heketi.arbiter true"][..], 64 * 1024),
        (&["user.heketi.arbiter 1"], 64 * 1024),
        (&["user.heketi.arbiter false"], 4 * GIB),
        (&["user.heketi.arbiter true", "user.heketi.arbiter false"], 4 * GIB),
        (&["user.heketi.arbiter true", "user.heketi.average-file-size 32"], 128 * 1024),
        // Never below 16 MiB.
        (&["user.heketi.arbiter true", "user.heketi.average-file-size 100000"], 16 * 1024),
        (&["user.heketi.arbiter true", "user.heketi.average-file-size x"], 64 * 1024),
    ] {
        let volume = app.create_volume(body(4, options)).await;
        assert_eq!(brick_sizes(&volume), [smallest, 4 * GIB, 4 * GIB], "{options:?}");
        let kind = app.sim.world().volumes.last().unwrap().kind.join(" ");
        let arbiter = if smallest == 4 * GIB { "" } else { " arbiter 1" };
        assert_eq!(kind, format!("replica 3{arbiter}"), "{options:?}");
    }
    // Only sets of three have one.
    let two = json!({"size": 4, "durability": replica(2),
        "glustervolumeoptions": ["user.heketi.arbiter true"]});
    assert_eq!(brick_sizes(&app.create_volume(two).await), [4 * GIB, 4 * GIB]);
}

/// A device tagged for arbiters gets no data of such a volume, and one tagged against, no arbiter.
#[tokio::test]
async fn arbiter_tags() {
    let app = TestApp::start().await.with_nodes(3, 1).await;
    let all = nodes(&app).await;
    let tag = |node: &str, value: &str| {
        let body = json!({"change_type": "set", "tags": {"arbiter": value}});
        (format!("/nodes/{node}/tags"), body)
    };
    for (node, value) in all.iter().zip(["required", "disabled", "disabled"]) {
        let (path, body) = tag(node, value);
        app.client.post(&path, body).await;
    }
    for _ in 0..3 {
        let volume = app.create_volume(body(4, &["user.heketi.arbiter true"])).await;
        for brick in volume["bricks"].as_array().unwrap() {
            let arbiter = brick["node"] == json!(all[0]);
            assert_eq!(brick["size"] == json!(64 * 1024), arbiter);
        }
    }
    let (path, disabled) = tag(&all[0], "disabled");
    app.client.post(&path, disabled).await;
    let refused = app.client.post("/volumes", body(4, &["user.heketi.arbiter true"])).await;
    assert_error(&refused, 500, "Failed to allocate new volume: No space");
    // The tag of a device counts more than that of its node.
    let device = id(&devices(&app, &all[0]).await[0]);
    let own = json!({"change_type": "set", "tags": {"arbiter": "supported"}});
    app.client.post(&format!("/devices/{device}/tags"), own).await;
    app.create_volume(body(4, &["user.heketi.arbiter true"])).await;
}

#[tokio::test]
async fn zones() {
    for (strict, option, placed) in [
        (false, None, true),
        (true, None, false),
        (false, Some("strict"), false),
        (true, Some("none"), true),
        (false, Some("none"), true),
        (true, Some("what"), true),
    ] {
        let settings = Settings { strict_zones: strict, ..quick() };
        let app = TestApp::start_with(Start { settings, ..Start::default() }).await;
        let cluster = app.add_cluster().await;
        for (n, zone) in [(0, 1), (1, 1), (2, 2)] {
            let node = app.add_node(&cluster, n, zone).await;
            app.add_device(&node, "/dev/sdb").await;
        }
        let option = option.map(|o| format!("user.heketi.zone-checking {o}"));
        let options: Vec<&str> = option.iter().map(String::as_str).collect();
        let answer = app.try_create(body(1, &options)).await;
        assert_eq!(answer.status == 200, placed, "{strict} {options:?}: {}", answer.text());
    }
}

#[tokio::test]
async fn device_tags() {
    let app = TestApp::start().await.with_nodes(3, 2).await;
    let mut fast = vec![];
    for node in nodes(&app).await {
        let device = id(&devices(&app, &node).await[0]);
        let tags = json!({"change_type": "set", "tags": {"tier": "ssd"}});
        app.client.post(&format!("/devices/{device}/tags"), tags).await;
        fast.push(device);
    }
    fast.sort_unstable();
    let rule = |rule: &str| body(1, &[&format!("user.heketi.device-tag-match {rule}")]);
    for _ in 0..3 {
        let volume = app.create_volume(rule("tier=ssd")).await;
        assert_eq!(of_bricks(&volume, "device"), fast);
        let volume = app.create_volume(rule("tier!=ssd")).await;
        assert!(of_bricks(&volume, "device").iter().all(|d| !fast.contains(d)));
        assert_eq!(
            option_of(&app, &volume, "user.heketi.device-tag-match").as_deref(),
            Some("tier!=ssd"),
            "it reaches gluster as well"
        );
    }
    let refused = app.client.post("/volumes", rule("tier=hdd")).await;
    assert_error(&refused, 500, "Failed to allocate new volume: No space");
}

/// Characters that a shell or a file would take for something else arrive as they were sent, at
/// gluster and in the answer, and nowhere else.
#[tokio::test]
async fn metacharacters() {
    let app = TestApp::start().await.with_nodes(1, 1).await;
    for value in [
        "$(touch /tmp/pwned)",
        "`reboot`",
        "a;reboot",
        "a|b&c>d<e",
        "'single' \"double\"",
        "back\\slash",
        "*?[x]{a,b}~!#%",
        "-mode=force",
        "ünïcödé",
        "&& gluster volume delete x",
    ] {
        let option = format!("user.note {value}");
        let body = json!({"size": 1, "glustervolumeoptions": [option]});
        let volume = app.create_volume(body).await;
        assert_eq!(volume["glustervolumeoptions"], json!(["", option, ""]));
        assert_eq!(option_of(&app, &volume, "user.note").as_deref(), Some(value));
        let mine = option_of(&app, &volume, "user.heketi.id");
        assert_eq!(mine, Some(id(&volume)), "and it knows whose it is");
    }
    let mut world = app.sim.world().clone();
    world.volumes.clear();
    let rest = serde_json::to_string(&world).unwrap();
    for words in ["pwned", "reboot", "single", "delete x"] {
        assert!(!rest.contains(words), "{words}");
    }
}

/// A line break would be a command of its own in gluster's session.
#[tokio::test]
async fn control_characters() {
    let app = TestApp::start().await.with_nodes(1, 1).await;
    for bad in
        ["a b\nvolume delete x", "a b\r", "a\tb", "a \u{0}", "a \u{1b}[2J", "a \u{7f}", "\u{85}"]
    {
        let body = json!({"size": 1, "glustervolumeoptions": ["user.fine 1", bad]});
        let answer = app.client.post("/volumes", body).await;
        assert_error(&answer, 400, "a volume option holds a control character");
    }
    assert!(app.sim.world().volumes.is_empty());
}

/// What gluster itself refuses is told with its words, and nothing of the volume is left.
#[tokio::test]
async fn options_that_gluster_refuses() {
    let settings = Settings { create_retries: 0, ..quick() };
    let app =
        TestApp::start_with(Start { settings, ..Start::default() }).await.with_nodes(1, 1).await;
    let body = json!({"size": 1, "glustervolumeoptions": ["nonsense 1"]});
    let failed = app.try_create(body).await;
    assert_eq!(failed.status, 500);
    let text = failed.text();
    assert!(text.contains("option : nonsense does not exist"), "{text}");
    assert!(app.sim.world().volumes.is_empty());
    let device = &devices(&app, &nodes(&app).await[0]).await[0];
    assert_eq!((&device["storage"]["used"], &device["bricks"]), (&json!(0), &json!([])));
}

/// The group may write to the volume's root, and new files belong to it.
#[tokio::test]
async fn gid() {
    let app = TestApp::start().await.with_nodes(1, 1).await;
    for (gid, shown, owner) in [
        (json!(0), None, None),
        (json!(2000), Some(json!(2000)), Some(":2000")),
        (json!(2_147_483_646), Some(json!(2_147_483_646)), Some(":2147483646")),
    ] {
        let volume = app.create_volume(json!({"size": 1, "gid": gid})).await;
        assert_eq!(volume.get("gid").cloned(), shown);
        let world = app.sim.world();
        let brick = volume["bricks"][0]["path"].as_str().unwrap();
        let mount = brick.strip_suffix("/brick").unwrap();
        let node = &world.nodes["n0.example.com"];
        let (group, mode) = node.file_systems[&node.mounts[mount]].directories["/brick"].clone();
        assert_eq!(group.as_deref(), owner, "{gid}");
        assert_eq!(mode.is_some(), owner.is_some(), "{gid}");
    }
}

/// What would be an option of the gluster command itself is refused.
#[tokio::test]
async fn words_with_two_dashes() {
    let app = TestApp::start().await.with_nodes(1, 1).await;
    let body = json!({"size": 1, "glustervolumeoptions": ["user.x --log-file=/etc/shadow"]});
    let refused = app.client.post("/volumes", body).await;
    let text = "a word of a volume option begins with two dashes\n";
    assert_eq!((refused.status, refused.text().as_str()), (400, text));
}

/// A line longer than gluster reads would end in a command of the client's choice.
#[tokio::test]
async fn a_very_long_option_stays_an_option() {
    let app = TestApp::start().await.with_nodes(1, 1).await;
    let other = app.create_volume(json!({"size": 1, "name": "other"})).await;
    let option = format!("user.x {} volume stop other force", "y".repeat(1010));
    app.create_volume(json!({"size": 1, "glustervolumeoptions": [option]})).await;
    let world = app.sim.world();
    let kept = world.volumes.iter().find(|volume| volume.name == other["name"]).unwrap();
    assert!(kept.started);
    assert!(world.volumes.iter().all(|volume| volume.started));
}

/// A key alone is refused at the door: gluster would only print its usage, after the bricks were made.
#[tokio::test]
async fn a_key_without_a_value() {
    let app = TestApp::start().await.with_nodes(1, 1).await;
    let body = json!({"size": 1, "glustervolumeoptions": ["", "a b", "nfs.disable"]});
    let refused = app.client.post("/volumes", body).await;
    assert_eq!(
        (refused.status, refused.text().as_str()),
        (400, "volume option nfs.disable has no value\n")
    );
}
