CREATE TABLE ?schema.jet_widget_link (
    id          uuid PRIMARY KEY,
    tenant_id   uuid NOT NULL,
    widget      text NOT NULL,
    mode        text NOT NULL,
    workflow_id uuid,
    run_id      uuid NOT NULL REFERENCES ?schema.jet_run (id) ON DELETE CASCADE,
    owner       text NOT NULL,
    created_at  timestamptz NOT NULL
);
CREATE INDEX jet_widget_link_owner ON ?schema.jet_widget_link (tenant_id, owner, id);
CREATE INDEX jet_widget_link_run ON ?schema.jet_widget_link (run_id);
