//! What the server's log says of the commands that it gave to nodes.
use super::node::Node;
use std::time::Duration;

pub struct Ran {
    host: String,
    /// As a shell takes it.
    pub script: String,
    pub elapsed: Duration,
}

impl Ran {
    pub fn node(&self) -> Node {
        Node(self.host.strip_prefix("127.0.0.1").unwrap().parse().unwrap())
    }
    pub fn is(&self, words: &str) -> bool {
        self.script.contains(words)
    }
}

/// All of them, in the order of their ends.
pub fn all(log: &str) -> Vec<Ran> {
    let lines = log.lines().filter_map(|line| line.split_once(" ran on node host="));
    let ran = |(_, line): (&str, &str)| {
        let (host, rest) = line.split_once(" script=")?;
        let (script, elapsed) = rest.rsplit_once(" elapsed_ms=")?;
        let elapsed = Duration::from_millis(elapsed.trim().parse().ok()?);
        Some(Ran { host: host.to_owned(), script: script.to_owned(), elapsed })
    };
    lines.filter_map(ran).collect()
}
