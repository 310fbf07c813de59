ALTER TABLE ?schema.jet_run ADD COLUMN enclosing TEXT;
ALTER TABLE ?schema.jet_run ADD COLUMN iteration TEXT NOT NULL DEFAULT '';
CREATE INDEX ?schema.jet_run_child_unhappy ON jet_run (parent_node_id, parent_attempt) WHERE parent_node_id IS NOT NULL AND (status = 'failed' OR status = 'cancelled' OR status = 'timedOut');

-- An attempt at a loop that has stored all of its items.
CREATE TABLE ?schema.jet_run_loop (
    tenant_id    TEXT NOT NULL,
    run_id       TEXT NOT NULL REFERENCES jet_run (id) ON DELETE CASCADE,
    node_id      TEXT NOT NULL,
    attempt      INTEGER NOT NULL,
    items        INTEGER NOT NULL,
    begun        INTEGER NOT NULL,
    ended        INTEGER NOT NULL,
    failed       INTEGER NOT NULL,
    next         INTEGER NOT NULL,
    concurrency  INTEGER NOT NULL,
    max_failures INTEGER NOT NULL,
    PRIMARY KEY (node_id, attempt)
);
CREATE INDEX ?schema.jet_run_loop_run ON jet_run_loop (run_id);

-- An item that has not begun, or has the run of an earlier attempt. A run that is made
-- for an item takes its place.
CREATE TABLE ?schema.jet_run_item (
    tenant_id   TEXT NOT NULL,
    run_id      TEXT NOT NULL REFERENCES jet_run (id) ON DELETE CASCADE,
    node_id     TEXT NOT NULL,
    attempt     INTEGER NOT NULL,
    item_index  INTEGER NOT NULL,
    value       TEXT NOT NULL,
    item_run_id TEXT REFERENCES jet_run (id) ON DELETE SET NULL,
    PRIMARY KEY (node_id, attempt, item_index)
);
CREATE INDEX ?schema.jet_run_item_run ON jet_run_item (run_id);
CREATE INDEX ?schema.jet_run_item_of ON jet_run_item (item_run_id) WHERE item_run_id IS NOT NULL;
