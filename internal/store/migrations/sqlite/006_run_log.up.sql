-- No reference to jet_run: its check would lock the row of the run, which the
-- engine locks for every transition. Who deletes runs deletes their lines.
CREATE TABLE ?schema.jet_run_log (
    tenant_id  TEXT NOT NULL,
    run_id     TEXT NOT NULL,
    id         TEXT NOT NULL,
    key        TEXT NOT NULL,
    attempt    INTEGER  NOT NULL,
    seq        INTEGER  NOT NULL,
    level      TEXT NOT NULL,
    message    TEXT NOT NULL,
    attributes TEXT,
    size       INTEGER  NOT NULL,
    truncated  BOOLEAN NOT NULL,
    at         TIMESTAMP NOT NULL,
    PRIMARY KEY (run_id, id)
);
