//! What the API server, a kubelet or a runtime says instead: nothing was begun, and a person is told
//! what to do.
use super::{
    cluster::{Cluster, Trouble, kube_at},
    echo, host, unreachable,
};
use brickyard::node::{NodeError, Remote, kube::Lookup};
use serde_json::json;
use std::{net::TcpListener, time::Duration};

async fn why(cluster: &Cluster, troubles: Vec<Trouble>) -> String {
    cluster.trouble(troubles);
    let kube = cluster.kube(Lookup::Label).await;
    let error = kube.run(&host("n1"), &echo()).await.unwrap_err();
    assert!(cluster.scene().troubles.is_empty(), "all of it was met");
    unreachable(error)
}
fn refuse(exec: bool, status: u16, message: &'static str) -> Trouble {
    Trouble::Refuse { exec, status, message }
}

#[tokio::test]
async fn a_missing_right_is_named() {
    let cluster = Cluster::with_pods(&["n1"]).await.for_real();
    let forbidden = "pods is forbidden: User \"heketi\" cannot list";
    let lookup = why(&cluster, vec![refuse(false, 403, forbidden)]).await;
    for words in ["403", forbidden, "the right to list pods in the namespace storage is missing"] {
        assert!(lookup.contains(words), "{lookup}");
    }
    let exec = why(&cluster, vec![refuse(true, 403, "pods \"x\" is forbidden")]).await;
    for words in ["403", "is forbidden", "get and create pods/exec in the namespace storage"] {
        assert!(exec.contains(words), "{exec}");
    }
    let kube = cluster.kube(Lookup::Name).await;
    cluster.trouble([refuse(false, 403, forbidden)]);
    let name = unreachable(kube.run(&host("n1"), &echo()).await.unwrap_err());
    assert!(name.contains("the right to get pods"), "{name}");
    let token = why(&cluster, vec![refuse(false, 401, "Unauthorized")]).await;
    assert!(token.contains("does not take our token"), "{token}");
    assert!(cluster.scene().execs.is_empty());
}

#[tokio::test]
async fn who_has_too_much_to_do_is_asked_again() {
    let cluster = Cluster::with_pods(&["n1"]).await.for_real();
    let busy = |exec| refuse(exec, 429, "Too many requests, please try again later.");
    cluster.trouble([busy(false), busy(true)]);
    let kube = cluster.kube(Lookup::Label).await;
    assert!(kube.run(&host("n1"), &echo()).await.is_ok());
    let always = why(&cluster, vec![busy(false); 4]).await;
    assert!(always.contains("429") && always.contains("Too many requests"), "{always}");
}

#[tokio::test]
async fn errors_of_the_api_server() {
    let cluster = Cluster::with_pods(&["n1"]).await.for_real();
    let lookup = why(&cluster, vec![refuse(false, 500, "etcdserver: no leader")]).await;
    assert_eq!(lookup, "the API server answered 500: etcdserver: no leader");
    let dial = "error dialing backend: dial tcp 10.0.0.1:10250: connect: connection refused";
    let exec = why(&cluster, vec![refuse(true, 500, dial)]).await;
    let place = "container glusterfs of pod glusterfs-n1";
    assert_eq!(exec, format!("{place}: the API server answered 500: {dial}"));
}

/// Newer API servers accept an exec before they ask a kubelet: there was no shell all the same.
#[tokio::test]
async fn what_fails_after_it_was_accepted_and_before_there_is_a_shell() {
    let cluster = Cluster::with_pods(&["n1"]).await.for_real();
    let internal = json!({"metadata": {}, "status": "Failure", "reason": "InternalError",
        "message": "error dialing backend: dial tcp 10.0.0.1:10250: i/o timeout", "code": 500});
    let dial = why(&cluster, vec![Trouble::Status(internal)]).await;
    assert!(dial.contains("10.0.0.1:10250: i/o timeout"), "{dial}");
    let cut = why(&cluster, vec![Trouble::Cut]).await;
    assert!(cut.contains("connection lost"), "{cut}");

    let ended = json!({"metadata": {}, "status": "Failure", "reason": "NonZeroExitCode",
        "message": "command terminated with non-zero exit code",
        "details": {"causes": [{"reason": "ExitCode", "message": "127"}]}});
    cluster.trouble([Trouble::Status(ended)]);
    let kube = cluster.kube(Lookup::Label).await;
    match kube.run(&host("n1"), &echo()).await.unwrap_err() {
        NodeError::Failed { status, command, stderr, .. } => {
            let all = (status, command.as_str(), stderr.as_str());
            assert_eq!(all, (127, "/bin/sh", "words on the way"));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_shell_that_is_never_ready_is_not_waited_for() {
    let cluster = Cluster::with_pods(&["n1"]).await.for_real();
    let soon = Duration::from_millis(200);
    let kube = cluster.kube_with(|settings| settings.connect_timeout = soon).await;
    cluster.trouble([Trouble::Silence]);
    let why = unreachable(kube.run(&host("n1"), &echo()).await.unwrap_err());
    assert!(why.ends_with("no shell was ready within 0.2 s"), "{why}");
    // Its connection has ended as well.
    cluster.until(|scene| scene.now == 0).await;
}

#[tokio::test]
async fn nobody_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let kube = kube_at(&format!("http://{free}"), folder.path(), |_| {}).await;
    let why = unreachable(kube.run(&host("n1"), &echo()).await.unwrap_err());
    assert!(why.contains("refused"), "{why}");
    let why = unreachable(kube.reach(&host("n1")).await.unwrap_err());
    assert!(why.contains("refused"), "{why}");

    // Somebody takes the connection and says nothing.
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", mute.local_addr().unwrap());
    let soon = Duration::from_millis(200);
    let kube = kube_at(&address, folder.path(), |settings| settings.connect_timeout = soon).await;
    let why = unreachable(kube.run(&host("n1"), &echo()).await.unwrap_err());
    assert_eq!(why, "the API server has not answered within 0.2 s");
}
