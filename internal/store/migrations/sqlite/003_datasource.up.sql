CREATE TABLE ?schema.jet_datasource (
    id          TEXT PRIMARY KEY NOT NULL,
    tenant_id   TEXT NOT NULL REFERENCES jet_tenant (id) ON DELETE CASCADE,
    name        TEXT NOT NULL,
    description TEXT NOT NULL,
    type        TEXT NOT NULL,
    settings    TEXT NOT NULL,
    secrets     TEXT NOT NULL,
    read_only   BOOLEAN NOT NULL,
    created_by  TEXT NOT NULL,
    created_at  TIMESTAMP NOT NULL,
    updated_at  TIMESTAMP NOT NULL,
    version     INTEGER  NOT NULL
);
CREATE UNIQUE INDEX ?schema.jet_datasource_name ON jet_datasource (tenant_id, name);
CREATE INDEX ?schema.jet_datasource_tenant ON jet_datasource (tenant_id, id);

CREATE TABLE ?schema.jet_query (
    id            TEXT PRIMARY KEY NOT NULL,
    tenant_id     TEXT NOT NULL REFERENCES jet_tenant (id) ON DELETE CASCADE,
    datasource_id TEXT NOT NULL REFERENCES jet_datasource (id),
    name          TEXT NOT NULL,
    description   TEXT NOT NULL,
    operation     TEXT NOT NULL,
    params        TEXT NOT NULL,
    writes        BOOLEAN NOT NULL,
    row_limit     INTEGER  NOT NULL,
    timeout_ms    INTEGER  NOT NULL,
    created_by    TEXT NOT NULL,
    created_at    TIMESTAMP NOT NULL,
    updated_at    TIMESTAMP NOT NULL,
    version       INTEGER  NOT NULL
);
CREATE UNIQUE INDEX ?schema.jet_query_name ON jet_query (tenant_id, name);
CREATE INDEX ?schema.jet_query_tenant ON jet_query (tenant_id, id);
CREATE INDEX ?schema.jet_query_datasource ON jet_query (datasource_id);
