CREATE TABLE ?schema.jet_run_payload (
    tenant_id TEXT NOT NULL,
    run_id    TEXT NOT NULL REFERENCES jet_run (id) ON DELETE CASCADE,
    payload   TEXT NOT NULL,
    piece     INTEGER NOT NULL,
    bytes     INTEGER NOT NULL,
    data      TEXT NOT NULL,
    PRIMARY KEY (run_id, payload, piece)
);
