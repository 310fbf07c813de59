CREATE TABLE ?schema.jet_schedule (
    id             TEXT PRIMARY KEY NOT NULL,
    tenant_id      TEXT NOT NULL REFERENCES jet_tenant (id) ON DELETE CASCADE,
    workflow_id    TEXT NOT NULL REFERENCES jet_workflow (id),
    name           TEXT NOT NULL,
    expression     TEXT NOT NULL,
    zone           TEXT NOT NULL,
    input          TEXT NOT NULL,
    overlap        TEXT NOT NULL,
    catch_up       TEXT NOT NULL,
    catch_up_limit INTEGER  NOT NULL,
    next_at        TIMESTAMP,
    last_at        TIMESTAMP,
    last_run_id    TEXT,
    last_error     TEXT,
    skipped_at     TIMESTAMP,
    created_by     TEXT NOT NULL,
    created_at     TIMESTAMP NOT NULL,
    updated_at     TIMESTAMP NOT NULL,
    version        INTEGER  NOT NULL
);
CREATE UNIQUE INDEX ?schema.jet_schedule_name ON jet_schedule (tenant_id, name);
CREATE INDEX ?schema.jet_schedule_tenant ON jet_schedule (tenant_id, id);
CREATE INDEX ?schema.jet_schedule_due ON jet_schedule (next_at) WHERE next_at IS NOT NULL;

CREATE TABLE ?schema.jet_webhook (
    id              TEXT PRIMARY KEY NOT NULL,
    tenant_id       TEXT NOT NULL REFERENCES jet_tenant (id) ON DELETE CASCADE,
    workflow_id     TEXT NOT NULL REFERENCES jet_workflow (id),
    name            TEXT NOT NULL,
    key             TEXT NOT NULL,
    mode            TEXT NOT NULL,
    enabled         BOOLEAN  NOT NULL,
    settings        TEXT NOT NULL,
    secret          TEXT,
    previous_secret TEXT,
    previous_until  TIMESTAMP,
    created_by      TEXT NOT NULL,
    created_at      TIMESTAMP NOT NULL,
    updated_at      TIMESTAMP NOT NULL,
    version         INTEGER  NOT NULL
);
CREATE UNIQUE INDEX ?schema.jet_webhook_key ON jet_webhook (key);
CREATE UNIQUE INDEX ?schema.jet_webhook_name ON jet_webhook (tenant_id, name);
CREATE INDEX ?schema.jet_webhook_tenant ON jet_webhook (tenant_id, id);

CREATE TABLE ?schema.jet_webhook_delivery (
    tenant_id  TEXT NOT NULL,
    webhook_id TEXT NOT NULL REFERENCES jet_webhook (id) ON DELETE CASCADE,
    digest     TEXT NOT NULL,
    run_id     TEXT NOT NULL,
    expires_at TIMESTAMP NOT NULL,
    PRIMARY KEY (webhook_id, digest)
);
CREATE INDEX ?schema.jet_webhook_delivery_age ON jet_webhook_delivery (expires_at);
