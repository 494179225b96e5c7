//! A large estate, written straight into the database: what would take hours through the API.
use sqlx::{Connection, Executor, SqliteConnection, sqlite::SqliteConnectOptions};
use std::path::Path;

/// How much of everything.
#[derive(Clone, Copy, Debug)]
pub struct Many {
    pub clusters: u32,
    /// In each cluster.
    pub nodes: u32,
    /// On each node.
    pub devices: u32,
    /// In each cluster, with three bricks each; every hundredth is being created.
    pub volumes: u32,
    /// Not at rest.
    pub operations: u32,
}

impl Many {
    /// Adds it to a database that a server has made; the server may run.
    pub async fn write(self, database: &Path) {
        let options = SqliteConnectOptions::new().filename(database);
        let mut db = SqliteConnection::connect_with(&options).await.unwrap();
        for part in STATEMENTS {
            let mut text = (*part).to_owned();
            for (name, number) in [
                ("CLUSTERS", self.clusters),
                ("NODES", self.nodes),
                ("DEVICES", self.devices),
                ("VOLUMES", self.volumes),
                ("OPERATIONS", self.operations),
            ] {
                text = text.replace(name, &number.to_string());
            }
            db.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(text))).await.unwrap();
        }
        db.close().await.unwrap();
    }
}

/// Ids say what they belong to: a letter for the kind, then cluster, node or volume, and number.
/// `n(x)` counts from 0.
const STATEMENTS: [&str; 8] = [
    "INSERT INTO clusters (id, file, block)
       WITH RECURSIVE c(x) AS (SELECT 0 UNION ALL SELECT x + 1 FROM c WHERE x + 1 < CLUSTERS)
       SELECT printf('c%031x', x), 1, 1 FROM c",
    "INSERT INTO nodes (id, cluster, zone, state)
       WITH RECURSIVE n(x) AS (SELECT 0 UNION ALL SELECT x + 1 FROM n WHERE x + 1 < CLUSTERS * NODES)
       SELECT printf('a%031x', x), printf('c%031x', x / NODES), 1 + x % 3, 'online' FROM n",
    "INSERT INTO node_hostnames (node, kind, position, name)
       SELECT id, 'manage', 0, 'm' || rowid FROM nodes WHERE id LIKE 'a000000000000000000000%'
       UNION ALL
       SELECT id, 'storage', 0, 's' || rowid FROM nodes WHERE id LIKE 'a000000000000000000000%'",
    "INSERT INTO devices (id, node, name, state, total_kib, used_kib, extent_kib, pv_uuid, paths)
       WITH RECURSIVE d(x) AS
         (SELECT 0 UNION ALL SELECT x + 1 FROM d WHERE x + 1 < CLUSTERS * NODES * DEVICES)
       SELECT printf('d%031x', x), printf('a%031x', x / DEVICES), '/dev/sd' || x, 'online',
         1000 + x, x % 1000, 4096, 'uuid-' || x, '[]' FROM d",
    "INSERT INTO operations (id, kind, params, state, created_at)
       WITH RECURSIVE o(x) AS (SELECT 0 UNION ALL SELECT x + 1 FROM o WHERE x + 1 < OPERATIONS)
       SELECT printf('0%031x', x), 'create-volume', '{\"kind\":\"of a later version\"}',
         iif(x % 2, 'stuck', 'running'), 0 FROM o",
    "INSERT INTO volumes (id, cluster, name, size_gib, durability, replica, disperse_data,
         disperse_redundancy, gid, snapshot_enabled, snapshot_factor, block, options, clusters,
         pending_op)
       WITH RECURSIVE v(x) AS
         (SELECT 0 UNION ALL SELECT x + 1 FROM v WHERE x + 1 < CLUSTERS * VOLUMES)
       SELECT printf('e%031x', x), printf('c%031x', x / VOLUMES), 'volume ' || x, 10, 'replicate',
         3, 0, 0, 0, 0, 1.0, 0, '[\"performance.readdir-ahead off\"]', '[]',
         iif(x % 100 = 99, printf('0%031x', 0), NULL) FROM v",
    "INSERT INTO bricks (id, volume, device, path, size_kib, pool_kib, metadata_kib, part,
         set_index, position, pending_op)
       WITH RECURSIVE b(x) AS
         (SELECT 0 UNION ALL SELECT x + 1 FROM b WHERE x + 1 < CLUSTERS * VOLUMES * 3)
       SELECT printf('b%031x', x), printf('e%031x', x / 3),
         printf('d%031x', (x / 3 / VOLUMES) * NODES * DEVICES + x % (NODES * DEVICES)),
         '/var/lib/heketi/mounts/vg/brick', 10485760, 10485760, 53248, 'data', 0, x % 3,
         iif(x / 3 % 100 = 99, printf('0%031x', 0), NULL) FROM b",
    "ANALYZE",
];
