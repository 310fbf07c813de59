CREATE TABLE ?schema.jet_idempotency (
    actor      text NOT NULL,
    tenant_id  text NOT NULL,
    key        text NOT NULL,
    request    bytea NOT NULL,
    reply      text,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (actor, tenant_id, key)
);
CREATE INDEX jet_idempotency_age ON ?schema.jet_idempotency (created_at);
