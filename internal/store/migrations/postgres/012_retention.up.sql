ALTER TABLE ?schema.jet_run ADD COLUMN draft_of uuid;
CREATE INDEX jet_run_draft ON ?schema.jet_run (tenant_id, draft_of, id) WHERE draft_of IS NOT NULL;

CREATE TABLE ?schema.jet_run_settings (
    tenant_id      uuid PRIMARY KEY REFERENCES ?schema.jet_tenant (id) ON DELETE CASCADE,
    retention_days integer NOT NULL,
    version        integer NOT NULL
);

CREATE TABLE ?schema.jet_duty (
    name    text PRIMARY KEY,
    next_at timestamptz NOT NULL
);
