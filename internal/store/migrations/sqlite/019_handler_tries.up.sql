-- How often the failure handler of a run could not be started, and when that is tried again.
ALTER TABLE ?schema.jet_run ADD COLUMN handler_tries INTEGER NOT NULL DEFAULT 0;
ALTER TABLE ?schema.jet_run ADD COLUMN handler_at TIMESTAMP;
