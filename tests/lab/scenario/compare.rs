//! Compares every node with the database: neither may know of anything alone.
use super::{database::Database, node::Node, rest::at_rest};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};
use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

/// Prints what a node has.
const FACTS: &str = include_str!("facts.sh");
const MOUNTS: &str = "/var/lib/heketi/mounts";
/// glusterd starts and ends brick processes in its own time.
const PROCESSES: Duration = Duration::from_mins(2);

/// What only one side has, one line each; nothing when everything is at rest and agrees.
pub fn differences(database: &Database, nodes: &[Node]) -> Vec<String> {
    let limit = Instant::now() + PROCESSES;
    loop {
        let found = differences_now(database, nodes);
        let late = |line: &String| line.contains(" process ");
        if found.is_empty() || !found.iter().all(late) || Instant::now() > limit {
            return found;
        }
        thread::sleep(Duration::from_secs(2));
    }
}

fn differences_now(database: &Database, nodes: &[Node]) -> Vec<String> {
    let mut found = vec![];
    let (mut wanted, unordered) = database.ask(async |db| {
        found.extend(at_rest(db).await.err().map(|what| format!("database: {what}")));
        (wanted(db).await, unordered(db).await)
    });
    let facts: Vec<(Node, String)> = thread::scope(|scope| {
        let ask = |&node: &Node| scope.spawn(move || (node, node.run(FACTS)));
        let asked: Vec<_> = nodes.iter().map(ask).collect();
        asked.into_iter().map(|answer| answer.join().unwrap()).collect()
    });
    for (node, text) in facts {
        let text = text.strip_suffix("done").unwrap_or_else(|| panic!("cut off: {text}"));
        let of_database = wanted.remove(&node.manage()).unwrap_or_default();
        found.extend(compared(&node.manage(), text, &of_database, &unordered));
    }
    found.extend(wanted.into_keys().map(|host| format!("{host} is only in the database")));
    found
}

/// Counted, since what is there twice is wrong as well.
fn compared(host: &str, facts: &str, wanted: &[String], unordered: &[String]) -> Vec<String> {
    let told = |line: &str| {
        let any = unordered.iter().any(|name| line.starts_with(&format!("volume {name}: ")));
        if any { in_any_order(line) } else { line.to_owned() }
    };
    let facts: Vec<String> = facts.lines().map(told).collect();
    let wanted: Vec<String> = wanted.iter().map(|line| told(line)).collect();
    let mut count = BTreeMap::<&str, i32>::new();
    // A device's folder may wait for its next brick, but not outlive the device.
    let group = |line: &str| wanted.iter().any(|w| w.starts_with(&format!("group {line}:")));
    let folder =
        |line: &str| line.strip_prefix(&format!("mount point {MOUNTS}/")).is_some_and(group);
    for line in facts.iter().filter(|line| !line.is_empty() && !folder(line)) {
        *count.entry(line).or_default() += 1;
    }
    for line in &wanted {
        *count.entry(line).or_default() -= 1;
    }
    let told = |(line, n): (&str, i32)| match n {
        0 => None,
        1.. => Some(format!("{host}: only the node has {line}")),
        _ => Some(format!("{host}: only the database has {line}")),
    };
    count.into_iter().filter_map(told).collect()
}

/// A volume's line with its bricks, which come last, by their names.
fn in_any_order(line: &str) -> String {
    let (head, bricks) = line.rsplit_once(", ").unwrap_or((line, ""));
    let bricks = bricks.replace(" (", "(");
    let mut bricks: Vec<_> = bricks.split(' ').collect();
    bricks.sort_unstable();
    format!("{head}, {}", bricks.join(" "))
}

fn texts<const N: usize>(row: &SqliteRow, names: [&str; N]) -> [String; N] {
    names.map(|name| row.get(name))
}

async fn rows(db: &mut SqliteConnection, question: &'static str) -> Vec<SqliteRow> {
    sqlx::query(question).fetch_all(db).await.unwrap()
}

/// Names of volumes of which only gluster knows the order of the bricks.
async fn unordered(db: &mut SqliteConnection) -> Vec<String> {
    let unordered = "SELECT name FROM volumes WHERE id IN \
         (SELECT volume FROM bricks WHERE set_index < 0 OR position < 0)";
    sqlx::query_scalar(unordered).fetch_all(db).await.unwrap()
}

