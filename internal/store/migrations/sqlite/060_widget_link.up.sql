CREATE TABLE ?schema.jet_widget_link (
    id          TEXT PRIMARY KEY,
    tenant_id   TEXT NOT NULL,
    widget      TEXT NOT NULL,
    mode        TEXT NOT NULL,
    workflow_id TEXT,
    run_id      TEXT NOT NULL REFERENCES jet_run (id) ON DELETE CASCADE,
    owner       TEXT NOT NULL,
    created_at  TIMESTAMP NOT NULL
);
CREATE INDEX ?schema.jet_widget_link_owner ON jet_widget_link (tenant_id, owner, id);
CREATE INDEX ?schema.jet_widget_link_run ON jet_widget_link (run_id);
