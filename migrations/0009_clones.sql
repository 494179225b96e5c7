-- Bricks of clones: gluster makes them, under names of its own, in the thin pools of the bricks that they are clones
-- of. The space of a pool is accounted to one of the bricks in it, so the sizes of a pool may be 0.
CREATE TABLE bricks_with_clones (
    id           TEXT PRIMARY KEY,
    volume       TEXT NOT NULL REFERENCES volumes (id),
    device       TEXT NOT NULL REFERENCES devices (id),
    path         TEXT NOT NULL,
    size_kib     INTEGER NOT NULL CHECK (size_kib > 0),
    pool_kib     INTEGER NOT NULL CHECK (pool_kib >= 0),
    metadata_kib INTEGER NOT NULL CHECK (metadata_kib >= 0),
    part         TEXT NOT NULL CHECK (part IN ('data', 'arbiter')),
    -- Its place in gluster's order: which set, and where in it.
    set_index    INTEGER NOT NULL,
    position     INTEGER NOT NULL,
    pending_op   TEXT,
    -- Its thin volume and pool, unless they are brick_<id> and tp_<id>.
    lv           TEXT,
    pool         TEXT,
    CHECK ((lv IS NULL) = (pool IS NULL))
) STRICT;
INSERT INTO bricks_with_clones
    SELECT id, volume, device, path, size_kib, pool_kib, metadata_kib, part, set_index, position, pending_op, NULL, NULL
    FROM bricks;
DROP TABLE bricks;
ALTER TABLE bricks_with_clones RENAME TO bricks;
CREATE INDEX bricks_by_volume ON bricks (volume);
CREATE INDEX bricks_by_device ON bricks (device);
CREATE INDEX bricks_by_operation ON bricks (pending_op) WHERE pending_op IS NOT NULL;
