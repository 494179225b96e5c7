//! Compares the simulated nodes with the database: neither may know of anything alone.
use super::rest::at_rest;
use brickyard::node::sim::world::{Node, World};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
};

const MOUNTS: &str = "/var/lib/heketi/mounts";
const FSTAB_REST: &str = "xfs rw,inode64,noatime,nouuid 1 2";

/// Everything of ours on one node. Lists are sorted, and show what is there twice.
#[derive(Debug, Default, PartialEq, Eq)]
struct OnNode {
    /// Path, UUID, volume group.
    physical_volumes: BTreeSet<(String, String, Option<String>)>,
    /// Name, KiB.
    groups: BTreeSet<(String, i64)>,
    /// Group, name, KiB of data and metadata.
    pools: BTreeSet<(String, String, i64)>,
    /// Group, name, pool.
    volumes: BTreeSet<(String, String, String)>,
    /// Device node, directories.
    file_systems: BTreeSet<(String, Vec<String>)>,
    fstab: Vec<String>,
    mounts: BTreeSet<(String, String)>,
    mount_points: BTreeSet<String>,
}

/// A gluster volume: what follows the name in `volume create`, and what became of it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Volume {
    name: String,
    kind: String,
    bricks: Vec<String>,
    started: bool,
    id: Option<String>,
}

/// A block volume: where it lies, and how to get at it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Block {
    name: String,
    hosting: String,
    size: u64,
    hosts: Vec<String>,
    iqn: String,
    password: String,
}

fn texts<const N: usize>(row: &SqliteRow, names: [&str; N]) -> [String; N] {
    names.map(|name| row.get(name))
}

async fn rows(db: &mut SqliteConnection, question: &'static str) -> Vec<SqliteRow> {
    sqlx::query(question).fetch_all(db).await.unwrap()
}

/// State and error of the operation that was begun last.
pub async fn newest(db: &mut SqliteConnection) -> Option<(String, String)> {
    let newest = "SELECT state, coalesce(error, '') AS error FROM operations ORDER BY rowid DESC";
    let rows = sqlx::query(newest).fetch_optional(db).await.unwrap();
    rows.map(|row| (row.get("state"), row.get("error")))
}

/// Whether all is at rest and both sides agree; else what they differ in.
pub async fn check(db: &mut SqliteConnection, world: &World) -> Result<(), String> {
    at_rest(db).await?;
    let mut world = world.clone();
    let debris = "SELECT m.name AS host, coalesce(x.lv, 'brick_' || x.brick) AS lv, \
         coalesce(x.pool, 'tp_' || x.brick) AS pool, x.path FROM debris x \
         JOIN devices d ON d.id = x.device \
         JOIN node_hostnames m ON m.node = d.node AND m.kind = 'manage' AND m.position = 0";
    for row in rows(db, debris).await {
        let [host, lv, pool, path] = texts(&row, ["host", "lv", "pool", "path"]);
        if let Some(node) = world.nodes.get_mut(&host) {
            clear(node, &lv, &pool, path.trim_end_matches("/brick"));
        }
    }
    let world = &world;
    let mut wanted = on_nodes(db).await;
    for (host, node) in &world.nodes {
        same(host, &on_node(node), &wanted.remove(host).unwrap_or_default())?;
        directories(host, node)?;
    }
    for (host, unseen) in wanted {
        same(&host, &OnNode::default(), &unseen)?;
    }
    same("gluster's volumes", &gluster_volumes(world), &volumes(db).await)?;
    same("gluster-block's volumes", &block_volumes(world), &blocks(db).await)?;
    let have: BTreeSet<String> = world.peers.values().flatten().cloned().collect();
    same("gluster's peers", &have, &peers(db).await)
}

/// Debris may be there wholly, in part or not at all. A pool in which something else lies is none.
fn clear(node: &mut Node, lv: &str, pool: &str, mount_point: &str) {
    for group in node.groups.values_mut() {
        group.volumes.remove(lv);
        if group.volumes.values().all(|of| of != pool) {
            group.pools.remove(pool);
        }
    }
    node.file_systems.retain(|name, _| !name.ends_with(&format!("-{lv}")));
    node.fstab.retain(|line| !line.contains(&format!("-{lv} ")));
    node.mounts.remove(mount_point);
    node.directories.remove(mount_point);
}

