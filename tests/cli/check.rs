//! `check` and `repair`, against a whole server on simulated nodes.
use super::{Run, run};
use crate::harness::{Start, TestApp, kube::FakeKube};
use serde_json::{Value, json};

async fn on(app: &TestApp, words: &[&str]) -> Run {
    let to = format!("--server={}", app.client.base);
    let mut all = vec![to.as_str()];
    all.extend(words);
    run(&all).await
}

fn read(path: &str) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Three nodes with a volume, of which one has lost its fstab and another its mounts.
async fn site() -> TestApp {
    let app = TestApp::start().await.with_nodes(3, 1).await;
    let replica = json!({"type": "replicate", "replicate": {"replica": 3}});
    app.create_volume(json!({"size": 10, "durability": replica})).await;
    let mut world = app.sim.world();
    world.nodes.get_mut("n0.example.com").unwrap().fstab.clear();
    world.nodes.get_mut("n1.example.com").unwrap().mounts.clear();
    drop(world);
    app
}

#[tokio::test]
async fn nothing_is_done_that_nobody_confirmed() {
    let app = site().await;
    let file = app.folder.path().join("plan.json").display().to_string();
    let checked = on(&app, &["check", "--plan", &file]).await;
    assert_eq!((checked.code, checked.err.as_str()), (0, ""));
    let last = checked.out.lines().last().unwrap();
    assert_eq!(
        last,
        "3 node(s) asked: 2 difference(s), 2 of which can be repaired; 0 thing(s) not known; \
         0 under way and not judged"
    );
    assert!(checked.out.contains("on node n1.example.com is not mounted\n"), "{}", checked.out);
    assert!(checked.out.contains("    proposed: mount the brick"), "{}", checked.out);

    let world = app.sim.world().clone();
    let refused = on(&app, &["repair", &file]).await;
    assert_eq!(refused.code, 255);
    assert!(refused.err.contains("nothing in it is confirmed"), "{}", refused.err);
    assert!(*app.sim.world() == world);

    // A plan that somebody may have worked on stays.
    let again = on(&app, &["check", "--plan", &file]).await;
    assert!(again.err.contains("File exists"), "{}", again.err);

    let mut plan = read(&file);
    let repairs = plan["repairs"].as_array().unwrap();
    let ids: Vec<_> = repairs.iter().map(|r| r["id"].as_str().unwrap().to_owned()).collect();
    plan["repairs"][0]["confirmed"] = true.into();
    std::fs::write(&file, plan.to_string()).unwrap();
    let done = on(&app, &["repair", &file]).await;
    assert_eq!(done, Run::ok(&format!("repaired: {}\n", ids[0])));
    let left: Value = serde_json::from_str(&on(&app, &["--json", "check"]).await.out).unwrap();
    assert_eq!(left["differences"].as_array().unwrap().len(), 1);
    assert_eq!(left["differences"][0]["id"], ids[1].as_str());

    // What is done is not done again, and keeps nobody from the rest.
    let both = on(&app, &["repair", &file, "--yes"]).await;
    assert_eq!(both.code, 255);
    assert!(both.out.contains(&format!("not repaired: {}: ", ids[0])), "{}", both.out);
    assert!(both.out.ends_with(&format!("repaired: {}\n", ids[1])), "{}", both.out);
    assert_eq!(both.err, "Error: 1 of 2 could not be repaired\n");
    let last = on(&app, &["check"]).await;
    assert!(last.out.starts_with("3 node(s) asked: 0 difference(s)"), "{}", last.out);
}

/// Everything at once is no way to confirm that data goes.
#[tokio::test]
async fn what_destroys_is_confirmed_by_itself() {
    let app = site().await;
    app.sim.world().volumes.clear();
    let file = app.folder.path().join("plan.json").display().to_string();
    on(&app, &["check", "--plan", &file]).await;
    let all = on(&app, &["repair", &file, "--yes"]).await;
    let left = "not confirmed by --yes: volume-not-in-gluster/";
    assert!(all.out.contains(left) && all.out.contains("WITH ALL THAT IS IN THEM"), "{}", all.out);
    let volumes = app.client.get("/volumes").await.json();
    assert_eq!(volumes["volumes"].as_array().unwrap().len(), 1);
    let plan = read(&file);
    let repairs = plan["repairs"].as_array().unwrap();
    let ids = repairs.iter().map(|planned| planned["id"].as_str().unwrap());
    let id = ids.into_iter().find(|id| id.starts_with("volume-not-in-gluster/")).unwrap();
    let done = on(&app, &["repair", &file, "--only", id]).await;
    assert_eq!(done, Run::ok(&format!("repaired: {id}\n")));
    let volumes = app.client.get("/volumes").await.json();
    assert_eq!(volumes["volumes"], json!([]));
}

#[tokio::test]
async fn single_entries_are_named() {
    let app = site().await;
    let file = app.folder.path().join("plan.json").display().to_string();
    on(&app, &["check", "--plan", &file]).await;
    let unknown = on(&app, &["repair", &file, "--only", "nothing"]).await;
    assert!(unknown.err.contains("there is no nothing in it"), "{}", unknown.err);
    let id = read(&file)["repairs"][1]["id"].as_str().unwrap().to_owned();
    let done = on(&app, &["repair", &file, "--only", &id]).await;
    assert_eq!(done, Run::ok(&format!("repaired: {id}\n")));
    std::fs::write(&file, json!({"version": 2, "repairs": []}).to_string()).unwrap();
    let newer = on(&app, &["repair", &file, "--yes"]).await;
    assert!(newer.err.contains("a plan of version 2, known is 1"), "{}", newer.err);
}

/// What is no difference stands before the last line, which stays what scripts know.
#[tokio::test]
async fn volumes_of_kubernetes_are_told() {
    let kube = FakeKube::start().await;
    let persistent_volumes = Some(kube.persistent_volumes().await);
    let start = Start { persistent_volumes, ..Start::default() };
    let app = TestApp::start_with(start).await.with_nodes(1, 1).await;
    let volume = app.create_volume(json!({"size": 3, "name": "kept"})).await;
    let other = json!({"id": "0".repeat(32), "name": "data", "size": 1});
    kube.objects(|all| all.provision(&other, &["192.0.2.1"]));
    let checked = on(&app, &["check"]).await;
    let (id, cluster) = (volume["id"].as_str().unwrap(), volume["cluster"].as_str().unwrap());
    let wanted = format!(
        "no PersistentVolume names volume kept ({id}), 3 GiB, of cluster {cluster}\n\
         not of this server: PersistentVolume pvc-00000000\n\
         1 PersistentVolume(s) compared, 1 of which are not of this server; 1 volume(s) that none \
         names; 0 under way and not judged\n\
         1 node(s) asked: 0 difference(s), 0 of which can be repaired; 0 thing(s) not known; \
         0 under way and not judged\n"
    );
    assert_eq!(checked, Run::ok(&wanted));
}
