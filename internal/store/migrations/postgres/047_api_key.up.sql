ALTER TABLE ?schema.jet_api_key ADD COLUMN addresses text NOT NULL DEFAULT '[]';
ALTER TABLE ?schema.jet_api_key ADD COLUMN previous_hash bytea;
ALTER TABLE ?schema.jet_api_key ADD COLUMN previous_until timestamptz;
ALTER TABLE ?schema.jet_api_key ADD COLUMN version integer NOT NULL DEFAULT 1;