fn same<T: PartialEq + Debug>(what: &str, nodes: &T, database: &T) -> Result<(), String> {
    if nodes == database {
        return Ok(());
    }
    let lines = |side: &T| format!("{side:#?}").lines().map(str::to_owned).collect::<Vec<_>>();
    let (nodes, database) = (lines(nodes), lines(database));
    let only = |these: &[String], those: &[String]| {
        let only: Vec<_> = these.iter().filter(|line| !those.contains(line)).cloned().collect();
        only.join("\n")
    };
    let (there, here) = (only(&nodes, &database), only(&database, &nodes));
    Err(format!("{what}: only the nodes have\n{there}\nonly the database has\n{here}"))
}

/// What the nodes should have, by the rows of devices and bricks.
async fn on_nodes(db: &mut SqliteConnection) -> BTreeMap<String, OnNode> {
    let mut all = BTreeMap::<String, OnNode>::new();
    let devices = "SELECT m.name AS host, d.id, d.name, d.pv_uuid, d.total_kib FROM devices d \
         JOIN node_hostnames m ON m.node = d.node AND m.kind = 'manage' AND m.position = 0";
    for row in rows(db, devices).await {
        let [host, id, name, uuid] = texts(&row, ["host", "id", "name", "pv_uuid"]);
        let node = all.entry(host).or_default();
        node.physical_volumes.insert((name, uuid, Some(format!("vg_{id}"))));
        node.groups.insert((format!("vg_{id}"), row.get("total_kib")));
    }
    let mut pools = BTreeMap::<(String, String, String), i64>::new();
    let bricks = "SELECT m.name AS host, b.id, b.device, b.path, b.pool_kib + b.metadata_kib AS kib, \
         b.lv IS NOT NULL AS cloned, coalesce(b.lv, 'brick_' || b.id) AS lv, \
         coalesce(b.pool, 'tp_' || b.id) AS pool FROM bricks b JOIN devices d ON d.id = b.device \
         JOIN node_hostnames m ON m.node = d.node AND m.kind = 'manage' AND m.position = 0";
    for row in rows(db, bricks).await {
        let [host, device, path] = texts(&row, ["host", "device", "path"]);
        let [lv, pool] = texts(&row, ["lv", "pool"]);
        let group = format!("vg_{device}");
        let block = format!("/dev/mapper/{group}-{lv}");
        let point = path.strip_suffix("/brick").unwrap().to_owned();
        let node = all.entry(host.clone()).or_default();
        *pools.entry((host, group.clone(), pool.clone())).or_default() += row.get::<i64, _>("kib");
        node.volumes.insert((group.clone(), lv.clone(), pool));
        node.file_systems.insert((block.clone(), vec!["/brick".into()]));
        node.mounts.insert((point.clone(), block.clone()));
        // gluster mounts its clones by itself.
        if !row.get::<bool, _>("cloned") {
            assert_eq!(point, format!("{MOUNTS}/{group}/{lv}"));
            node.fstab.push(format!("{block} {point} {FSTAB_REST}"));
            node.mount_points.insert(point);
        }
    }
    for ((host, group, pool), kib) in pools {
        all.entry(host).or_default().pools.insert((group, pool, kib));
    }
    for node in all.values_mut() {
        node.fstab.sort();
    }
    all
}

fn on_node(node: &Node) -> OnNode {
    let kib = |extents: u64, extent: u64| i64::try_from(extents * extent).unwrap();
    let mut on = OnNode::default();
    for (path, pv) in &node.pvs {
        on.physical_volumes.insert((path.clone(), pv.uuid.clone(), pv.group.clone()));
    }
    for (name, group) in &node.groups {
        on.groups.insert((name.clone(), kib(group.extents, group.extent.0)));
        for (pool, extents) in &group.pools {
            on.pools.insert((name.clone(), pool.clone(), kib(*extents, group.extent.0)));
        }
        for (volume, pool) in &group.volumes {
            on.volumes.insert((name.clone(), volume.clone(), pool.clone()));
        }
    }
    for (device, fs) in &node.file_systems {
        on.file_systems.insert((device.clone(), fs.directories.keys().cloned().collect()));
    }
    on.fstab.clone_from(&node.fstab);
    on.fstab.sort();
    on.mounts = node.mounts.clone().into_iter().collect();
    on.mount_points =
        node.directories.iter().filter(|path| path.contains("/brick_")).cloned().collect();
    on
}

