CREATE TABLE ?schema.jet_query_version (
    tenant_id     uuid NOT NULL REFERENCES ?schema.jet_tenant (id) ON DELETE CASCADE,
    query_id      uuid NOT NULL REFERENCES ?schema.jet_query (id) ON DELETE CASCADE,
    number        integer NOT NULL,
    content       text NOT NULL,
    changed       text NOT NULL,
    restored_from integer,
    saved_by      text NOT NULL,
    saved_at      timestamptz NOT NULL,
    PRIMARY KEY (query_id, number)
);
-- What is there now is the first version that is known.
INSERT INTO ?schema.jet_query_version (tenant_id, query_id, number, content, changed, restored_from, saved_by, saved_at)
SELECT tenant_id, id, version, json_build_object('name', name, 'description', description, 'datasourceId', datasource_id,
    'operation', operation::json, 'params', params::json, 'writes', writes, 'rowLimit', row_limit, 'timeoutMs', timeout_ms,
    'cacheTtlMs', cache_ttl_ms)::text, '[]', NULL, created_by, updated_at
FROM ?schema.jet_query /* across tenants: the queries of all */;
