-- Volumes and their bricks.
CREATE TABLE volumes (
    id                  TEXT PRIMARY KEY,
    cluster             TEXT NOT NULL REFERENCES clusters (id),
    name                TEXT NOT NULL,
    size_gib            INTEGER NOT NULL CHECK (size_gib >= 1),
    -- What was asked for, as the API shows it: numbers of other types may be set as well.
    durability          TEXT NOT NULL CHECK (durability IN ('none', 'replicate', 'disperse')),
    replica             INTEGER NOT NULL,
    disperse_data       INTEGER NOT NULL,
    disperse_redundancy INTEGER NOT NULL,
    gid                 INTEGER NOT NULL,
    snapshot_enabled    INTEGER NOT NULL CHECK (snapshot_enabled IN (0, 1)),
    snapshot_factor     REAL NOT NULL CHECK (snapshot_factor >= 1),
    block               INTEGER NOT NULL CHECK (block IN (0, 1)),
    -- Lists of strings: options for gluster, and the clusters named in the request.
    options             TEXT NOT NULL CHECK (json_valid(options)),
    clusters            TEXT NOT NULL CHECK (json_valid(clusters)),
    -- The operation that creates or deletes it; it is shown only when there is none.
    pending_op          TEXT,
    UNIQUE (cluster, name)
) STRICT;

CREATE TABLE bricks (
    id           TEXT PRIMARY KEY,
    volume       TEXT NOT NULL REFERENCES volumes (id),
    device       TEXT NOT NULL REFERENCES devices (id),
    path         TEXT NOT NULL,
    size_kib     INTEGER NOT NULL CHECK (size_kib > 0),
    pool_kib     INTEGER NOT NULL CHECK (pool_kib >= size_kib),
    metadata_kib INTEGER NOT NULL CHECK (metadata_kib >= 0),
    part         TEXT NOT NULL CHECK (part IN ('data', 'arbiter')),
    -- Its place in gluster's order: which set, and where in it.
    set_index    INTEGER NOT NULL,
    position     INTEGER NOT NULL,
    pending_op   TEXT
) STRICT;
CREATE INDEX bricks_by_volume ON bricks (volume);
CREATE INDEX bricks_by_device ON bricks (device);
CREATE INDEX bricks_by_operation ON bricks (pending_op) WHERE pending_op IS NOT NULL;
