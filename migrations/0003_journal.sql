-- What was intended, how far it got, and whom it concerns. Times are seconds since 1970.
CREATE TABLE operations (
    id          TEXT PRIMARY KEY,
    kind        TEXT NOT NULL,
    params      TEXT NOT NULL CHECK (json_valid(params)),
    state       TEXT NOT NULL
        CHECK (state IN ('accepted', 'running', 'unwinding', 'done', 'failed', 'stuck')),
    attempt     INTEGER NOT NULL DEFAULT 1,
    -- Nodes that failed in earlier attempts: the next one goes elsewhere.
    avoid       TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(avoid)),
    error       TEXT,
    location    TEXT,
    created_at  INTEGER NOT NULL,
    finished_at INTEGER
) STRICT;
CREATE INDEX operations_unfinished ON operations (created_at) WHERE finished_at IS NULL;
CREATE INDEX operations_finished ON operations (finished_at) WHERE finished_at IS NOT NULL;

-- Steps of one stage run side by side, stages one after another.
CREATE TABLE operation_steps (
    operation  TEXT NOT NULL REFERENCES operations (id) ON DELETE CASCADE,
    seq        INTEGER NOT NULL,
    stage      INTEGER NOT NULL,
    step       TEXT NOT NULL CHECK (json_valid(step)),
    state      TEXT NOT NULL CHECK (state IN ('planned', 'running', 'done', 'undone')),
    output     TEXT CHECK (output IS NULL OR json_valid(output)),
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (operation, seq)
) STRICT;

-- Resources that nobody else may change meanwhile.
CREATE TABLE claims (
    resource  TEXT PRIMARY KEY,
    operation TEXT NOT NULL REFERENCES operations (id) ON DELETE CASCADE
) STRICT;
CREATE INDEX claims_by_operation ON claims (operation);
