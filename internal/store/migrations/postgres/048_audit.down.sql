DROP INDEX ?schema.jet_audit_time;
ALTER TABLE ?schema.jet_audit_head DROP COLUMN dropped_hash;
ALTER TABLE ?schema.jet_audit_head DROP COLUMN dropped_seq;
