CREATE TABLE ?schema.jet_schedule (
    id             uuid PRIMARY KEY,
    tenant_id      uuid NOT NULL REFERENCES ?schema.jet_tenant (id) ON DELETE CASCADE,
    workflow_id    uuid NOT NULL REFERENCES ?schema.jet_workflow (id),
    name           text NOT NULL,
    expression     text NOT NULL,
    zone           text NOT NULL,
    input          text NOT NULL,
    overlap        text NOT NULL,
    catch_up       text NOT NULL,
    catch_up_limit integer  NOT NULL,
    next_at        timestamptz,
    last_at        timestamptz,
    last_run_id    uuid,
    last_error     text,
    skipped_at     timestamptz,
    created_by     text NOT NULL,
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL,
    version        integer  NOT NULL
);
CREATE UNIQUE INDEX jet_schedule_name ON ?schema.jet_schedule (tenant_id, name);
CREATE INDEX jet_schedule_tenant ON ?schema.jet_schedule (tenant_id, id);
CREATE INDEX jet_schedule_due ON ?schema.jet_schedule (next_at) WHERE next_at IS NOT NULL;

CREATE TABLE ?schema.jet_webhook (
    id              uuid PRIMARY KEY,
    tenant_id       uuid NOT NULL REFERENCES ?schema.jet_tenant (id) ON DELETE CASCADE,
    workflow_id     uuid NOT NULL REFERENCES ?schema.jet_workflow (id),
    name            text NOT NULL,
    key             text NOT NULL,
    mode            text NOT NULL,
    enabled         boolean  NOT NULL,
    settings        text NOT NULL,
    secret          text,
    previous_secret text,
    previous_until  timestamptz,
    created_by      text NOT NULL,
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    version         integer  NOT NULL
);
CREATE UNIQUE INDEX jet_webhook_key ON ?schema.jet_webhook (key);
CREATE UNIQUE INDEX jet_webhook_name ON ?schema.jet_webhook (tenant_id, name);
CREATE INDEX jet_webhook_tenant ON ?schema.jet_webhook (tenant_id, id);

CREATE TABLE ?schema.jet_webhook_delivery (
    tenant_id  uuid NOT NULL,
    webhook_id uuid NOT NULL REFERENCES ?schema.jet_webhook (id) ON DELETE CASCADE,
    digest     text NOT NULL,
    run_id     uuid NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (webhook_id, digest)
);
CREATE INDEX jet_webhook_delivery_age ON ?schema.jet_webhook_delivery (expires_at);
