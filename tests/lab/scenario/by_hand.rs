//! What people do on nodes, and to files, without telling anybody.
use super::node::Node;
use sqlx::{ConnectOptions, Connection, sqlite::SqliteConnectOptions};
use std::path::Path;

const FSTAB: &str = "/var/lib/heketi/fstab";

/// A brick of a volume on a node.
pub struct Brick {
    node: Node,
    pub id: String,
    group: String,
    point: String,
}

impl Brick {
    /// The only one that the volume has on the node, as gluster says.
    pub fn of(node: Node, volume: &str) -> Self {
        let info = node.run(&format!("gluster --mode=script volume info {volume}"));
        let here = format!(": 192.168.77.1{}:", node.0);
        let path = info.lines().find_map(|line| line.split_once(&here)).unwrap().1;
        let path = path.split_whitespace().next().unwrap();
        let point = path.strip_suffix("/brick").unwrap();
        let mut parts = point.rsplit('/');
        let id = parts.next().unwrap().strip_prefix("brick_").unwrap().to_owned();
        let group = parts.next().unwrap().to_owned();
        Self { node, id, group, point: point.to_owned() }
    }

    pub fn forget_line(&self) {
        self.node.run(&format!("sed -i /brick_{}/d {FSTAB}", self.id));
    }
    /// Its process would keep it.
    pub fn unmount(&self) {
        let Self { point, .. } = self;
        self.node.run(&format!(
            "pid=$(pgrep -x -a glusterfsd | grep -F -- '--brick-name {point}/brick' | cut -d' ' -f1)\n\
             kill -9 $pid; while kill -0 $pid 2>/dev/null; do sleep 0.1; done; umount {point}"
        ));
    }
    pub fn remove_logical_volume(&self) {
        self.node.run(&format!("lvremove -qq -f {}/brick_{}", self.group, self.id));
    }

    /// One like its own, of this id, on the same device, for nobody.
    pub fn make_logical_volume(&self, id: &str) {
        let Self { group, id: own, .. } = self;
        self.node.run(&format!(
            "kib() {{ lvs --noheadings --nosuffix --units k -o $1 {group}/$2 | tr -d ' ' | cut -d. -f1; }}\n\
             lvcreate -qq --poolmetadatasize $(kib lv_metadata_size tp_{own})K --chunksize 256K \
             --size $(kib lv_size tp_{own})K --thin {group}/tp_{id} \
             --virtualsize $(kib lv_size brick_{own})K --name brick_{id}"
        ));
    }
    /// Another brick, made as ours are made, takes its place; of the old one everything stays.
    pub fn replace(&self, volume: &str, id: &str) {
        self.make_logical_volume(id);
        let Self { node, group, point, .. } = self;
        let new = format!("{}/brick_{id}", point.rsplit_once('/').unwrap().0);
        let (device, host) =
            (format!("/dev/mapper/{group}-brick_{id}"), format!("192.168.77.1{}", node.0));
        node.run(&format!(
            "set -e\n\
             mkfs.xfs -q -i size=512 -n size=8192 {device}\n\
             mkdir -p {new}\n\
             echo '{device} {new} xfs rw,inode64,noatime,nouuid 1 2' >> {FSTAB}\n\
             mount -o rw,inode64,noatime,nouuid {device} {new}\n\
             mkdir {new}/brick\n\
             gluster --mode=script volume replace-brick {volume} {host}:{point}/brick {host}:{new}/brick commit force"
        ));
    }
}

/// Changes the database of a server that does not run.
pub async fn change(file: &Path, sql: &'static str) {
    let mut db = SqliteConnectOptions::new().filename(file).connect().await.unwrap();
    assert_eq!(sqlx::query(sql).execute(&mut db).await.unwrap().rows_affected(), 1);
    db.close().await.unwrap();
}

/// Removes the database, with what SQLite has laid beside it.
pub fn remove_database(file: &Path) {
    std::fs::remove_file(file).unwrap();
    for more in ["-wal", "-shm"] {
        let mut name = file.as_os_str().to_owned();
        name.push(more);
        drop(std::fs::remove_file(name));
    }
}
