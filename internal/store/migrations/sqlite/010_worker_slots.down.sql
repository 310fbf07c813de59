ALTER TABLE ?schema.jet_worker DROP COLUMN slots;
