-- No reference to the query and its datasource: the history outlives them, and rows
-- of many tenants are written at once, which one that is gone must not hold up.
CREATE TABLE ?schema.jet_execution (
    id             uuid PRIMARY KEY,
    tenant_id      uuid NOT NULL,
    kind           text NOT NULL,
    datasource_id  uuid NOT NULL,
    query_id       uuid,
    query_version  integer NOT NULL,
    actor          text NOT NULL,
    on_behalf_of   text NOT NULL,
    params         text NOT NULL,
    status         text NOT NULL,
    error_code     text NOT NULL,
    row_count      bigint NOT NULL,
    cached         boolean NOT NULL,
    started_at     timestamptz NOT NULL,
    ends_by        timestamptz NOT NULL,
    finished_at    timestamptz,
    stop_requested boolean NOT NULL
);
CREATE INDEX jet_execution_tenant ON ?schema.jet_execution (tenant_id, id);
CREATE INDEX jet_execution_query ON ?schema.jet_execution (tenant_id, query_id, id);
CREATE INDEX jet_execution_running ON ?schema.jet_execution (tenant_id, id) WHERE finished_at IS NULL;
