ALTER TABLE ?schema.jet_worker ADD COLUMN slots integer NOT NULL DEFAULT 0;
