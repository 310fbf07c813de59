ALTER TABLE ?schema.jet_run DROP COLUMN trace;
