CREATE TABLE ?schema.jet_audit (
    tenant_id    TEXT NOT NULL,
    seq          INTEGER  NOT NULL,
    time         TIMESTAMP NOT NULL,
    actor        TEXT NOT NULL,
    on_behalf_of TEXT NOT NULL,
    action       TEXT NOT NULL,
    object_type  TEXT NOT NULL,
    object_id    TEXT NOT NULL,
    request_id   TEXT NOT NULL,
    detail       TEXT NOT NULL,
    previous     BLOB NOT NULL,
    hash         BLOB NOT NULL,
    PRIMARY KEY (tenant_id, seq)
);

CREATE TABLE ?schema.jet_audit_head (
    tenant_id TEXT PRIMARY KEY NOT NULL,
    seq       INTEGER  NOT NULL,
    hash      BLOB NOT NULL
);
