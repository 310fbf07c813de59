CREATE TABLE ?schema.jet_file (
    id         TEXT PRIMARY KEY NOT NULL,
    tenant_id  TEXT NOT NULL REFERENCES jet_tenant (id) ON DELETE CASCADE,
    name       TEXT NOT NULL,
    type       TEXT NOT NULL,
    size       INTEGER NOT NULL,
    ready      BOOLEAN NOT NULL,
    created_by TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL
);
CREATE INDEX ?schema.jet_file_tenant ON jet_file (tenant_id, id);

CREATE TABLE ?schema.jet_file_piece (
    tenant_id TEXT NOT NULL,
    file_id   TEXT NOT NULL REFERENCES jet_file (id) ON DELETE CASCADE,
    piece     INTEGER NOT NULL,
    data      BLOB NOT NULL,
    PRIMARY KEY (file_id, piece)
);
