-- What Heketi keeps of a database as a whole (storage.md 6.6). The generation is made once, and
-- anew by an import, so that copies that went separate ways can be told apart.
CREATE TABLE attributes (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;
INSERT INTO attributes (key, value) VALUES ('DB_GENERATION_ID', lower(hex(randomblob(16))));
