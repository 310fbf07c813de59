ALTER TABLE ?schema.jet_api_key DROP COLUMN version;
ALTER TABLE ?schema.jet_api_key DROP COLUMN previous_until;
ALTER TABLE ?schema.jet_api_key DROP COLUMN previous_hash;
ALTER TABLE ?schema.jet_api_key DROP COLUMN addresses;
