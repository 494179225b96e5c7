//! Commands in gluster pods, over an exec endpoint that speaks the protocol of Kubernetes.
mod cluster;
mod pods;
mod real;
mod refusals;
mod scripts;
mod volumes;

use brickyard::{
    domain::Hostname,
    node::{Cmd, Lane, NodeError, Script},
};

fn host(name: &str) -> Hostname {
    name.parse().unwrap()
}
fn sh(text: &str) -> Cmd {
    Cmd::new(["sh", "-c", text])
}
fn echo() -> Script {
    Script::reading().then(Cmd::new(["echo", "here"]))
}
fn health() -> Script {
    echo().lane(Lane::Health)
}
/// Nothing was started: the words.
fn unreachable(error: NodeError) -> String {
    match error {
        NodeError::Unreachable { why, .. } => why,
        other => panic!("{other:?}"),
    }
}
fn in_doubt(error: NodeError) -> String {
    match error {
        NodeError::InDoubt { why, .. } => why,
        other => panic!("{other:?}"),
    }
}
