CREATE TABLE ?schema.jet_idempotency (
    actor      TEXT NOT NULL,
    tenant_id  TEXT NOT NULL,
    key        TEXT NOT NULL,
    request    BLOB NOT NULL,
    reply      TEXT,
    created_at TIMESTAMP NOT NULL,
    PRIMARY KEY (actor, tenant_id, key)
);
CREATE INDEX ?schema.jet_idempotency_age ON jet_idempotency (created_at);
