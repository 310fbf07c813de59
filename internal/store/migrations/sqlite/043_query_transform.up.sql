ALTER TABLE ?schema.jet_query ADD COLUMN transform TEXT NOT NULL DEFAULT '';
