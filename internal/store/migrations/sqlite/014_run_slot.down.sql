DROP TABLE ?schema.jet_run_slot;
DROP INDEX ?schema.jet_run_slotted;
ALTER TABLE ?schema.jet_run DROP COLUMN held;
ALTER TABLE ?schema.jet_run DROP COLUMN slot_key;
