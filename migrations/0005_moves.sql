-- Bricks that move: the new one has the place of the old one in its set; until the move is done the volume
-- counts only the old one.
CREATE TABLE moves (
    brick    TEXT PRIMARY KEY,
    replaces TEXT NOT NULL
) STRICT;

-- The operation that began this one as a part of its own work.
ALTER TABLE operations ADD COLUMN parent TEXT;
CREATE INDEX operations_by_parent ON operations (parent) WHERE parent IS NOT NULL;

-- What may be left of bricks on nodes that did not answer when it was to be removed. Its space counts as
-- used until the node says that it is free; it is 0 when another brick in its thin pool has it.
CREATE TABLE debris (
    brick        TEXT PRIMARY KEY,
    device       TEXT NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    path         TEXT NOT NULL,
    -- Its thin volume and pool, unless they are brick_<id> and tp_<id>.
    lv           TEXT,
    pool         TEXT,
    pool_kib     INTEGER NOT NULL CHECK (pool_kib >= 0),
    metadata_kib INTEGER NOT NULL CHECK (metadata_kib >= 0),
    why          TEXT NOT NULL,
    since        INTEGER NOT NULL,
    CHECK ((lv IS NULL) = (pool IS NULL))
) STRICT;
CREATE INDEX debris_by_device ON debris (device);
