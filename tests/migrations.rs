//! Each migration is applied to tables that are not empty, and what was in them is still there.
use sqlx::{Connection, Executor, Row, SqliteConnection, migrate::Migrator};

static ALL: Migrator = sqlx::migrate!();

const CLUSTER: &str = "00000000000000000000000000000001";

/// Rows to put in before migration number n + 1, for each n.
const SAMPLES: &[&str] = &[
    "",
    "INSERT INTO clusters (id, file, block) VALUES ('00000000000000000000000000000001', 1, 0);
     INSERT INTO nodes (id, cluster, zone, state) VALUES ('n', '00000000000000000000000000000001', 1, 'online');
     INSERT INTO node_hostnames (node, kind, position, name) VALUES ('n', 'manage', 0, 'm'), ('n', 'storage', 0, 's');
     INSERT INTO node_tags (node, name, value) VALUES ('n', 'rack', '1');
     INSERT INTO devices (id, node, name, state, total_kib, used_kib, extent_kib, pv_uuid, paths)
       VALUES ('d', 'n', '/dev/sdb', 'online', 100, 0, 4, '', '[]');
     INSERT INTO device_tags (device, name, value) VALUES ('d', 'tier', 'ssd');",
    "INSERT INTO volumes (id, cluster, name, size_gib, durability, replica, disperse_data,
       disperse_redundancy, gid, snapshot_enabled, snapshot_factor, block, options, clusters)
       VALUES ('v', '00000000000000000000000000000001', 'vol', 1, 'none', 0, 0, 0, 0, 0, 1.0, 0, '[]', '[]');
     INSERT INTO bricks (id, volume, device, path, size_kib, pool_kib, metadata_kib, part, set_index, position)
       VALUES ('b', 'v', 'd', '/x', 10, 10, 1, 'data', 0, 0);",
    "INSERT INTO operations (id, kind, params, state, created_at) VALUES ('o', 'x', '{}', 'running', 0);
     INSERT INTO operation_steps (operation, seq, stage, step, state, changed_at)
       VALUES ('o', 0, 0, '{}', 'planned', 0);
     INSERT INTO claims (resource, operation) VALUES ('volume/v', 'o');",
    "UPDATE operations SET state = 'stuck', tries = 2, retry_at = 7;",
    "INSERT INTO debris (brick, device, path, pool_kib, metadata_kib, why, since)
       VALUES ('x', 'd', '/x', 4, 4, 'away', 0);
     INSERT INTO moves (brick, replaces) VALUES ('y', 'b');
     INSERT INTO volumes (id, cluster, name, size_gib, durability, replica, disperse_data,
       disperse_redundancy, gid, snapshot_enabled, snapshot_factor, block, options, clusters)
       VALUES ('h', '00000000000000000000000000000001', 'hosting', 101, 'none', 0, 0, 0, 0, 0, 1.0, 1, '[]', '[]');",
    "INSERT INTO block_volumes (id, hosting, name, size_gib, usable_gib, held_gib, ha_count, auth,
       clusters, hosts, iqn, lun, username, password)
       VALUES ('k', 'h', 'blk', 5, 5, 5, 1, 0, '[]', '[]', '', 0, '', '');",
    "INSERT INTO attributes (key, value) VALUES ('A', 'yes');",
    "",
    "INSERT INTO bricks (id, volume, device, path, size_kib, pool_kib, metadata_kib, part, set_index, position, lv, pool)
       VALUES ('c', 'v', 'd', '/run/gluster/snaps/x/brick1/brick', 10, 0, 0, 'data', 0, 0, 'x_0', 'tp_b');",
    "",
];

#[tokio::test]
async fn every_migration_keeps_what_was_there() {
    let mut db = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    assert_eq!(ALL.iter().count() + 1, SAMPLES.len(), "a migration without sample rows");
    let mut tables = 0;
    for (number, sample) in SAMPLES.iter().enumerate() {
        if let Some(migration) = number.checked_sub(1).and_then(|n| ALL.iter().nth(n)) {
            db.execute(sqlx::raw_sql(migration.sql.clone())).await.unwrap();
        }
        db.execute(sqlx::raw_sql(*sample)).await.unwrap();
        tables = count(&mut db).await;
    }
    assert!(tables >= 10, "{tables}");
    let kept = sqlx::query("SELECT id FROM clusters").fetch_one(&mut db).await.unwrap();
    assert_eq!(kept.get::<String, _>(0), CLUSTER);
    // What was a hosting volume before anybody counted gets the figures it was shown with.
    let reserved: Vec<i64> =
        sqlx::query_scalar("SELECT block_reserved_gib FROM volumes ORDER BY id")
            .fetch_all(&mut db)
            .await
            .unwrap();
    assert_eq!(reserved, [3, 0], "of the hosting volume and of the other one");
    let broken = sqlx::query("PRAGMA foreign_key_check").fetch_all(&mut db).await.unwrap();
    assert!(broken.is_empty());
}

/// Every table of ours holds at least one row.
async fn count(db: &mut SqliteConnection) -> usize {
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
    )
    .fetch_all(&mut *db)
    .await
    .unwrap();
    for name in &names {
        let rows = sqlx::query(sqlx::AssertSqlSafe(format!("SELECT 1 FROM {name} LIMIT 1")))
            .fetch_all(&mut *db)
            .await
            .unwrap();
        assert_eq!(rows.len(), 1, "{name} has no sample row");
    }
    names.len()
}
