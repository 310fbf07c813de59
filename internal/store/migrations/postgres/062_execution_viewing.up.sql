ALTER TABLE ?schema.jet_execution ADD COLUMN viewing text NOT NULL DEFAULT '';
