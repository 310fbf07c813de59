DROP INDEX ?schema.jet_tenant_deleted;
ALTER TABLE ?schema.jet_tenant DROP COLUMN limits;
ALTER TABLE ?schema.jet_tenant DROP COLUMN deleted_at;
