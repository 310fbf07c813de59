ALTER TABLE ?schema.jet_run ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
ALTER TABLE ?schema.jet_run ADD COLUMN deadline_at TIMESTAMP;
ALTER TABLE ?schema.jet_run ADD COLUMN look_at TIMESTAMP;
ALTER TABLE ?schema.jet_run ADD COLUMN on_failure TEXT;
ALTER TABLE ?schema.jet_run ADD COLUMN failure_depth INTEGER NOT NULL DEFAULT 0;
CREATE INDEX ?schema.jet_run_look ON jet_run (look_at) WHERE look_at IS NOT NULL AND finished_at IS NULL;
CREATE INDEX ?schema.jet_run_on_failure ON jet_run (finished_at) WHERE on_failure IS NOT NULL AND (status = 'failed' OR status = 'timedOut');
