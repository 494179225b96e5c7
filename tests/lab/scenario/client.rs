//! A client that writes to a mounted volume all the time.
use super::node::Node;

/// Writes files to a mounted volume all the time, remembers their sums elsewhere, and reads what it
/// has written before.
pub struct Client {
    pub volume: String,
    node: Node,
}

impl Client {
    /// Mounts the volume in this node; it asks the others when that does not answer.
    pub fn start(node: Node, volume: &str, others: &[Node]) -> Self {
        let storage = |node: &Node| format!("192.168.77.1{}", node.0);
        let others: Vec<_> = others.iter().map(storage).collect();
        let script = format!(
            "rm -rf /tmp/{volume}; mkdir -p /tmp/{volume} /mnt/{volume}\n\
             mount -t glusterfs -o backup-volfile-servers={} {}:/{volume} /mnt/{volume} || exit 1\n\
             mountpoint -q /mnt/{volume} || exit 1\n\
             cat > /tmp/{volume}/work <<'END'\n\
             i=0\n\
             while [ ! -e /tmp/{volume}/stop ]; do\n\
               i=$((i + 1))\n\
               head -c 65536 /dev/urandom > /tmp/{volume}/new\n\
               sum=$(sha256sum < /tmp/{volume}/new)\n\
               cp /tmp/{volume}/new /mnt/{volume}/f$i || echo \"f$i not written\" >> /tmp/{volume}/bad\n\
               echo \"${{sum%% *}}  f$i\" >> /tmp/{volume}/sums\n\
               old=$(sed -n \"$((i / 2 + 1))p\" /tmp/{volume}/sums)\n\
               cd /mnt/{volume} && echo \"$old\" | sha256sum --status -c || echo \"$old not read\" >> /tmp/{volume}/bad\n\
               sleep 0.2\n\
             done\n\
             touch /tmp/{volume}/stopped\n\
             END\n\
             setsid nohup sh /tmp/{volume}/work > /tmp/{volume}/log 2>&1 < /dev/null &",
            others.join(":"),
            storage(&node),
        );
        node.run(&script);
        Self { volume: volume.to_owned(), node }
    }

    /// Everything that was ever written can be read, and always could; how many files that are.
    pub fn check(&self) -> usize {
        let (volume, node) = (&self.volume, self.node);
        let bad = node.run(&format!("cat /tmp/{volume}/bad 2>/dev/null || true"));
        assert_eq!(bad, "", "{volume}: {}", node.run(&format!("tail /tmp/{volume}/log")));
        let written = node.run(&format!("wc -l < /tmp/{volume}/sums"));
        let verify = format!(
            "head -n {written} /tmp/{volume}/sums > /tmp/{volume}/known && \
             mountpoint -q /mnt/{volume} && cd /mnt/{volume} && \
             sha256sum --quiet -c /tmp/{volume}/known && echo all"
        );
        assert_eq!(node.run(&verify), "all", "{volume}");
        written.parse().unwrap()
    }

    /// Stops and unmounts; everything is as it was written to the end.
    pub fn end(self) {
        let (volume, node) = (&self.volume, self.node);
        node.run(&format!(
            "touch /tmp/{volume}/stop; \
             for i in $(seq 600); do [ -e /tmp/{volume}/stopped ] && exit; sleep 0.2; done; \
             echo 'the client of {volume} did not stop in two minutes' >&2; exit 1"
        ));
        self.check();
        node.run(&format!("umount /mnt/{volume} && rmdir /mnt/{volume} && rm -r /tmp/{volume}"));
    }
}
