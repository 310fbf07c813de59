ALTER TABLE ?schema.jet_run ADD COLUMN rerun_of uuid;
ALTER TABLE ?schema.jet_run ADD COLUMN test boolean NOT NULL DEFAULT false;
ALTER TABLE ?schema.jet_workflow_version ADD COLUMN pins text;
