-- Ready nodes that nobody was told of: few, while others may be many.
CREATE INDEX ?schema.jet_run_node_owed ON jet_run_node (id) WHERE status = 'ready' AND dispatched_at IS NULL;
