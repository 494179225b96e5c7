-- What there is: clusters, their nodes, the nodes' devices. Sizes in KiB, ids as 32 hex digits.
CREATE TABLE clusters (
    id    TEXT PRIMARY KEY,
    file  INTEGER NOT NULL CHECK (file IN (0, 1)),
    block INTEGER NOT NULL CHECK (block IN (0, 1))
) STRICT;

CREATE TABLE nodes (
    id         TEXT PRIMARY KEY,
    cluster    TEXT NOT NULL REFERENCES clusters (id),
    zone       INTEGER NOT NULL CHECK (zone >= 1),
    state      TEXT NOT NULL CHECK (state IN ('online', 'offline', 'failed')),
    -- The operation that adds or removes it; it is shown and used only when there is none.
    pending_op TEXT
) STRICT;
CREATE INDEX nodes_by_cluster ON nodes (cluster);

-- Only position 0 is used to reach a node; every name is taken, for all clusters.
CREATE TABLE node_hostnames (
    node     TEXT NOT NULL REFERENCES nodes (id) ON DELETE CASCADE,
    kind     TEXT NOT NULL CHECK (kind IN ('manage', 'storage')),
    position INTEGER NOT NULL,
    name     TEXT NOT NULL,
    PRIMARY KEY (node, kind, position)
) STRICT;
CREATE INDEX node_hostnames_by_name ON node_hostnames (kind, name);

CREATE TABLE node_tags (
    node  TEXT NOT NULL REFERENCES nodes (id) ON DELETE CASCADE,
    name  TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (node, name)
) STRICT;

CREATE TABLE devices (
    id         TEXT PRIMARY KEY,
    node       TEXT NOT NULL REFERENCES nodes (id),
    name       TEXT NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('online', 'offline', 'failed')),
    total_kib  INTEGER NOT NULL CHECK (total_kib >= 0),
    used_kib   INTEGER NOT NULL CHECK (used_kib >= 0),
    extent_kib INTEGER NOT NULL CHECK (extent_kib >= 0),
    pv_uuid    TEXT NOT NULL,
    paths      TEXT NOT NULL CHECK (json_valid(paths)),
    pending_op TEXT,
    UNIQUE (node, name)
) STRICT;

CREATE TABLE device_tags (
    device TEXT NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    name   TEXT NOT NULL,
    value  TEXT NOT NULL,
    PRIMARY KEY (device, name)
) STRICT;
