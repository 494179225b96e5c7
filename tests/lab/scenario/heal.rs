//! Waiting until volumes are whole again.
use super::node::Node;
use std::{
    thread,
    time::{Duration, Instant},
};

/// Self-heal daemons look every ten minutes, and at once when a brick is replaced.
const HEALING: Duration = Duration::from_mins(20);

/// Waits until every brick of every volume is there and nothing is left to be healed.
pub fn whole(node: Node, volumes: &[&str]) {
    let started = Instant::now();
    for volume in volumes {
        for look in 1.. {
            // gluster itself looks for what it has missed only every ten minutes.
            if look % 12 == 0 {
                node.run(&format!("gluster --mode=script volume heal {volume} || true"));
            }
            let info = node.run(&format!("gluster --mode=script volume heal {volume} info"));
            let mut counts = info.lines().filter_map(|l| l.strip_prefix("Number of entries: "));
            if counts.clone().count() > 0 && counts.all(|count| count == "0") {
                break;
            }
            assert!(started.elapsed() < HEALING, "{volume} is not healed:\n{info}");
            thread::sleep(Duration::from_secs(5));
        }
    }
    println!("healed: {} s", started.elapsed().as_secs());
}
