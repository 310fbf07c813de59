-- The last event that retention dropped: where a verification begins.
ALTER TABLE ?schema.jet_audit_head ADD COLUMN dropped_seq INTEGER NOT NULL DEFAULT 0;
ALTER TABLE ?schema.jet_audit_head ADD COLUMN dropped_hash BLOB;
CREATE INDEX ?schema.jet_audit_time ON jet_audit (tenant_id, time);
