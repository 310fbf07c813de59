ALTER TABLE ?schema.jet_tenant ADD COLUMN settings TEXT NOT NULL DEFAULT '{}';
