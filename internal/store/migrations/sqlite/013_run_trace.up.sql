ALTER TABLE ?schema.jet_run ADD COLUMN trace TEXT;
