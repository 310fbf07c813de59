-- Which node is next is asked of the rows, by tenant and priority. Nothing is noted
-- of who was told.
ALTER TABLE ?schema.jet_run_node ADD COLUMN priority integer NOT NULL DEFAULT 0;
UPDATE ?schema.jet_run_node /* across tenants: every run has its priority */ SET priority = (SELECT r.priority FROM ?schema.jet_run AS r WHERE r.id = run_id)
    WHERE status IN ('pending', 'ready', 'running', 'waiting');
DROP INDEX ?schema.jet_run_node_owed;
DROP INDEX ?schema.jet_run_node_ready;
ALTER TABLE ?schema.jet_run_node DROP COLUMN dispatched_at;
CREATE INDEX jet_run_node_ready ON ?schema.jet_run_node (tenant_id, priority DESC, id) WHERE status = 'ready' AND wake_at IS NULL;
CREATE INDEX jet_run_node_back_off ON ?schema.jet_run_node (wake_at) WHERE status = 'ready' AND wake_at IS NOT NULL;
