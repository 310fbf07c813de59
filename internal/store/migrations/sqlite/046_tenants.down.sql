DROP TABLE ?schema.jet_invitation;
ALTER TABLE ?schema.jet_tenant DROP COLUMN suspended_at;
