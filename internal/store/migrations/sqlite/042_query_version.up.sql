CREATE TABLE ?schema.jet_query_version (
    tenant_id     TEXT NOT NULL REFERENCES jet_tenant (id) ON DELETE CASCADE,
    query_id      TEXT NOT NULL REFERENCES jet_query (id) ON DELETE CASCADE,
    number        INTEGER NOT NULL,
    content       TEXT NOT NULL,
    changed       TEXT NOT NULL,
    restored_from INTEGER,
    saved_by      TEXT NOT NULL,
    saved_at      TIMESTAMP NOT NULL,
    PRIMARY KEY (query_id, number)
);
-- What is there now is the first version that is known.
INSERT INTO ?schema.jet_query_version (tenant_id, query_id, number, content, changed, restored_from, saved_by, saved_at)
SELECT tenant_id, id, version, json_object('name', name, 'description', description, 'datasourceId', datasource_id,
    'operation', json(operation), 'params', json(params), 'writes', json(CASE WHEN writes THEN 'true' ELSE 'false' END), 'rowLimit', row_limit,
    'timeoutMs', timeout_ms, 'cacheTtlMs', cache_ttl_ms), '[]', NULL, created_by, updated_at
FROM ?schema.jet_query /* across tenants: the queries of all */;
