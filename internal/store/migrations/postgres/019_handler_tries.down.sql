ALTER TABLE ?schema.jet_run DROP COLUMN handler_at;
ALTER TABLE ?schema.jet_run DROP COLUMN handler_tries;
