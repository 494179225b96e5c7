//! What a script does, and what comes back: real shells, real commands.
use super::{
    cluster::{Cluster, Trouble},
    echo, health, host, in_doubt, sh,
};
use brickyard::node::{Cmd, NodeError, Ran, Remote, Script, When, kube::Lookup};
use std::{sync::Arc, time::Duration};

async fn cluster() -> Cluster {
    Cluster::with_pods(&["n1", "n2"]).await.for_real()
}

#[tokio::test]
async fn each_command_has_its_own_end_and_words() {
    let cluster = cluster().await;
    for protocol in ["v4.channel.k8s.io", "v5.channel.k8s.io"] {
        cluster.scene().protocol = protocol;
        let kube = cluster.kube(Lookup::Label).await;
        let script = Script::changing("brick-a")
            .then(sh("echo one; echo problem >&2"))
            .then_try(sh("exit 3"))
            .then_when(When::Fails(sh("true")), sh("echo never"))
            .then(Cmd::new(["cat"]).stdin(vec!["a'b".into(), "$(x)".into()]))
            .then(sh("printf no-newline; cat"));
        let ran = kube.run(&host("n1"), &script).await.unwrap();
        assert_eq!((ran[0].stdout.as_str(), ran[0].stderr.as_str()), ("one\n", "problem\n"));
        assert_eq!((ran[1].status, ran[2].status), (Some(3), None));
        assert_eq!((ran[3].stdout.as_str(), ran[4].stdout.as_str()), ("a'b\n$(x)\n", "no-newline"));
        assert!(cluster.folder().join("run/n1/brick-a.lock").exists());

        let script = Script::reading().then(sh("echo bad >&2; exit 5")).then(sh("echo never"));
        match kube.run(&host("n1"), &script).await.unwrap_err() {
            NodeError::Failed { status, stderr, command, .. } => {
                assert_eq!((status, stderr.as_str()), (5, "bad"));
                assert_eq!(command, "sh -c 'echo bad >&2; exit 5'");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(cluster.scene().execs.len(), 4, "one exec a script");
}

/// Frames end anywhere, also within a mark or a letter.
#[tokio::test]
async fn long_answers_come_in_many_frames() {
    let cluster = cluster().await;
    let kube = cluster.kube(Lookup::Label).await;
    for frame in [5, 1000] {
        cluster.scene().frame = frame;
        let script = Script::reading().then(sh("seq 1 4000; seq 1 3000 >&2")).then(sh("echo é"));
        let ran = kube.run(&host("n1"), &script).await.unwrap();
        let numbers = |to: u32| {
            let all: Vec<_> = (1..=to).map(|n| n.to_string()).collect();
            all.join("\n") + "\n"
        };
        assert_eq!((&ran[0].stdout, &ran[0].stderr), (&numbers(4000), &numbers(3000)));
        assert_eq!(ran[1].stdout, "é\n");
    }
}

#[tokio::test]
async fn answers_have_a_limit() {
    let cluster = cluster().await;
    cluster.scene().frame = 256 * 1024;
    let script = Script::reading().then(sh("head -c 68000000 /dev/zero"));
    match cluster.kube(Lookup::Label).await.run(&host("n1"), &script).await {
        Err(NodeError::Nonsense { why, .. }) => assert!(why.contains("67108864"), "{why}"),
        other => panic!("{other:?}"),
    }
}

/// Far longer than an address or an argument may be: a volume of many bricks.
#[tokio::test]
async fn long_scripts_arrive() {
    let cluster = cluster().await;
    let kube = cluster.kube(Lookup::Label).await;
    let lines: Vec<_> = (0..20_000).map(|n| format!("volume add-brick vol n{n}:/brick")).collect();
    let text = lines.join("\n") + "\n";
    let script = Script::reading().then(Cmd::new(["cat"]).stdin(lines));
    assert_eq!(kube.run(&host("n1"), &script).await.unwrap()[0].stdout, text);
}

#[tokio::test]
async fn a_command_that_takes_too_long_is_ended_on_the_node() {
    let cluster = cluster().await;
    let slow = sh("sleep 60").within(Duration::from_secs(1));
    let kube = cluster.kube(Lookup::Label).await;
    let error = kube.run(&host("n1"), &Script::changing("x").then(slow)).await.unwrap_err();
    assert_eq!(in_doubt(error), "timed out after 1 s");
    cluster.until(|scene| scene.now == 0).await;
}

/// Whoever has sent a script and does not hear its end cannot know, and the node goes on.
#[tokio::test]
async fn a_connection_that_breaks_leaves_a_doubt() {
    let cluster = cluster().await;
    let kube = cluster.kube(Lookup::Label).await;
    let done = cluster.folder().join("done");
    let words = format!("touch {}", done.display());
    let script = Script::changing("x").then(sh(&words)).then(sh("sleep 1"));
    cluster.trouble([Trouble::CutAfter("touch")]);
    let why = in_doubt(kube.run(&host("n1"), &script).await.unwrap_err());
    assert!(why.starts_with("connection lost: "), "{why}");
    cluster.until(|scene| scene.now == 0).await;
    assert!(done.exists());

    cluster.trouble([Trouble::NoStatus]);
    let why = in_doubt(kube.run(&host("n1"), &script).await.unwrap_err());
    assert_eq!(why, "connection lost: it was closed before the command had ended");
    // The next one is not concerned.
    assert!(kube.run(&host("n1"), &script).await.is_ok());
}

/// A shell that sees only a part of a script does nothing of it.
#[tokio::test]
async fn a_script_that_is_cut_off_on_its_way_does_nothing() {
    let cluster = cluster().await;
    let kube = cluster.kube(Lookup::Label).await;
    let done = cluster.folder().join("done");
    let script = Script::reading()
        .then(sh(&format!("touch {}", done.display())))
        .then(Cmd::new(["cat"]).stdin(vec!["x".repeat(200_000)]));
    for size in [1, 300, 2000, 150_000] {
        cluster.trouble([Trouble::CutAt(size)]);
        let why = in_doubt(kube.run(&host("n1"), &script).await.unwrap_err());
        assert!(why.starts_with("connection lost"), "{why}");
        cluster.until(|scene| scene.now == 0).await;
        assert!(!done.exists(), "{size}");
    }
    assert!(kube.run(&host("n1"), &script).await.is_ok() && done.exists());
}

/// Nobody waits for the answer any more: what was begun goes on.
#[tokio::test]
async fn who_is_not_waited_for_goes_on() {
    let cluster = cluster().await;
    let kube = Arc::new(cluster.kube(Lookup::Label).await);
    let fifo = cluster.folder().join("fifo");
    let (begun, done) = (cluster.folder().join("begun"), cluster.folder().join("done"));
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let words =
        format!("touch {}; read x <{}; touch {}", begun.display(), fifo.display(), done.display());
    let script = Script::changing("x").then(sh(&words));
    let sender = kube.clone();
    let waiting = tokio::spawn(async move { sender.run(&host("n1"), &script).await });
    cluster.until(|_| begun.exists()).await;
    waiting.abort();
    assert!(waiting.await.is_err());
    tokio::fs::write(&fifo, "\n").await.unwrap();
    cluster.until(|scene| scene.now == 0 && done.exists()).await;
}

#[tokio::test]
async fn no_more_connections_than_allowed_and_nobody_is_turned_away() {
    let hosts = ["a", "b", "c", "d", "e", "f"];
    let cluster = Cluster::with_pods(&hosts).await.for_real();
    let kube = Arc::new(cluster.kube_with(|settings| settings.max_connections = Some(2)).await);
    cluster.hold();
    let send = |name: &'static str, script: Script| {
        let kube = kube.clone();
        tokio::spawn(async move { kube.run(&host(name), &script).await })
    };
    let all: Vec<_> = hosts.into_iter().map(|name| send(name, echo())).collect();
    cluster.until(|scene| scene.now == 2).await;
    // A probe has a connection of its own.
    let probe = send("f", health());
    cluster.until(|scene| scene.now == 3).await;
    cluster.let_through(hosts.len() + 1);
    for one in all.into_iter().chain([probe]) {
        let ran: Vec<Ran> = one.await.unwrap().unwrap();
        assert_eq!(ran[0].stdout, "here\n");
    }
    assert_eq!(cluster.scene().most, 3);
    assert_eq!(cluster.scene().execs.len(), hosts.len() + 1);
}
