ALTER TABLE ?schema.jet_run ADD COLUMN slot_key TEXT;
ALTER TABLE ?schema.jet_run ADD COLUMN held BOOLEAN NOT NULL DEFAULT 0;
CREATE INDEX ?schema.jet_run_slotted ON jet_run (tenant_id, workflow_id, slot_key, held, id) WHERE slot_key IS NOT NULL AND finished_at IS NULL;

CREATE TABLE ?schema.jet_run_slot (
    tenant_id   TEXT NOT NULL REFERENCES jet_tenant (id) ON DELETE CASCADE,
    workflow_id TEXT NOT NULL,
    key         TEXT NOT NULL,
    most        INTEGER NOT NULL,
    look_at     TIMESTAMP,
    PRIMARY KEY (tenant_id, workflow_id, key)
);
CREATE INDEX ?schema.jet_run_slot_look ON jet_run_slot (look_at) WHERE look_at IS NOT NULL;
