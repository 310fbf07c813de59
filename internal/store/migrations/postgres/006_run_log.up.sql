-- No reference to jet_run: its check would lock the row of the run, which the
-- engine locks for every transition. Who deletes runs deletes their lines.
CREATE TABLE ?schema.jet_run_log (
    tenant_id  uuid NOT NULL,
    run_id     uuid NOT NULL,
    id         uuid NOT NULL,
    key        text NOT NULL,
    attempt    integer  NOT NULL,
    seq        integer  NOT NULL,
    level      text NOT NULL,
    message    text NOT NULL,
    attributes text,
    size       integer  NOT NULL,
    truncated  boolean NOT NULL,
    at         timestamptz NOT NULL,
    PRIMARY KEY (run_id, id)
);
