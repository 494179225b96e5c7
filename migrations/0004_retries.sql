-- How often a stuck operation was tried again in vain, and when it is tried next (seconds since
-- 1970; none: only on demand or at the next start).
ALTER TABLE operations ADD COLUMN tries INTEGER NOT NULL DEFAULT 0;
ALTER TABLE operations ADD COLUMN retry_at INTEGER;
UPDATE operations SET retry_at = 0 WHERE state = 'stuck';
CREATE INDEX operations_stuck ON operations (retry_at) WHERE state = 'stuck';
