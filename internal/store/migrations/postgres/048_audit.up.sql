-- The last event that retention dropped: where a verification begins.
ALTER TABLE ?schema.jet_audit_head ADD COLUMN dropped_seq bigint NOT NULL DEFAULT 0;
ALTER TABLE ?schema.jet_audit_head ADD COLUMN dropped_hash bytea;
CREATE INDEX jet_audit_time ON ?schema.jet_audit (tenant_id, time);
