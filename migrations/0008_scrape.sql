-- Counting the volumes that are shown must not read each of them: metrics are asked for often.
CREATE INDEX volumes_shown ON volumes (cluster) WHERE pending_op IS NULL;
