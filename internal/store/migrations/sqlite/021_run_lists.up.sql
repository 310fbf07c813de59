-- Lists that would pass over most of a tenant's runs to find few: test runs, and
-- the runs of a workflow that ended in one way. By two columns the planner prefers a
-- smaller index, for it takes them to be independent of each other.
CREATE INDEX ?schema.jet_run_test ON jet_run (tenant_id, id) WHERE test = TRUE AND parent_run_id IS NULL;
CREATE INDEX ?schema.jet_run_end ON jet_run (tenant_id, (CAST(workflow_id AS text) || status), id) WHERE finished_at IS NOT NULL AND parent_run_id IS NULL;
