//! What must hold of any database at rest, on simulated nodes and on real ones.
use sqlx::SqliteConnection;

/// Nothing is under way, nothing is left of what was, and the space adds up.
pub async fn at_rest(db: &mut SqliteConnection) -> Result<(), String> {
    let questions = [
        (
            "operations not at rest",
            "SELECT count(*) FROM operations WHERE finished_at IS NULL OR state NOT IN ('done', 'failed')",
        ),
        ("claims", "SELECT count(*) FROM claims"),
        (
            "pending rows",
            "SELECT (SELECT count(*) FROM volumes WHERE pending_op IS NOT NULL) \
             + (SELECT count(*) FROM bricks WHERE pending_op IS NOT NULL) \
             + (SELECT count(*) FROM devices WHERE pending_op IS NOT NULL) \
             + (SELECT count(*) FROM nodes WHERE pending_op IS NOT NULL) \
             + (SELECT count(*) FROM block_volumes WHERE pending_op IS NOT NULL)",
        ),
        (
            "block volumes that hold more than they have",
            "SELECT count(*) FROM block_volumes WHERE held_gib <> size_gib OR usable_gib > size_gib",
        ),
        (
            "hosting volumes that have given away what they keep back",
            "SELECT count(*) FROM volumes v WHERE size_gib < block_reserved_gib + \
             coalesce((SELECT sum(held_gib) FROM block_volumes WHERE hosting = v.id), 0)",
        ),
        (
            "hosting volumes that keep back too little",
            "SELECT count(*) FROM volumes \
             WHERE block_reserved_gib < iif(block = 1, size_gib - size_gib * 98 / 100, 0)",
        ),
        (
            "devices whose space does not add up",
            "SELECT count(*) FROM devices d WHERE used_kib <> \
             coalesce((SELECT sum(pool_kib + metadata_kib) FROM bricks WHERE device = d.id), 0) \
             + coalesce((SELECT sum(pool_kib + metadata_kib) FROM debris WHERE device = d.id), 0)",
        ),
        (
            "volumes without bricks",
            "SELECT count(*) FROM volumes WHERE id NOT IN (SELECT volume FROM bricks)",
        ),
    ];
    for (what, question) in questions {
        match count(db, question).await {
            0 => {}
            n => return Err(format!("{n} {what}")),
        }
    }
    Ok(())
}

async fn count(db: &mut SqliteConnection, question: &'static str) -> i64 {
    sqlx::query_scalar(question).fetch_one(db).await.unwrap()
}
