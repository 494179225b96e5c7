-- How often a stuck operation was tried again in vain, and when it is tried next (seconds since
-- 1970; none: only on demand or at the next start).
ALTER TABLE operations ADD COLUMN tries INTEGER NOT NULL DEFAULT 0;
ALTER TABLE operations ADD COLUMN retry_at INTEGER;
UPDATE operations SET retry_at = 0 WHERE state = 'stuck';
CREATE INDEX operations_stuck ON operations (retry_at) WHERE state = 'stuck';

-- A number that grows with each start of the server, and is never below the seconds since 1970:
-- commands of an earlier server are told from those of a later one by it.
CREATE TABLE epoch (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    number   INTEGER NOT NULL
) STRICT;
INSERT INTO epoch (only_row, number) VALUES (1, 0);
