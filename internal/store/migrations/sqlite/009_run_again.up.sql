ALTER TABLE ?schema.jet_run ADD COLUMN rerun_of TEXT;
ALTER TABLE ?schema.jet_run ADD COLUMN test BOOLEAN NOT NULL DEFAULT 0;
ALTER TABLE ?schema.jet_workflow_version ADD COLUMN pins TEXT;
