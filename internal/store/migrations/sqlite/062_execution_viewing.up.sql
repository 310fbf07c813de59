ALTER TABLE ?schema.jet_execution ADD COLUMN viewing TEXT NOT NULL DEFAULT '';
