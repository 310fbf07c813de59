ALTER TABLE ?schema.jet_run ADD COLUMN slot_key text;
ALTER TABLE ?schema.jet_run ADD COLUMN held boolean NOT NULL DEFAULT false;
CREATE INDEX jet_run_slotted ON ?schema.jet_run (tenant_id, workflow_id, slot_key, held, id) WHERE slot_key IS NOT NULL AND finished_at IS NULL;

CREATE TABLE ?schema.jet_run_slot (
    tenant_id   uuid NOT NULL REFERENCES ?schema.jet_tenant (id) ON DELETE CASCADE,
    workflow_id uuid NOT NULL,
    key         text NOT NULL,
    most        integer NOT NULL,
    look_at     timestamptz,
    PRIMARY KEY (tenant_id, workflow_id, key)
);
CREATE INDEX jet_run_slot_look ON ?schema.jet_run_slot (look_at) WHERE look_at IS NOT NULL;
