ALTER TABLE ?schema.jet_run ADD COLUMN draft_of TEXT;
CREATE INDEX ?schema.jet_run_draft ON jet_run (tenant_id, draft_of, id) WHERE draft_of IS NOT NULL;

CREATE TABLE ?schema.jet_run_settings (
    tenant_id      TEXT PRIMARY KEY NOT NULL REFERENCES jet_tenant (id) ON DELETE CASCADE,
    retention_days INTEGER NOT NULL,
    version        INTEGER NOT NULL
);

CREATE TABLE ?schema.jet_duty (
    name    TEXT PRIMARY KEY NOT NULL,
    next_at TIMESTAMP NOT NULL
);
