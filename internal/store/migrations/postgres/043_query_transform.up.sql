ALTER TABLE ?schema.jet_query ADD COLUMN transform text NOT NULL DEFAULT '';
