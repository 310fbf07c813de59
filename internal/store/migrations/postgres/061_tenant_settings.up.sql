ALTER TABLE ?schema.jet_tenant ADD COLUMN settings text NOT NULL DEFAULT '{}';