/// A device's directory may wait for its next brick, but not outlive the device.
fn directories(host: &str, node: &Node) -> Result<(), String> {
    for path in node.directories.iter().filter(|path| !path.contains("/brick_")) {
        let group = path.strip_prefix(&format!("{MOUNTS}/")).unwrap_or(path);
        if !node.groups.contains_key(group) {
            return Err(format!("{host}: {path} is left of a device that is gone"));
        }
    }
    Ok(())
}

fn gluster_volumes(world: &World) -> Vec<Volume> {
    let mut all: Vec<_> = world
        .volumes
        .iter()
        .map(|v| Volume {
            name: v.name.clone(),
            kind: v.kind.join(" "),
            bricks: v.bricks.clone(),
            started: v.started,
            id: v.options.get("user.heketi.id").cloned(),
        })
        .collect();
    all.sort();
    all
}

/// What gluster should have, brick sets in their order.
async fn volumes(db: &mut SqliteConnection) -> Vec<Volume> {
    let volumes = "SELECT id, name, durability, replica, disperse_data AS data, \
         disperse_redundancy AS redundancy, EXISTS (SELECT 1 FROM bricks b \
         WHERE b.volume = volumes.id AND b.part = 'arbiter') AS arbiter FROM volumes ORDER BY name";
    let mut all = vec![];
    for row in rows(db, volumes).await {
        let [id, name, durability] = texts(&row, ["id", "name", "durability"]);
        let number = |column: &str| row.get::<i64, _>(column);
        let kind = match durability.as_str() {
            "none" => String::new(),
            "replicate" if number("arbiter") == 1 => "replica 3 arbiter 1".into(),
            "replicate" => format!("replica {}", number("replica")),
            _ => {
                format!("disperse-data {} redundancy {}", number("data"), number("redundancy"))
            }
        };
        let bricks = "SELECT s.name || ':' || b.path AS brick FROM bricks b \
             JOIN devices d ON d.id = b.device \
             JOIN node_hostnames s ON s.node = d.node AND s.kind = 'storage' AND s.position = 0 \
             WHERE b.volume = ? ORDER BY b.set_index, b.position";
        let bricks: Vec<String> =
            sqlx::query_scalar(bricks).bind(&id).fetch_all(&mut *db).await.unwrap();
        all.push(Volume { name, kind, bricks, started: true, id: Some(id) });
    }
    all
}

fn block_volumes(world: &World) -> Vec<Block> {
    let mut all: Vec<_> = world
        .block_volumes
        .iter()
        .map(|block| Block {
            name: block.name.clone(),
            hosting: block.hosting.clone(),
            size: block.size,
            hosts: block.hosts.clone(),
            iqn: format!("iqn.2016-12.org.gluster-block:{}", block.gbid),
            password: block.password.clone(),
        })
        .collect();
    all.sort();
    all
}

/// What gluster-block should have. A user name is told just when there is a password.
async fn blocks(db: &mut SqliteConnection) -> Vec<Block> {
    let blocks = "SELECT b.name, v.name AS hosting, b.size_gib, b.hosts, b.iqn, b.ha_count, \
         b.username, b.password, b.auth FROM block_volumes b JOIN volumes v ON v.id = b.hosting \
         ORDER BY b.name";
    let mut all = vec![];
    for row in rows(db, blocks).await {
        let [name, hosting, hosts] = texts(&row, ["name", "hosting", "hosts"]);
        let [iqn, username, password] = texts(&row, ["iqn", "username", "password"]);
        let hosts: Vec<String> = serde_json::from_str(&hosts).unwrap();
        assert_eq!(i64::try_from(hosts.len()).unwrap(), row.get::<i64, _>("ha_count"));
        let auth = row.get::<bool, _>("auth");
        assert_eq!((username.is_empty(), password.is_empty()), (!auth, !auth), "{name}");
        assert!(!auth || iqn.ends_with(&username), "{iqn} {username}");
        let size = u64::try_from(row.get::<i64, _>("size_gib")).unwrap();
        all.push(Block { name, hosting, size, hosts, iqn, password });
    }
    all
}

/// All nodes but the first of each pool, which had nobody to be introduced by: 10.0.<pool>.1.
async fn peers(db: &mut SqliteConnection) -> BTreeSet<String> {
    let names = "SELECT name FROM node_hostnames WHERE kind = 'storage' AND position = 0 \
         AND name NOT LIKE '10.0.%.1'";
    rows(db, names).await.iter().map(|row| row.get("name")).collect()
}
