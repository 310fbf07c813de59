ALTER TABLE ?schema.jet_tenant ADD COLUMN deleted_at timestamptz;
ALTER TABLE ?schema.jet_tenant ADD COLUMN limits text NOT NULL DEFAULT '{}';
-- The tenants whose rows are still being removed: few, while others may be many.
CREATE INDEX jet_tenant_deleted ON ?schema.jet_tenant (deleted_at) WHERE deleted_at IS NOT NULL;
