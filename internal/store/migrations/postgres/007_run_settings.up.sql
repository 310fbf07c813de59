ALTER TABLE ?schema.jet_run ADD COLUMN priority integer NOT NULL DEFAULT 0;
ALTER TABLE ?schema.jet_run ADD COLUMN deadline_at timestamptz;
ALTER TABLE ?schema.jet_run ADD COLUMN look_at timestamptz;
ALTER TABLE ?schema.jet_run ADD COLUMN on_failure uuid;
ALTER TABLE ?schema.jet_run ADD COLUMN failure_depth integer NOT NULL DEFAULT 0;
CREATE INDEX jet_run_look ON ?schema.jet_run (look_at) WHERE look_at IS NOT NULL AND finished_at IS NULL;
CREATE INDEX jet_run_on_failure ON ?schema.jet_run (finished_at) WHERE on_failure IS NOT NULL AND (status = 'failed' OR status = 'timedOut');
