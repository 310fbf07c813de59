CREATE TABLE ?schema.jet_file (
    id         uuid PRIMARY KEY,
    tenant_id  uuid NOT NULL REFERENCES ?schema.jet_tenant (id) ON DELETE CASCADE,
    name       text NOT NULL,
    type       text NOT NULL,
    size       bigint NOT NULL,
    ready      boolean NOT NULL,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX jet_file_tenant ON ?schema.jet_file (tenant_id, id);

CREATE TABLE ?schema.jet_file_piece (
    tenant_id uuid NOT NULL,
    file_id   uuid NOT NULL REFERENCES ?schema.jet_file (id) ON DELETE CASCADE,
    piece     integer NOT NULL,
    data      bytea NOT NULL,
    PRIMARY KEY (file_id, piece)
);
