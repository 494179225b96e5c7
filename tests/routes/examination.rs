//! `/internal/state/examine/gluster` (api.md 13).
use super::{id, keys};
use crate::harness::{BusyMounts, TestApp};
use serde_json::{Value, json};

const PATH: &str = "/internal/state/examine/gluster";
const MATCHES: &str = "heketi volume list matches with volume list of all nodes";
const INVOKED: &str = "OnDemand Examiner invoked while 0 ops are in flight";

async fn examine(app: &TestApp) -> Value {
    let answer = app.client.get(PATH).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/json; charset=UTF-8"));
    assert!(answer.text().starts_with("{\n    \"heketidb\": {\n        \"clusterentries\": {"));
    answer.json()
}

fn report(found: &Value) -> Vec<String> {
    super::strings(&found["report"])
}

/// Three nodes with a volume on all of them.
async fn site() -> (TestApp, Value) {
    let app = TestApp::start().await.with_nodes(3, 1).await;
    let replica = json!({"type": "replicate", "replicate": {"replica": 3}});
    let volume = app.create_volume(json!({"size": 10, "durability": replica})).await;
    (app, volume)
}

#[tokio::test]
async fn nothing_to_look_at() {
    let found = examine(&TestApp::start().await).await;
    assert_eq!(keys(&found), ["heketidb", "report", "clusters"]);
    assert_eq!(report(&found), [INVOKED, MATCHES]);
    assert_eq!(found["clusters"], Value::Null);
}

#[tokio::test]
async fn nodes_that_have_what_they_should() {
    let (app, volume) = site().await;
    let found = examine(&app).await;
    assert_eq!(report(&found), [INVOKED, MATCHES]);
    assert_eq!(found["heketidb"], app.client.get("/db/dump").await.json());
    let cluster = &found["clusters"][0];
    assert_eq!(keys(cluster), ["ClusterHeketiID", "NodesData"]);
    assert_eq!(cluster["ClusterHeketiID"], volume["cluster"]);
    let nodes = cluster["NodesData"].as_array().unwrap();
    let ids: Vec<_> = nodes.iter().map(|node| node["NodeHeketiID"].as_str().unwrap()).collect();
    assert_eq!(ids, super::nodes(&app).await);
    for node in nodes {
        let members = [
            "NodeHeketiID",
            "VolumeInfo",
            "LVMPVInfo",
            "LVMVGInfo",
            "LVMLVInfo",
            "BricksMountStatus",
            "BlockVolumeNames",
        ];
        assert_eq!(keys(node), members);
        let info = &node["VolumeInfo"][0];
        assert_eq!((&info["VolumeName"], &info["StatusStr"]), (&volume["name"], &json!("Started")));
        assert_eq!(info["Options"]["user.heketi.id"], volume["id"]);
        let mount = &node["BricksMountStatus"][0];
        let brick = volume["bricks"]
            .as_array()
            .unwrap()
            .iter()
            .find(|brick| brick["node"] == node["NodeHeketiID"])
            .unwrap();
        assert!(mount["MountPoint"].as_str().unwrap().ends_with(&format!("brick_{}", id(brick))));
        assert_eq!(mount["Mounted"], true);
        assert_eq!(node["LVMPVInfo"]["report"][0]["pv"][0]["pv_name"], "/dev/sdb");
        let lvs = node["LVMLVInfo"]["report"][0]["lv"].as_array().unwrap();
        assert_eq!(lvs.len(), 2, "a pool and a volume: {lvs:?}");
    }
}

