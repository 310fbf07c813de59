ALTER TABLE ?schema.jet_tenant ADD COLUMN deleted_at TIMESTAMP;
ALTER TABLE ?schema.jet_tenant ADD COLUMN limits TEXT NOT NULL DEFAULT '{}';
-- The tenants whose rows are still being removed: few, while others may be many.
CREATE INDEX ?schema.jet_tenant_deleted ON jet_tenant (deleted_at) WHERE deleted_at IS NOT NULL;
