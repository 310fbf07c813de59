CREATE TABLE ?schema.jet_run_payload (
    tenant_id uuid NOT NULL,
    run_id    uuid NOT NULL REFERENCES ?schema.jet_run (id) ON DELETE CASCADE,
    payload   uuid NOT NULL,
    piece     integer NOT NULL,
    bytes     integer NOT NULL,
    data      text NOT NULL,
    PRIMARY KEY (run_id, payload, piece)
);
