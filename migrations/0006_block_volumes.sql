-- Volumes that host block volumes: GiB that are never given to one, and who may still get some.
ALTER TABLE volumes ADD COLUMN block_reserved_gib INTEGER NOT NULL DEFAULT 0
    CHECK (block_reserved_gib >= 0);
ALTER TABLE volumes ADD COLUMN block_restriction TEXT NOT NULL DEFAULT ''
    CHECK (block_restriction IN ('', 'locked', 'locked-by-update'));
UPDATE volumes SET block_reserved_gib = size_gib - size_gib * 98 / 100 WHERE block = 1;

-- What is free on a hosting volume is its size less what is reserved and what is held here: it is
-- never stored, so it cannot be wrong.
CREATE TABLE block_volumes (
    id         TEXT PRIMARY KEY,
    hosting    TEXT NOT NULL REFERENCES volumes (id),
    name       TEXT NOT NULL,
    size_gib   INTEGER NOT NULL CHECK (size_gib >= 1),
    -- Less than the size when not all of its hosts could follow an expansion.
    usable_gib INTEGER NOT NULL CHECK (usable_gib >= 0),
    -- Taken from the hosting volume: the size, or what it is being expanded to.
    held_gib   INTEGER NOT NULL CHECK (held_gib >= size_gib),
    ha_count   INTEGER NOT NULL CHECK (ha_count >= 0),
    auth       INTEGER NOT NULL CHECK (auth IN (0, 1)),
    -- Lists of strings: clusters named in the request, and storage names of its hosts.
    clusters   TEXT NOT NULL CHECK (json_valid(clusters)),
    hosts      TEXT NOT NULL CHECK (json_valid(hosts)),
    iqn        TEXT NOT NULL,
    lun        INTEGER NOT NULL,
    username   TEXT NOT NULL,
    password   TEXT NOT NULL,
    -- The operation that creates or deletes it; it is shown only when there is none.
    pending_op TEXT,
    UNIQUE (hosting, name)
) STRICT;
