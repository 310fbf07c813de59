ALTER TABLE ?schema.jet_query ADD COLUMN rules text NOT NULL DEFAULT '';
