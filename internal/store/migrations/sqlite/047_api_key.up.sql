ALTER TABLE ?schema.jet_api_key ADD COLUMN addresses TEXT NOT NULL DEFAULT '[]';
ALTER TABLE ?schema.jet_api_key ADD COLUMN previous_hash BLOB;
ALTER TABLE ?schema.jet_api_key ADD COLUMN previous_until TIMESTAMP;
ALTER TABLE ?schema.jet_api_key ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
