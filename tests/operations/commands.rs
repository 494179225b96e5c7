//! What nodes are told: Heketi's names and flags, to the word (storage.md 1.3 to 1.7), since nodes
//! that Heketi formatted are ours, and ours are Heketi's.
use crate::harness::TestApp;
use async_trait::async_trait;
use brickyard::{
    domain::Hostname,
    node::{
        Cmd,
        sim::{Fault, Faults},
    },
};
use serde_json::json;
use std::sync::{Arc, Mutex};

/// Every command, as it came.
#[derive(Default)]
struct Log(Mutex<Vec<String>>);

#[async_trait]
impl Faults for Log {
    async fn before(&self, _: &Hostname, cmd: &Cmd, _: bool) -> Option<Fault> {
        self.0.lock().unwrap().push(cmd.to_string());
        None
    }
    async fn after(&self, _: &Hostname, _: &Cmd, _: bool) -> Option<Fault> {
        None
    }
}

impl Log {
    /// The commands since the last look that do one of these things, without their full paths.
    fn take(&self, programs: &[&str]) -> Vec<String> {
        let all = std::mem::take(&mut *self.0.lock().unwrap());
        let bare = all.iter().map(|command| command.replace("/usr/sbin/lvm ", ""));
        let wanted = |c: &String| programs.contains(&c.split(' ').next().unwrap_or_default());
        bare.filter(wanted).collect()
    }
}

#[tokio::test]
async fn bricks_are_made_and_destroyed_as_heketi_does() {
    let app = TestApp::start().await;
    let log = Arc::new(Log::default());
    app.sim.set_faults(Some(log.clone()));
    let cluster = app.add_cluster().await;
    let node = app.add_node(&cluster, 0, 1).await;
    let device = app.add_device(&node, "/dev/sdb").await;
    let group = format!("vg_{device}");
    assert_eq!(
        log.take(&["pvcreate", "vgcreate"]),
        [
            "pvcreate -qq --metadatasize=128M --dataalignment=256K /dev/sdb".to_owned(),
            format!("vgcreate -qq --physicalextentsize=4M --autobackup=n {group} /dev/sdb"),
        ]
    );

    let wanted = json!({"size": 10, "name": "v", "durability": {"type": "none"}, "gid": 2000,
        "glustervolumeoptions": ["performance.cache-size 1GB"]});
    let volume = app.create_volume(wanted).await;
    let id = volume["bricks"][0]["id"].as_str().unwrap().to_owned();
    let (brick, pool) = (format!("brick_{id}"), format!("tp_{id}"));
    let mount = format!("/var/lib/heketi/mounts/{group}/{brick}");
    let block = format!("/dev/mapper/{group}-{brick}");
    let programs = ["lvcreate", "mkfs.xfs", "mount", "mkdir", "chown", "chmod"];
    assert_eq!(
        log.take(&programs),
        [
            format!("mkdir -p {mount}"),
            format!(
                "lvcreate -qq --autobackup=n --poolmetadatasize 53248K --chunksize 256K \
                 --size 10485760K --thin {group}/{pool} --virtualsize 10485760K --name {brick}"
            ),
            format!("mkfs.xfs -i size=512 -n size=8192 {block}"),
            format!("mount -o rw,inode64,noatime,nouuid {block} {mount}"),
            format!("mkdir -p {mount}/brick"),
            format!("chown :2000 {mount}/brick"),
            format!("chmod 2775 {mount}/brick"),
        ]
    );
    assert_eq!(volume["bricks"][0]["path"], format!("{mount}/brick"));
    let line = format!("{block} {mount} xfs rw,inode64,noatime,nouuid 1 2");
    assert_eq!(app.sim.world().nodes["n0.example.com"].fstab, [line]);

    assert_eq!(app.client.finish(app.client.delete(&volume_path(&volume)).await).await.status, 204);
    let programs = ["umount", "lvremove", "rmdir"];
    assert_eq!(
        log.take(&programs),
        [
            format!("umount {mount}"),
            // Heketi's last command.
            format!("rmdir {mount}"),
            format!("lvremove --autobackup=n -f {group}/{brick}"),
            format!("lvremove --autobackup=n -f {group}/{pool}"),
        ]
    );
}

fn volume_path(volume: &serde_json::Value) -> String {
    format!("/volumes/{}", volume["id"].as_str().unwrap())
}