/// Each kind of contradiction, and who is found to blame.
#[tokio::test]
async fn what_does_not_agree_is_told() {
    let (app, volume) = site().await;
    let name = volume["name"].as_str().unwrap();
    let brick = volume["bricks"][0].clone();
    let (brick_id, device) = (id(&brick), brick["device"].as_str().unwrap().to_owned());
    let group = format!("vg_{device}");
    let host = {
        let world = app.sim.world();
        let mut hosts = world.nodes.iter().filter(|(_, node)| node.groups.contains_key(&group));
        hosts.next().unwrap().0.clone()
    };
    let about = format!("brick {brick_id} of volume {}", id(&volume));
    let lv = format!("brick_{brick_id}");
    let stranger = "brick_0123456789abcdef0123456789abcdef";
    let whole = app.sim.world().clone();
    let damage = |change: &dyn Fn(&mut brickyard::node::sim::world::World)| {
        let mut world = whole.clone();
        change(&mut world);
        *app.sim.world() = world;
    };

    damage(&|world| {
        let node = world.nodes.get_mut(&host).unwrap();
        node.mounts.clear();
        node.fstab.clear();
    });
    let lines = report(&examine(&app).await);
    assert_eq!(
        lines[2..],
        [
            format!("{about} is not mounted on node {host}"),
            format!("{about} has no line in the fstab of node {host}"),
        ]
    );

    damage(&|world| {
        let group =
            world.nodes.get_mut(&host).unwrap().groups.get_mut(&format!("vg_{device}")).unwrap();
        let pool = group.volumes.remove(&lv).unwrap();
        group.volumes.insert(stranger.to_owned(), pool);
    });
    let lines = report(&examine(&app).await);
    assert_eq!(
        lines[2..],
        [
            format!("{about} has no logical volume on node {host}"),
            format!("logical volume vg_{device}/{stranger} on node {host} belongs to no brick"),
        ]
    );

    damage(&|world| {
        world.volumes[0].started = false;
        world.volumes[0].bricks[0] = "10.0.0.9:/elsewhere".into();
    });
    let lines = report(&examine(&app).await);
    assert_eq!(lines[1], MATCHES);
    assert_eq!(lines[2], format!("volume {name} is not started in gluster: Created"));
    assert!(lines[3].ends_with(&format!("is not among the bricks of volume {name} in gluster")));
    assert_eq!(
        lines[4],
        format!("volume {name} has a brick that is not in the database: 10.0.0.9:/elsewhere")
    );

    damage(&|world| world.volumes[0].name = "other".into());
    let lines = report(&examine(&app).await);
    let node = &super::nodes(&app).await[0];
    assert_eq!(
        lines[1..4],
        [
            format!("heketi volume list does not match with volume list of node {node}"),
            format!("volume {name} is not in gluster on node {node}"),
            format!("volume other on node {node} is not in the database"),
        ]
    );
    assert_eq!(lines.iter().filter(|line| line.contains("does not match")).count(), 3);

    *app.sim.world() = whole;
    assert_eq!(report(&examine(&app).await).len(), 2);
}

/// One node that is down, and one whose glusterd is: the third tells all that it knows.
#[tokio::test]
async fn who_does_not_answer_keeps_nobody_else_from_it() {
    let (app, _) = site().await;
    app.sim.world().down.insert("n0.example.com".into());
    app.sim.world().no_glusterd.insert("n1.example.com".into());
    let found = examine(&app).await;
    let lines = report(&found);
    let starts = |words: &str| lines.iter().filter(|line| line.starts_with(words)).count();
    assert_eq!(starts("could not fetch data from node n0.example.com: "), 1, "{lines:#?}");
    let daemon = "could not fetch volumes of gluster from node n1.example.com: Connection failed";
    assert_eq!(starts(daemon), 1, "{lines:#?}");
    assert_eq!(lines.len(), 3, "{lines:#?}");
    let nodes = found["clusters"][0]["NodesData"].as_array().unwrap();
    let known = |member: &str| nodes.iter().filter(|node| !node[member].is_null()).count();
    assert_eq!((nodes.len(), known("LVMLVInfo"), known("VolumeInfo")), (3, 2, 1));
}

/// What an operation is at work on is not judged.
#[tokio::test]
async fn what_is_pending_is_no_contradiction() {
    let (app, volume) = site().await;
    let path = format!("/volumes/{}", id(&volume));
    let deleting = {
        app.sim.set_faults(Some(std::sync::Arc::new(BusyMounts)));
        app.client.delete(&path).await
    };
    assert_eq!(app.client.poll(&deleting.location()).await.status, 500);
    assert!(app.sim.world().volumes.is_empty(), "gluster has forgotten it");
    // It is stuck before its driver has let go of it.
    while app.app.operations.counts().await.unwrap().in_flight > 0 {
        tokio::task::yield_now().await;
    }
    let lines = report(&examine(&app).await);
    assert_eq!(lines, [INVOKED, MATCHES]);
}
