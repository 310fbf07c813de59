ALTER TABLE ?schema.jet_execution DROP COLUMN viewing;
