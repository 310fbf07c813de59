CREATE TABLE ?schema.jet_datasource (
    id          uuid PRIMARY KEY,
    tenant_id   uuid NOT NULL REFERENCES ?schema.jet_tenant (id) ON DELETE CASCADE,
    name        text NOT NULL,
    description text NOT NULL,
    type        text NOT NULL,
    settings    text NOT NULL,
    secrets     text NOT NULL,
    read_only   boolean NOT NULL,
    created_by  text NOT NULL,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    version     integer  NOT NULL
);
CREATE UNIQUE INDEX jet_datasource_name ON ?schema.jet_datasource (tenant_id, name);
CREATE INDEX jet_datasource_tenant ON ?schema.jet_datasource (tenant_id, id);

CREATE TABLE ?schema.jet_query (
    id            uuid PRIMARY KEY,
    tenant_id     uuid NOT NULL REFERENCES ?schema.jet_tenant (id) ON DELETE CASCADE,
    datasource_id uuid NOT NULL REFERENCES ?schema.jet_datasource (id),
    name          text NOT NULL,
    description   text NOT NULL,
    operation     text NOT NULL,
    params        text NOT NULL,
    writes        boolean NOT NULL,
    row_limit     integer  NOT NULL,
    timeout_ms    bigint  NOT NULL,
    created_by    text NOT NULL,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    version       integer  NOT NULL
);
CREATE UNIQUE INDEX jet_query_name ON ?schema.jet_query (tenant_id, name);
CREATE INDEX jet_query_tenant ON ?schema.jet_query (tenant_id, id);
CREATE INDEX jet_query_datasource ON ?schema.jet_query (datasource_id);
