ALTER TABLE ?schema.jet_run ADD COLUMN enclosing text;
ALTER TABLE ?schema.jet_run ADD COLUMN iteration text NOT NULL DEFAULT '';
CREATE INDEX jet_run_child_unhappy ON ?schema.jet_run (parent_node_id, parent_attempt) WHERE parent_node_id IS NOT NULL AND (status = 'failed' OR status = 'cancelled' OR status = 'timedOut');

-- An attempt at a loop that has stored all of its items.
CREATE TABLE ?schema.jet_run_loop (
    tenant_id    uuid NOT NULL,
    run_id       uuid NOT NULL REFERENCES ?schema.jet_run (id) ON DELETE CASCADE,
    node_id      uuid NOT NULL,
    attempt      integer NOT NULL,
    items        integer NOT NULL,
    begun        integer NOT NULL,
    ended        integer NOT NULL,
    failed       integer NOT NULL,
    next         integer NOT NULL,
    concurrency  integer NOT NULL,
    max_failures integer NOT NULL,
    PRIMARY KEY (node_id, attempt)
);
CREATE INDEX jet_run_loop_run ON ?schema.jet_run_loop (run_id);

-- An item that has not begun, or has the run of an earlier attempt. A run that is made
-- for an item takes its place.
CREATE TABLE ?schema.jet_run_item (
    tenant_id   uuid NOT NULL,
    run_id      uuid NOT NULL REFERENCES ?schema.jet_run (id) ON DELETE CASCADE,
    node_id     uuid NOT NULL,
    attempt     integer NOT NULL,
    item_index  integer NOT NULL,
    value       text NOT NULL,
    item_run_id uuid REFERENCES ?schema.jet_run (id) ON DELETE SET NULL,
    PRIMARY KEY (node_id, attempt, item_index)
);
CREATE INDEX jet_run_item_run ON ?schema.jet_run_item (run_id);
CREATE INDEX jet_run_item_of ON ?schema.jet_run_item (item_run_id) WHERE item_run_id IS NOT NULL;
