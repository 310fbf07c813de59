-- No reference to the query and its datasource: the history outlives them, and rows
-- of many tenants are written at once, which one that is gone must not hold up.
CREATE TABLE ?schema.jet_execution (
    id             TEXT PRIMARY KEY NOT NULL,
    tenant_id      TEXT NOT NULL,
    kind           TEXT NOT NULL,
    datasource_id  TEXT NOT NULL,
    query_id       TEXT,
    query_version  INTEGER NOT NULL,
    actor          TEXT NOT NULL,
    on_behalf_of   TEXT NOT NULL,
    params         TEXT NOT NULL,
    status         TEXT NOT NULL,
    error_code     TEXT NOT NULL,
    row_count      INTEGER NOT NULL,
    cached         BOOLEAN NOT NULL,
    started_at     TIMESTAMP NOT NULL,
    ends_by        TIMESTAMP NOT NULL,
    finished_at    TIMESTAMP,
    stop_requested BOOLEAN NOT NULL
);
CREATE INDEX ?schema.jet_execution_tenant ON jet_execution (tenant_id, id);
CREATE INDEX ?schema.jet_execution_query ON jet_execution (tenant_id, query_id, id);
CREATE INDEX ?schema.jet_execution_running ON jet_execution (tenant_id, id) WHERE finished_at IS NULL;
