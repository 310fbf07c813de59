ALTER TABLE ?schema.jet_run ADD COLUMN parent_run_id uuid;
ALTER TABLE ?schema.jet_run ADD COLUMN parent_node_id uuid;
ALTER TABLE ?schema.jet_run ADD COLUMN parent_key text NOT NULL DEFAULT '';
ALTER TABLE ?schema.jet_run ADD COLUMN parent_attempt integer NOT NULL DEFAULT 0;
ALTER TABLE ?schema.jet_run ADD COLUMN item_index integer NOT NULL DEFAULT 0;
ALTER TABLE ?schema.jet_run ADD COLUMN depth integer NOT NULL DEFAULT 0;
ALTER TABLE ?schema.jet_run ADD COLUMN detached boolean NOT NULL DEFAULT false;
-- What a node of a run has begun, once for each attempt.
CREATE UNIQUE INDEX jet_run_child ON ?schema.jet_run (parent_node_id, parent_attempt, item_index) WHERE parent_node_id IS NOT NULL;
CREATE INDEX jet_run_parent ON ?schema.jet_run (parent_run_id, id) WHERE parent_run_id IS NOT NULL;
CREATE INDEX jet_run_child_open ON ?schema.jet_run (parent_run_id, parent_node_id) WHERE parent_run_id IS NOT NULL AND finished_at IS NULL;
-- Lists of runs leave out the children of others, of which there may be many.
DROP INDEX ?schema.jet_run_workflow;
DROP INDEX ?schema.jet_run_status;
CREATE INDEX jet_run_top ON ?schema.jet_run (tenant_id, id) WHERE parent_run_id IS NULL;
CREATE INDEX jet_run_workflow ON ?schema.jet_run (tenant_id, workflow_id, id) WHERE parent_run_id IS NULL;
CREATE INDEX jet_run_status ON ?schema.jet_run (tenant_id, status, id) WHERE parent_run_id IS NULL;
