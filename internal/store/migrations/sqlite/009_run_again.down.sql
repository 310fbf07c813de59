ALTER TABLE ?schema.jet_workflow_version DROP COLUMN pins;
ALTER TABLE ?schema.jet_run DROP COLUMN test;
ALTER TABLE ?schema.jet_run DROP COLUMN rerun_of;
