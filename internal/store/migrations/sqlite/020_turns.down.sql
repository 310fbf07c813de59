DROP INDEX ?schema.jet_run_node_back_off;
DROP INDEX ?schema.jet_run_node_ready;
ALTER TABLE ?schema.jet_run_node ADD COLUMN dispatched_at TIMESTAMP;
CREATE INDEX ?schema.jet_run_node_ready ON jet_run_node (ready_at) WHERE status = 'ready';
CREATE INDEX ?schema.jet_run_node_owed ON jet_run_node (id) WHERE status = 'ready' AND dispatched_at IS NULL;
ALTER TABLE ?schema.jet_run_node DROP COLUMN priority;
