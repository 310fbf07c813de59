CREATE TABLE ?schema.jet_audit (
    tenant_id    text NOT NULL,
    seq          bigint  NOT NULL,
    time         timestamptz NOT NULL,
    actor        text NOT NULL,
    on_behalf_of text NOT NULL,
    action       text NOT NULL,
    object_type  text NOT NULL,
    object_id    text NOT NULL,
    request_id   text NOT NULL,
    detail       text NOT NULL,
    previous     bytea NOT NULL,
    hash         bytea NOT NULL,
    PRIMARY KEY (tenant_id, seq)
);

CREATE TABLE ?schema.jet_audit_head (
    tenant_id text PRIMARY KEY,
    seq       bigint  NOT NULL,
    hash      bytea NOT NULL
);