/// What each node should print, by its management name.
async fn wanted(db: &mut SqliteConnection) -> BTreeMap<String, Vec<String>> {
    let mut all = BTreeMap::<String, Vec<String>>::new();
    let devices = "SELECT m.name AS host, d.id, d.total_kib, d.used_kib FROM devices d \
         JOIN node_hostnames m ON m.node = d.node AND m.kind = 'manage' AND m.position = 0";
    for row in rows(db, devices).await {
        let [host, id] = texts(&row, ["host", "id"]);
        let (total, used): (i64, i64) = (row.get("total_kib"), row.get("used_kib"));
        all.entry(host).or_default().push(format!("group vg_{id}: {total} KiB, {used} used"));
    }
    // LVM rounds a volume's size up to whole extents.
    let mut pools = BTreeMap::<(String, String), (i64, i64)>::new();
    let bricks = "SELECT m.name AS host, b.device, b.path, b.pool_kib, b.metadata_kib, \
         b.lv IS NOT NULL AS cloned, coalesce(b.lv, 'brick_' || b.id) AS lv, \
         coalesce(b.pool, 'tp_' || b.id) AS pool, \
         (b.size_kib + d.extent_kib - 1) / d.extent_kib * d.extent_kib AS size_kib \
         FROM bricks b JOIN devices d ON d.id = b.device \
         JOIN node_hostnames m ON m.node = d.node AND m.kind = 'manage' AND m.position = 0";
    for row in rows(db, bricks).await {
        let [host, device, path] = texts(&row, ["host", "device", "path"]);
        let [lv, pool] = texts(&row, ["lv", "pool"]);
        let kib = |column: &str| row.get::<i64, _>(column);
        let (size, group) = (kib("size_kib"), format!("vg_{device}"));
        let block = format!("/dev/mapper/{group}-{lv}");
        let point = path.trim_end_matches("/brick");
        let lines = all.entry(host.clone()).or_default();
        lines.extend([
            format!("lv {group}/{lv}: {size} KiB of {pool}"),
            format!("mount {block} {point} xfs"),
            format!("directory {path}"),
            format!("process {path}"),
        ]);
        // gluster mounts its clones by itself.
        if !row.get::<bool, _>("cloned") {
            lines.extend([
                format!("fstab {block} {MOUNTS}/{group}/{lv} xfs rw,inode64,noatime,nouuid 1 2"),
                format!("mount point {point}"),
            ]);
        }
        let sizes = pools.entry((host, format!("{group}/{pool}"))).or_default();
        *sizes = (sizes.0 + kib("pool_kib"), sizes.1 + kib("metadata_kib"));
    }
    for ((host, pool), (data, metadata)) in pools {
        all.entry(host).or_default().push(format!("pool {pool}: {data} + {metadata} KiB"));
    }
    let volumes = volumes(db).await;
    for lines in all.values_mut() {
        lines.extend(volumes.iter().cloned());
    }
    all
}

/// What `gluster volume info` should say on every node, bricks in their order.
async fn volumes(db: &mut SqliteConnection) -> Vec<String> {
    let volumes = "SELECT id, name, durability, replica, disperse_data AS data, \
         disperse_redundancy AS redundancy, EXISTS (SELECT 1 FROM bricks b \
         WHERE b.volume = volumes.id AND b.part = 'arbiter') AS arbiter FROM volumes";
    let mut all = vec![];
    for row in rows(db, volumes).await {
        let [id, name, durability] = texts(&row, ["id", "name", "durability"]);
        let bricks = "SELECT s.name || ':' || b.path || iif(b.part = 'arbiter', ' (arbiter)', '') \
             FROM bricks b JOIN devices d ON d.id = b.device \
             JOIN node_hostnames s ON s.node = d.node AND s.kind = 'storage' AND s.position = 0 \
             WHERE b.volume = ? ORDER BY b.set_index, b.position";
        let bricks: Vec<String> =
            sqlx::query_scalar(bricks).bind(&id).fetch_all(&mut *db).await.unwrap();
        let number = |column: &str| usize::try_from(row.get::<i64, _>(column)).unwrap();
        let (kind, width, set) = match durability.as_str() {
            "none" => ("Distribute", 1, "1".to_owned()),
            "replicate" if number("arbiter") == 1 => ("Replicate", 3, "(2 + 1)".to_owned()),
            "replicate" => ("Replicate", number("replica"), number("replica").to_string()),
            _ => {
                let (data, redundancy) = (number("data"), number("redundancy"));
                ("Disperse", data + redundancy, format!("({data} + {redundancy})"))
            }
        };
        let (sets, count) = (bricks.len() / width, bricks.len());
        let spread = if sets > 1 && width > 1 { "Distributed-" } else { "" };
        let number =
            if width == 1 { count.to_string() } else { format!("{sets} x {set} = {count}") };
        let bricks = bricks.join(" ");
        all.push(format!("volume {name}: {spread}{kind}, Started, {number}, id {id}, {bricks}"));
    }
    all
}
