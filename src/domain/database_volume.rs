//! The volume that holds Heketi's database in many installations (storage.md 6.10).

/// The name by which servers and people know it.
pub const NAME: &str = "heketidbstorage";

/// Tells which of [`OPTIONS`] a volume has got, or that somebody chose others.
pub const LEVEL: &str = "user.heketi.dbstoragelevel";

/// What makes gluster safe for a database: nothing is cached or written later, since another node
/// may go on with it.
pub const OPTIONS: [&str; 9] = [
    "performance.stat-prefetch off",
    "performance.write-behind off",
    "performance.open-behind off",
    "performance.quick-read off",
    "performance.strict-o-direct on",
    "performance.read-ahead off",
    "performance.io-cache off",
    "performance.readdir-ahead off",
    "user.heketi.dbstoragelevel 1",
];
