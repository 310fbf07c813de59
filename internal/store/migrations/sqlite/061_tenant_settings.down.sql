ALTER TABLE ?schema.jet_tenant DROP COLUMN settings;
